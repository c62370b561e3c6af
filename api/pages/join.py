"""Invitations on pages: made and taken back under Settings, and the page on which the invited come in."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api.authentication import check_same_site, origin_of
from api.bodies import Email, Name
from api.cookies import check_transport, set_session_cookie
from api.dependencies import Public, SignInDep
from api.pages.formats import duration
from api.pages.rendering import bare_page, field, go, read_form
from api.pages.settings import Shown, members_page, sentences
from api.routes.invitations import DAYS, InvitationsDep, join_url
from api.routes.members import MembersDep, MemberWriter
from windlass.core.errors import Conflict, Invalid, TooMany
from windlass.core.identity import Invited, NewAccount
from windlass.core.permissions import Role

router = APIRouter(include_in_schema=False)

NAME, EMAIL, ROLE = TypeAdapter[str](Name), TypeAdapter[str](Email), TypeAdapter(Role)
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Door:
    """The page as somebody left it: what the code is for, and at last where they are a member now."""

    code: str = ""
    invited: Invited | None = None
    name: str = ""
    problem: Problem | None = None
    done: Invited | None = None


@router.post("/settings/invitations")
async def invite(request: Request, caller: MemberWriter, members: MembersDep, invitations: InvitationsDep) -> Response:
    """Invite somebody; the link is on this page and nowhere else."""
    form = read_form(request)
    try:
        email, role = EMAIL.validate_python(field(form, "who", 254)), ROLE.validate_python(field(form, "role", 20))
        made, code = await invitations.invite(caller, email, role, timedelta(days=DAYS))
    except ValidationError:
        problems = (("Who is invited must be an e-mail address.", "who"),)
        return await members_page(request, caller, members, Shown(form, problems))
    except Conflict as problem:
        return await members_page(request, caller, members, Shown(form, sentences(problem)))
    shown = Shown(invited=made.email, url=join_url(request, code))
    return await members_page(request, caller, members, shown)


@router.post("/settings/invitations/{invitation_id}/delete")
async def take_back(invitation_id: UUID, caller: MemberWriter, invitations: InvitationsDep) -> Response:
    """Take an invitation back."""
    await invitations.take_back(caller, invitation_id)
    return go("/settings/members", "The invitation is taken back")


@router.get("/join", dependencies=[Public])
async def ask(request: Request) -> Response:
    """Ask for the code; a link carries it behind a `#`, from where the page fills it in."""
    return join_page(request)


@router.post("/join", dependencies=[Public])
async def join(request: Request, invitations: InvitationsDep, door: SignInDep) -> Response:
    """Say what the code is for, then let its holder in."""
    check_transport(request)
    check_same_site(request)
    form, origin = read_form(request), origin_of(request)
    code, name = field(form, "code", 200), field(form, "name", 100)
    password, step = form.get("password", [""])[0][:256], field(form, "step", 10)
    invited: Invited | None = None
    try:
        invited = await invitations.look(code, origin)
        if step != "join":
            return join_page(request, Door(code, invited))
        account = None if invited.has_account else NewAccount(NAME.validate_python(name), password)
        if account and password != form.get("again", [""])[0]:
            raise Invalid("The two passwords differ. Nobody has joined.")
        await invitations.join(code, account, origin)
    except TooMany as limit:
        problem = (f"Too many tries. Wait {duration(limit.retry_after_s)}.", "")
        return join_page(request, Door(code, problem=problem), limit.status)
    except ValidationError:
        return join_page(request, Door(code, invited, name, ("Your name must be one line of text.", "name")), 422)
    except Invalid as problem:
        return join_page(request, Door(code, invited, name, sentences(problem)[0]), problem.status)
    if account is None:
        return join_page(request, Door(done=invited))
    grant = await door.login(invited.email, password, origin, tenant=str(invited.tenant_id), web=True)
    answer = go("/", f"Welcome to {invited.tenant_name}")
    if grant.cookie:
        set_session_cookie(request, answer, grant.cookie)
    return answer


def join_page(request: Request, it: Door | None = None, status: int = 200) -> Response:
    """What the code is for, and the fields of an account for who has none."""
    shown = it or Door()
    return bare_page(request, "join.html", {"it": shown, "problems": (shown.problem,) if shown.problem else ()}, status)
