"""Kodosumi's sign-in and roles: people and members in its words. A name is an e-mail address here."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field, ValidationError

from api.authentication import OLD_COOKIE, origin_of
from api.bodies import Body, Email, Name, Password, fields_of
from api.cookies import is_secure
from api.dependencies import AuthenticationDep, Me, MeChanging, Public, SessionsDep, SignInDep
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.members import MemberReader, MembersDep, MemberWriter
from windlass.core.callers import Caller
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.identity import Grant, Member, MemberChange, NewMember
from windlass.core.permissions import Role

router = APIRouter(prefix=PREFIX, tags=["compat"])

SHOWN = 1_000
FORM: dict[str, Any] = {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/RoleLogin"}}}


class RoleLogin(Body):
    """An e-mail address, which Kodosumi calls a name, and its password."""

    name: Email
    password: Password


class SignedIn(BaseModel):
    """Who signed in, and the key to send as `KODOSUMI_API_KEY`."""

    name: str
    id: UUID
    key: str = Field(serialization_alias="KODOSUMI_API_KEY")


class NewRole(Body):
    """A person; Kodosumi's operators administer here, its users start runs."""

    name: Name
    email: Email
    password: Password
    operator: bool = False


class RoleChange(Body):
    """What is to be otherwise; what is left out stays. People choose their names and addresses themselves."""

    name: Name | None = None
    email: Email | None = None
    active: bool | None = None
    password: Password | None = None
    operator: bool | None = None


class RoleView(BaseModel):
    """A person as Kodosumi shows one."""

    id: UUID
    name: str
    email: str
    active: bool


@router.post("/api/login", dependencies=[Public])
async def login(body: RoleLogin, request: Request, response: Response, sign_in: SignInDep) -> SignedIn:
    """Sign in by password."""
    return _signed_in(request, response, await sign_in.login(body.name, body.password, origin_of(request)))


@router.post("/login", dependencies=[Public], openapi_extra={"requestBody": {"content": FORM}})
async def login_by_form(request: Request, response: Response, sign_in: SignInDep) -> SignedIn:
    """The same with the fields of a form."""
    return await login(_posted(request), request, response, sign_in)


@router.post("/logout")
async def logout(caller: MeChanging, response: Response, sessions: SessionsDep, known: AuthenticationDep) -> None:
    """End the session one came with."""
    if caller.session_id is not None:
        await sessions.end(caller, caller.session_id, "signed out")
    known.forget()
    response.delete_cookie(OLD_COOKIE, path=PREFIX)


@router.get("/role/profile")
async def profile(caller: Me) -> RoleView:
    """Who one is."""
    return RoleView(id=caller.person_id, name=caller.name, email=caller.email, active=True)


@router.get("/role")
async def roles(caller: MemberReader, members: MembersDep) -> Sequence[RoleView]:
    """The first thousand members, by name."""
    return [_role(each) for each in await members.by_name(caller, limit=SHOWN)]


@router.post("/role", status_code=status.HTTP_201_CREATED)
async def add(body: NewRole, caller: MemberWriter, members: MembersDep) -> RoleView:
    """Add a person, who chooses a password of their own at first."""
    return _role(await members.add(caller, NewMember(body.name, body.email, body.password, _as_what(body.operator))))


@router.get("/role/{name}")
async def role(name: str, caller: MemberReader, members: MembersDep) -> RoleView:
    """One person, by name or id."""
    found = next((each for each in await roles(caller, members) if name in (each.name, str(each.id))), None)
    if found is None:
        raise NotFound("member", name)
    return found


@router.put("/role/{person_id}")
async def change(person_id: UUID, body: RoleChange, caller: MemberWriter, members: MembersDep) -> RoleView:
    """Change role, access or password of a person below one's own role."""
    member = await members.get(caller, person_id)
    _check_own(body, member)
    is_operator = member.role in (Role.ADMIN, Role.OWNER)  # its panel sends it with every change: that alone is none
    wanted = None if body.operator in (None, is_operator) else _as_what(not is_operator)
    return _role(await members.change(caller, person_id, MemberChange(wanted, body.active, body.password)))


@router.delete("/role/{person_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(person_id: UUID, caller: MemberWriter, members: MembersDep) -> None:
    """Take a person out of the organisation."""
    await members.remove(caller, person_id)


def _posted(request: Request) -> RoleLogin:
    """The fields of the form. Raises Invalid."""
    sent: bytes = request.state.body
    fields = fields_of(sent.decode(errors="replace"), 20)
    try:
        return RoleLogin.model_validate({name: fields.get(name, [""])[0] for name in RoleLogin.model_fields})
    except ValidationError as wrong:
        found = tuple(FieldError(str(each["loc"][0]), each["msg"]) for each in wrong.errors())
        raise Invalid("Nobody was signed in.", found) from None


def _signed_in(request: Request, response: Response, grant: Grant) -> SignedIn:
    """The key, also as the cookie that Kodosumi's clients send back; no page of a browser is let in with it."""
    response.set_cookie(
        OLD_COOKIE,
        grant.access_token,
        max_age=int(grant.lifetime.total_seconds()),
        path=PREFIX,
        secure=is_secure(request),
        httponly=True,
        samesite="strict",
    )
    caller: Caller = grant.caller
    return SignedIn(name=caller.name, id=caller.person_id, key=grant.access_token)


def _as_what(operator: bool) -> Role:
    return Role.ADMIN if operator else Role.OPERATOR


def _check_own(body: RoleChange, member: Member) -> None:
    """Raises Invalid: what is a person's own is changed by nobody else."""
    own = (("name", body.name, member.name), ("email", body.email, member.email))
    wrong = tuple(FieldError(name, "is theirs to change") for name, new, old in own if new not in (None, old))
    if wrong:
        raise Invalid("Nothing was changed.", wrong)


def _role(member: Member) -> RoleView:
    return RoleView(id=member.id, name=member.name, email=member.email, active=member.active)
