"""The page that shows what has become of the files of a session, line by line."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.pages.rendering import page
from api.pages.shell import Place
from api.routes.sessions import SessionReader

router = APIRouter(include_in_schema=False)


@router.get("/sessions/{session_id}/changes")
async def changes(session_id: UUID, request: Request, caller: SessionReader, engine: EngineDep) -> Response:
    """Every file that is not as it was when the session began."""
    found = await engine.sessions.get(caller, session_id)
    told = await engine.changes.compared(caller.tenant_id, session_id)
    crumbs = (("Sessions", "/sessions"), (found.title, f"/sessions/{found.id}"), ("What changed", ""))
    values = {"session": found, "told": told, "title": f"What changed in {found.title}"}
    return await page(request, caller, "session_changes.html", Place("Sessions", crumbs), values)
