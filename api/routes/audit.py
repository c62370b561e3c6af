"""Who did what in the tenant you work in."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.dependencies import AuditDep, AuditReader, CursorsDep
from api.paging import ListQuery, PageOf
from windlass.core.audit import AuditEntry, AuditFilter

router = APIRouter(prefix="/v1/audit", tags=["audit"])

LIST = "audit"


class AuditQuery(ListQuery):
    """Which rows to show."""

    action: str | None = Field(None, max_length=100, examples=["run.start"])
    subject: str | None = Field(None, max_length=200, examples=["run:01a1fdbf-5cc4-74b0-85dc-50aa16f5df7a"])
    actor_id: UUID | None = None


class AuditView(BaseModel):
    """One thing that was done; without `actor_id` the system did it."""

    id: int
    at: datetime
    actor_id: UUID | None
    actor_name: str
    key_id: str | None
    session_id: UUID | None
    address: str
    request_id: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("")
async def list_audit(
    query: Annotated[AuditQuery, Query()], caller: AuditReader, audit: AuditDep, cursors: CursorsDep
) -> PageOf[AuditView]:
    """The audit log, the newest first."""
    place = cursors.read(caller, LIST, query)
    wanted = AuditFilter(query.action, query.subject, query.actor_id)
    found = await audit.newest(caller, wanted, limit=query.limit + 1, after=place[0] if place else None)
    items, next_ = cursors.page(caller, LIST, query, found, lambda entry: (entry.id,))
    return PageOf(items=[_view(entry) for entry in items], next=next_)


def _view(entry: AuditEntry) -> AuditView:
    return AuditView.model_validate(entry, from_attributes=True)
