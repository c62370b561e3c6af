"""Settings: the person, the places where they are signed in, members, roles and keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api.bodies import Email, Name
from api.dependencies import AuthenticationDep, Myself, SessionsDep, SignInDep
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.shell import Place
from api.pages.start_form import as_id
from api.routes.keys import KeyReader, KeysDep, KeyWriter
from api.routes.members import MemberReader, MembersDep, MemberWriter
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, FieldError, Invalid, WindlassError
from windlass.core.identity import Invitations, MemberChange, Members, NewKey, NewMember
from windlass.core.permissions import PERSONAL, ROLES, Permission, Role

router = APIRouter(include_in_schema=False)

NAME, EMAIL = TypeAdapter[str](Name), TypeAdapter[str](Email)
MOST_ROWS = 200
AT_RUNS = (
    Permission.ME_READ, Permission.AGENTS_READ, Permission.RUNS_READ, Permission.RUNS_START, Permission.RUNS_CANCEL,
    Permission.QUESTIONS_READ, Permission.QUESTIONS_ANSWER,
)  # fmt: skip
SCOPES: Mapping[str, frozenset[Permission]] = {
    "runs": frozenset(AT_RUNS),
    "read": frozenset(each for each in Permission if each.endswith(":read")),
}
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A permission, and the roles that hold it."""

    permission: str
    held: tuple[bool, ...]


def place(name: str) -> Place:
    """A page under Settings."""
    return Place("Settings", (("Settings", "/settings"), (name, "")))


@router.get("/settings")
async def profile(request: Request, caller: Myself, sessions: SessionsDep) -> Response:
    """The person and the places where they are signed in."""
    values = {"sessions": await sessions.live(caller), "seen": viewer(request), "problems": (), "title": "Settings"}
    return await page(request, caller, "settings.html", Place("Settings", (("Settings", ""),)), values)


@router.post("/settings/name")
async def rename(request: Request, caller: Myself, door: SignInDep, known: AuthenticationDep) -> Response:
    """Change one's name."""
    try:
        name = NAME.validate_python(field(read_form(request), "name", 100))
    except ValidationError:
        raise Invalid("The name was not changed.", (FieldError("name", "must be one line of text"),)) from None
    await door.rename(caller, name)
    known.forget()
    return go("/settings", "Your name is changed")


