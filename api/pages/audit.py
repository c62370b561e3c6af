"""The page of the audit log: who did what, on what, from where."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import AuditDep, AuditReader
from api.pages.rendering import page, viewer
from api.pages.shell import Place
from api.pages.typed import to_json
from windlass.core.audit import AuditFilter

router = APIRouter(include_in_schema=False)

SHOWN = 100


@router.get("/audit")
async def audit(request: Request, caller: AuditReader, log: AuditDep) -> Response:
    """The newest rows, those that match the address."""
    query = request.query_params
    wanted = AuditFilter(query.get("action") or None, query.get("subject") or None, actor(query.get("actor")))
    after = query.get("after", "")
    rows = await log.newest(
        caller, wanted, limit=SHOWN + 1, after=int(after) if after.isdecimal() and len(after) < 18 else None
    )
    values = {
        "rows": rows[:SHOWN],
        "older": rows[SHOWN - 1].id if len(rows) > SHOWN else None,
        "action": wanted.action or "",
        "subject": wanted.subject or "",
        "seen": viewer(request),
        "to_json": to_json,
        "title": "Audit",
    }
    return await page(request, caller, "audit.html", Place("Audit", (("Audit", ""),)), values)


def actor(text: str | None) -> UUID | None:
    """The person of the address, None when it names none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
