"""The dashboard: what works now, what failed, what was slow, and how every agent did."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.dependencies import EngineDep
from api.routes.runs import RunReader
from windlass.contracts.runs import RunStatus
from windlass.core.dashboard import Dashboard, Span

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"])


class Shown(BaseModel):
    """A part of the answer, as the core says it."""

    model_config = ConfigDict(from_attributes=True)


class TimesView(Shown):
    """The middle and the 95th percentile, in seconds; null: none is known."""

    p50_s: float | None
    p95_s: float | None


class FiguresView(Shown):
    """Runs that ended, by how. `queue` is from the wish to the start, `run` from there to the end of the finished."""

    ended: int
    finished: int
    failed: int
    cancelled: int
    success_rate: float | None = Field(description="Of those that nobody cancelled, from 0 to 1.")
    queue: TimesView
    run: TimesView


class AgentFiguresView(Shown):
    """How one agent did; its percentiles are those of its newest 500 runs of the span."""

    agent: str
    figures: FiguresView


class PartView(Shown):
    """What ended in the part of the span that begins at `at`; percentiles are those of its newest 500 runs."""

    at: datetime
    figures: FiguresView


class GlanceView(Shown):
    """A run in a few words. `usual_s` is what its agent usually takes; null while too few of its runs have finished."""

    id: UUID
    title: str
    agent: str
    status: RunStatus
    created_by_name: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    ran_s: float | None
    usual_s: float | None
    is_slow: bool


class ErrorGroupView(Shown):
    """Failures that say the same but for ids, numbers and what is quoted; `run_id` is the newest of them."""

    message: str
    count: int
    agents: Sequence[str]
    first_at: datetime
    last_at: datetime
    run_id: UUID


class DashboardView(Shown):
    """The runs of a span: at most 50 agents, 20 groups of errors and 10 runs of a kind."""

    span: Span
    since: datetime
    until: datetime
    live: Mapping[RunStatus, int]
    total: FiguresView
    parts: Sequence[PartView]
    agents: Sequence[AgentFiguresView]
    running: Sequence[GlanceView]
    failed: Sequence[GlanceView]
    slow: Sequence[GlanceView]
    errors: Sequence[ErrorGroupView]


class DashboardQuery(BaseModel):
    """How far back to look."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    span: Span = Span.DAY


@router.get("", response_model=DashboardView)
async def read(query: Annotated[DashboardQuery, Query()], caller: RunReader, engine: EngineDep) -> Dashboard:
    """What works now, what failed, what was slow, and how every agent did in 24 hours, 7 or 30 days."""
    return await engine.dashboards.of(caller, query.span, datetime.now(UTC))
