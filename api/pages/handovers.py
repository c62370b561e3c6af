"""The page on which a session is handed over to another member."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import field, go, page, read_form
from api.pages.shell import Place
from api.routes.members import MembersDep
from api.routes.sessions import SessionWriter
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.identity.members import Members
from windlass.core.permissions import ROLES, Permission

router = APIRouter(include_in_schema=False)

MOST = 500  # members to choose from; whoever comes later is chosen from the command line


@router.get("/sessions/{session_id}/hand-over")
async def choose(
    session_id: UUID, request: Request, caller: SessionWriter, engine: EngineDep, members: MembersDep
) -> Response:
    """Whose it may be."""
    return await show(request, caller, engine, members, session_id)


async def show(
    request: Request, caller: Caller, engine: Engine, members: Members, session_id: UUID, problem: str = ""
) -> Response:
    """The members who may work with sessions, but for whoever has it."""
    found = await engine.sessions.get(caller, session_id)
    known = await members.by_name(caller, limit=MOST)
    heirs = [
        each
        for each in known
        if each.active and each.id != found.owner and Permission.SESSIONS_WRITE in ROLES[each.role]
    ]
    crumbs = (("Sessions", "/sessions"), (found.title, f"/sessions/{found.id}"), ("Hand over", ""))
    values = {
        "session": found,
        "heirs": heirs,
        "title": "Hand over",
        "problems": ((problem, "person"),) if problem else (),
    }
    return await page(
        request, caller, "session_hand_over.html", Place("Sessions", crumbs), values, 409 if problem else 200
    )


@router.post("/sessions/{session_id}/hand-over")
async def hand_over(
    session_id: UUID, request: Request, caller: SessionWriter, engine: EngineDep, members: MembersDep
) -> Response:
    """Hand it over, and go where the caller may still look."""
    try:
        person_id = UUID(field(read_form(request), "person", 36))
    except ValueError as error:
        raise Invalid("Nothing was handed over: nobody was chosen.") from error
    try:
        session = await engine.sessions.hand_over(caller, session_id, person_id)
    except Conflict as conflict:
        return await show(request, caller, engine, members, session_id, conflict.detail)
    return go(await _way_back(engine, caller, session_id), f"{session.title} belongs to {session.owner_name} now")


async def _way_back(engine: Engine, caller: Caller, session_id: UUID) -> str:
    try:
        return f"/sessions/{(await engine.sessions.get(caller, session_id)).id}"
    except NotFound:
        return "/sessions"