@router.post("/settings/sessions/end")
async def end_session(request: Request, caller: Myself, sessions: SessionsDep, known: AuthenticationDep) -> Response:
    """Sign out in one place, or everywhere else."""
    wanted = field(read_form(request), "session", 40)
    if wanted:
        await sessions.end(caller, as_id(wanted), "signed out from another session")
    else:
        await sessions.end_others(caller, "signed out from another session")
    known.forget()
    return go("/settings", "Signed out there")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page of members shows besides them: a form as it was left, and once the link of an invitation."""

    filled: Form = field_of(default_factory=dict[str, list[str]])
    problems: tuple[Problem, ...] = ()
    invited: str = ""
    url: str = ""


@router.get("/settings/members")
async def members(request: Request, caller: MemberReader, members: MembersDep) -> Response:
    """The people of the organisation, who is invited, and what each role may do."""
    return await members_page(request, caller, members, Shown())


async def members_page(request: Request, caller: Caller, members: Members, shown: Shown) -> Response:
    """The list, the forms that invite and add, and the matrix of roles."""
    invitations: Invitations = request.state.invitations
    values: dict[str, Any] = {
        "members": await members.by_name(caller, limit=MOST_ROWS),
        "sessions": await members.sessions(caller),
        "invitations": await invitations.live(caller),
        "seen": viewer(request),
        "may_write": caller.may(Permission.MEMBERS_WRITE),
        "below": [role for role in Role if caller.role.outranks(role)],
        "roles": list(Role),
        "matrix": matrix(),
        "filled": {name: field(shown.filled, name, 254) for name in ("name", "email", "role", "who")},
        "shown": shown,
        "problems": shown.problems,
        "title": "Members",
    }
    return await page(request, caller, "members.html", place("Members"), values, 422 if shown.problems else 200)


@router.get("/settings/members/{person_id}/role")
async def ask_role(person_id: UUID, request: Request, caller: MemberWriter, members: MembersDep) -> Response:
    """What a member could do and could not do any more in another role; nothing is changed yet."""
    member, role = await members.get(caller, person_id), wanted_role(request.query_params.get("role", ""))
    old, new = ROLES[member.role], ROLES[role]
    values = {
        "member": member,
        "role": str(role),
        "gained": sorted(new - old),
        "lost": sorted(old - new),
        "title": "Change role",
    }
    return await page(request, caller, "member_role.html", place("Members"), values)


def wanted_role(text: str) -> Role:
    """The role of that name. Raises Invalid."""
    try:
        return Role(text)
    except ValueError:
        raise Invalid("The role was not changed.", (FieldError("role", "is unknown"),)) from None


def matrix() -> tuple[MatrixRow, ...]:
    """The table that the server enforces, as rows."""
    return tuple(
        MatrixRow(str(permission), tuple(permission in ROLES[role] for role in Role))
        for permission in Permission
        if permission is not Permission.PLATFORM_READ
    )


@router.post("/settings/members")
async def add_member(request: Request, caller: MemberWriter, members: MembersDep) -> Response:
    """Add a person."""
    form = read_form(request)
    try:
        wish = NewMember(
            NAME.validate_python(field(form, "name", 100)),
            EMAIL.validate_python(field(form, "email", 254)),
            form.get("password", [""])[0],
            Role(field(form, "role", 20)),
        )
        await members.add(caller, wish)
    except ValidationError:
        problems = (("Name or e-mail address is not valid.", "name"),)
        return await members_page(request, caller, members, Shown(form, problems))
    except (Invalid, Conflict) as problem:
        return await members_page(request, caller, members, Shown(form, sentences(problem)))
    return go("/settings/members", f"{wish.name} is a member now")


@router.post("/settings/members/{person_id}")
async def change_member(person_id: UUID, request: Request, caller: MemberWriter, members: MembersDep) -> Response:
    """Change role or access of a member, or take them out."""
    form = read_form(request)
    act = field(form, "act", 20)
    if act == "remove":
        await members.remove(caller, person_id)
        return go("/settings/members", "Taken out of this organisation")
    if act in ("close", "open"):
        await members.change(caller, person_id, MemberChange(active=act == "open"))
        return go("/settings/members", "Access is changed")
    await members.change(caller, person_id, MemberChange(role=wanted_role(field(form, "role", 20))))
    return go("/settings/members", "The role is changed")


@router.get("/settings/keys")
async def keys(request: Request, caller: KeyReader, keys: KeysDep) -> Response:
    """The keys of programs."""
    return await keys_page(request, caller, keys)


async def keys_page(
    request: Request, caller: Caller, keys: KeysDep, secret: str = "", problems: tuple[Problem, ...] = ()
) -> Response:
    """The list, the form that makes one, and once the text of a new key."""
    values = {
        "keys": await keys.newest(caller, limit=MOST_ROWS),
        "seen": viewer(request),
        "secret": secret,
        "may_write": caller.may(Permission.KEYS_WRITE),
        "problems": problems,
        "title": "API keys",
    }
    return await page(request, caller, "keys.html", place("API keys"), values, 422 if problems else 200)


@router.post("/settings/keys")
async def create_key(request: Request, caller: KeyWriter, keys: KeysDep) -> Response:
    """Make a key; its text is on this page and nowhere else."""
    try:
        _, text = await keys.create(caller, wished_key(caller, read_form(request), viewer(request).now))
    except ValidationError:
        return await keys_page(request, caller, keys, problems=(("A key needs a name.", "name"),))
    return await keys_page(request, caller, keys, text)


def wished_key(caller: Caller, form: Form, now: datetime) -> NewKey:
    """The key a form asks for: the narrower scopes are cut from what the caller may give away."""
    name, days = NAME.validate_python(field(form, "name", 100)), field(form, "days", 3)
    expires_at = now + timedelta(days=int(days)) if re.fullmatch("[1-9][0-9]*", days, re.ASCII) else None
    wanted = SCOPES.get(field(form, "scope", 10))
    return NewKey(name, None if wanted is None else wanted & (caller.permissions - PERSONAL), expires_at)


@router.post("/settings/keys/{key_id}/revoke")
async def revoke_key(key_id: str, caller: KeyWriter, keys: KeysDep) -> Response:
    """End a key."""
    await keys.revoke(caller, key_id)
    return go("/settings/keys", "The key is revoked")


def sentences(problem: WindlassError) -> tuple[Problem, ...]:
    """What is wrong, field by field."""
    errors: tuple[FieldError, ...] = getattr(problem, "errors", ())
    return tuple((f"{error.field} {error.message}", error.field) for error in errors) or ((problem.detail, ""),)
