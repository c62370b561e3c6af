"""System schedules, for the operator of the platform: what the installation does by itself, and what it did."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.dependencies import CursorsDep, MaintenanceDep, PlatformReader
from api.paging import ListQuery, PageOf

router = APIRouter(prefix="/v1/admin/system-schedules", tags=["admin"])


class ReportView(BaseModel):
    """What was done at one due time; without an end and a problem it is under way."""

    due_at: datetime
    began_at: datetime
    ended_at: datetime | None
    counts: Mapping[str, int] = Field(examples=[{"screenshots": 12, "freed_bytes": 8_112_344}])
    problem: str = Field(description="Why the last attempt came to nothing; there will be others.")
    words: str


class SystemScheduleView(BaseModel):
    """A system schedule: what it is for, when it is due, and what it did last."""

    name: str
    means: str
    when: str
    time_zone: str
    next_at: datetime | None
    last: ReportView | None


class SystemScheduleList(BaseModel):
    """Every system schedule."""

    items: Sequence[SystemScheduleView]
    next: None = None


@router.get("")
async def list_system_schedules(caller: PlatformReader, maintenance: MaintenanceDep) -> SystemScheduleList:
    """What the installation does by itself, when, and what it did last. Nobody can delete any of it."""
    found = await maintenance.schedules(caller, datetime.now(UTC))
    return SystemScheduleList(items=[SystemScheduleView.model_validate(each, from_attributes=True) for each in found])


@router.get("/{name}/reports")
async def list_reports(
    name: str,
    query: Annotated[ListQuery, Query()],
    caller: PlatformReader,
    maintenance: MaintenanceDep,
    cursors: CursorsDep,
) -> PageOf[ReportView]:
    """What one of them did, the newest due time first; of those due every few minutes what found something to do."""
    listed = f"admin/system-schedules/{name}"
    place = cursors.read(caller, listed, query)
    after = datetime.fromisoformat(place[0]) if place else None
    found = await maintenance.reports(caller, name, limit=query.limit + 1, after=after)
    items, next_ = cursors.page(caller, listed, query, found, lambda report: (report.due_at.isoformat(),))
    return PageOf(items=[ReportView.model_validate(each, from_attributes=True) for each in items], next=next_)
