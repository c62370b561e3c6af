"""The dashboard as a page: what works now, what failed, what was slow, and how every agent did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.pages.charts import Column, columns, line
from api.pages.formats import MISSING, Clock, Viewer, duration, took
from api.pages.rendering import page, viewer
from api.pages.runs_csv import line as csv_line
from api.pages.shell import Place
from api.routes.dashboard import DashboardQuery
from api.routes.runs import RunReader
from windlass.contracts.runs import RunStatus
from windlass.core.dashboard import Dashboard, Figures, Glance, PartFigures, Span, Times
from windlass.core.sums import ENDS

router = APIRouter(include_in_schema=False)

COLUMNS = ("from", "agent", *ENDS, "queued_p50_s", "queued_p95_s", "ran_p50_s", "ran_p95_s")
NAMES = {Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}
PARTS = {Span.DAY: "hour", Span.WEEK: "quarter of a day", Span.MONTH: "day"}
LABELS = {Span.DAY: 8, Span.WEEK: 8, Span.MONTH: 10}  # a label under every so many columns


@dataclass(frozen=True, slots=True)
class Numbers:
    """Figures as text."""

    ended: str
    finished: str
    failed: str
    cancelled: str
    success: str
    queued: str
    queued_late: str
    ran: str
    ran_late: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """One line of the charts' table."""

    at: datetime
    clock: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent."""

    name: str
    url: str
    numbers: Numbers
    has_failed: bool


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of a list."""

    id: UUID
    title: str
    agent: str
    status: str
    note: str
    took: Clock
    usual: str
    is_slow: bool


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """Failures that say the same."""

    count: str
    message: str
    agents: str
    run_id: UUID
    last_at: datetime
    last: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Both charts: counts as columns, run times as lines; the labels stand under both."""

    bars: tuple[Column, ...]
    middle: tuple[str, ...]
    late: tuple[str, ...]
    highest: str
    labels: tuple[tuple[float, str], ...]
    counts_text: str
    times_text: str


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """The values of `dashboard.html`."""

    span: str
    name: str
    part: str
    spans: tuple[tuple[str, str, bool], ...]
    at_work: str
    live: tuple[tuple[str, str, str], ...]
    total: Numbers
    chart: Chart
    parts: tuple[PartRow, ...]
    agents: tuple[AgentRow, ...]
    running: tuple[RunLine, ...]
    failed: tuple[RunLine, ...]
    slow: tuple[RunLine, ...]
    errors: tuple[ErrorLine, ...]


@router.get("/dashboard")
async def dashboard(
    request: Request, caller: RunReader, engine: EngineDep, query: Annotated[DashboardQuery, Query()]
) -> Response:
    """What works now, what failed, what was slow, and how every agent did."""
    seen = viewer(request)
    shown = await engine.dashboards.of(caller, query.span, datetime.now(UTC))
    place = Place(
        "Dashboard", (("Dashboard", ""),), ("runs", "needs"), f"page=dashboard&span={query.span}", live="live"
    )
    return await page(request, caller, "dashboard.html", place, {"view": draw(shown, seen), "title": "Dashboard"})


@router.get("/dashboard.csv")
async def export(caller: RunReader, engine: EngineDep, query: Annotated[DashboardQuery, Query()]) -> Response:
    """The figures of every part of the span, and of every agent, for spreadsheets."""
    shown = await engine.dashboards.of(caller, query.span, datetime.now(UTC))
    parts = [cells(each.at.isoformat(), "", each.figures) for each in shown.parts]
    agents = [cells("", each.agent, each.figures) for each in shown.agents]
    headers = {"content-disposition": f'attachment; filename="dashboard-{shown.span}.csv"'}
    text = "".join(csv_line(each) for each in (COLUMNS, *parts, *agents))
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


def cells(since: str, agent: str, figures: Figures) -> Sequence[object]:
    """Some figures in a file; what is unknown is empty."""
    counts = (figures.finished, figures.failed, figures.cancelled)
    return since, agent, *counts, *(time for each in (figures.queue, figures.run) for time in (each.p50_s, each.p95_s))


def draw(shown: Dashboard, seen: Viewer) -> DashboardPage:
    """Put everything in its place."""
    agents = [(each.agent, each.figures) for each in shown.agents]
    return DashboardPage(
        span=shown.span,
        name=NAMES[shown.span],
        part=PARTS[shown.span],
        spans=tuple((name, f"/dashboard?span={span}", span == shown.span) for span, name in NAMES.items()),
        at_work=f"{sum(shown.live.values()):,}",
        live=tuple(
            (str(status), f"{shown.live[status]:,}", runs_url(status="live"))
            for status in RunStatus
            if status in shown.live
        ),
        total=numbers(shown.total),
        chart=draw_chart(shown, seen),
        parts=tuple(
            PartRow(each.at, seen.when(each.at), numbers(each.figures)) for each in shown.parts if each.figures.ended
        ),
        agents=tuple(AgentRow(name, runs_url(agent=name), numbers(each), bool(each.failed)) for name, each in agents),
        running=tuple(run_line(run, seen) for run in shown.running),
        failed=tuple(run_line(run, seen) for run in shown.failed),
        slow=tuple(run_line(run, seen) for run in shown.slow),
        errors=tuple(
            ErrorLine(
                f"{e.count:,}", e.message or MISSING, ", ".join(e.agents), e.run_id, e.last_at, seen.when(e.last_at)
            )
            for e in shown.errors
        ),
    )


def draw_chart(shown: Dashboard, seen: Viewer) -> Chart:
    """The columns and the lines of a span."""
    parts, every = shown.parts, LABELS[shown.span]
    highest = max((each.figures.run.p95_s or 0.0 for each in parts), default=0.0)
    clocks = [label(each, shown.span, seen) for each in parts]
    total, step = shown.total, 100 / len(parts)
    return Chart(
        bars=columns([stack(each.figures, is_now=each is parts[-1]) for each in parts]),
        middle=line([each.figures.run.p50_s for each in parts], highest),
        late=line([each.figures.run.p95_s for each in parts], highest),
        highest=duration(highest),
        labels=tuple((round(place * step, 2), clocks[place]) for place in range(0, len(parts) - 2, every)),
        counts_text=f"{total.finished:,} finished, {total.failed:,} failed, {total.cancelled:,} cancelled",
        times_text=f"Half of the runs that finished took at most {duration(total.run.p50_s)}, "
        f"95 % at most {duration(total.run.p95_s)}",
    )


def label(part: PartFigures, span: Span, seen: Viewer) -> str:
    """When a part begins, as it stands under its column."""
    at = part.at.astimezone(seen.zone)
    return f"{at:%H:%M}" if span is Span.DAY else f"{at:%a} {at.day} {at:%b}"


def stack(figures: Figures, *, is_now: bool) -> Sequence[tuple[str, int]]:
    """A part's counts from the bottom up."""
    finished = ("now" if is_now else "done", figures.finished)
    return finished, ("stopped", figures.cancelled), ("bad", figures.failed)


def numbers(figures: Figures) -> Numbers:
    """Figures as they are read."""
    rate = figures.success_rate
    return Numbers(
        f"{figures.ended:,}",
        f"{figures.finished:,}",
        f"{figures.failed:,}",
        f"{figures.cancelled:,}",
        MISSING if rate is None else f"{rate:.1%}",
        *both(figures.queue),
        *both(figures.run),
    )


def both(times: Times) -> tuple[str, str]:
    """The middle and the 95th percentile."""
    return duration(times.p50_s), duration(times.p95_s)


def run_line(run: Glance, seen: Viewer) -> RunLine:
    """A run in a line; how long it has worked, not how long it has waited to begin."""
    began = run.started_at or run.created_at
    clock = took(began, run.ended_at, seen.now)
    usual = MISSING if run.usual_s is None else duration(run.usual_s)
    note = run.error or ("waits for a worker" if run.started_at is None and run.ended_at is None else "")
    return RunLine(run.id, run.title, run.agent, str(run.status), note, clock, usual, run.is_slow)


def runs_url(**filters: str) -> str:
    """The list of runs with some filters."""
    return f"/runs?{urlencode(filters)}"
