"""Schedules: when tasks start by themselves, and what became of every due time."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, status
from pydantic import BaseModel, Field

from api.bodies import Body, Moment, Name
from api.dependencies import CursorsDep, EngineDep, RequestUuid, requires
from api.paging import ListQuery, PageOf, place_in_time, place_of
from windlass.contracts.firings import Decision, Overlap
from windlass.contracts.runs import RunStatus
from windlass.core.calendars import Due, due_times, in_words, read_timing
from windlass.core.callers import Caller
from windlass.core.firings import Firing, Plan
from windlass.core.permissions import Permission
from windlass.core.schedules import BOUNDS, PLAIN, TIMING, NewSchedule, Policy, Schedule

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

ScheduleReader = Annotated[Caller, Depends(requires(Permission.SCHEDULES_READ))]
ScheduleWriter = Annotated[Caller, Depends(requires(Permission.SCHEDULES_WRITE))]

Json = dict[str, Any]
Cron = Annotated[str, Field(max_length=200, examples=["30 7 * * 1-5"])]
Zone = Annotated[str, Field(min_length=1, max_length=60, examples=["Europe/Berlin"])]
DAY_S, YEAR_S, NEVER_MORE = 86_400, 31_622_400, 1_000_000


class TimingBody(Body):
    """When it is due: one of `cron`, `interval_s`, `calendar` and `at`, read in `time_zone`."""

    cron: Cron | None = None
    interval_s: int | None = Field(None, ge=0, le=YEAR_S)
    offset_s: int | None = Field(None, ge=0, le=YEAR_S)
    calendar: dict[str, str | int] | None = Field(None, examples=[{"hour": "6", "day_of_week": "mon", "year": "2027"}])
    at: Moment | None = None
    time_zone: Zone | None = None
    start_at: Moment | None = None
    end_at: Moment | None = None


class ScheduleBody(TimingBody):
    """A task, when it is due, and what is done then."""

    name: Name
    task_id: UUID
    time_zone: Zone | None = "UTC"
    jitter_s: int = Field(0, ge=0, le=DAY_S)
    overlap: Overlap = Overlap.SKIP
    catch_up_s: int = Field(600, ge=0, le=DAY_S)
    pause_on_failure: bool = False
    remaining: int | None = Field(None, ge=1, le=NEVER_MORE)
    parameters: Json = Field(default_factory=dict[str, Any])
    paused: bool = False


class ScheduleChange(TimingBody):
    """What to change."""

    name: Name | None = None
    task_id: UUID | None = None
    jitter_s: int | None = Field(None, ge=0, le=DAY_S)
    overlap: Overlap | None = None
    catch_up_s: int | None = Field(None, ge=0, le=DAY_S)
    pause_on_failure: bool | None = None
    remaining: int | None = Field(None, ge=1, le=NEVER_MORE)
    parameters: Json | None = None


class PauseBody(Body):
    """Why it should pause."""

    reason: str = Field("", max_length=500)


class BackfillBody(Body):
    """A past span to make up for. Without `confirm`, which is the plan's `count`, only the plan is answered."""

    since: Moment
    until: Moment
    confirm: int | None = Field(None, ge=0, le=1000)
    overlap: Overlap = Overlap.BUFFER_ALL


class DueView(BaseModel):
    """A due time; with `skipped` it starts nothing, and the text says why."""

    at: datetime
    local: str
    skipped: str | None
    note: str | None


class PreviewView(BaseModel):
    """A timing in words, and when it is due."""

    words: str
    time_zone: str
    next: Sequence[DueView]


class ScheduleView(BaseModel):
    """A schedule as it stands: `state` is `on`, `paused` or `ended`."""

    id: UUID
    name: str
    task_id: UUID
    task_name: str
    agent: str
    state: str
    words: str
    cron: str | None
    interval_s: int | None
    offset_s: int | None
    calendar: dict[str, str] | None
    at: datetime | None
    time_zone: str
    start_at: datetime | None
    end_at: datetime | None
    next_at: datetime | None
    jitter_s: int
    overlap: Overlap
    catch_up_s: int
    pause_on_failure: bool
    remaining: int | None
    parameters: Json
    paused_at: datetime | None
    paused_by_name: str
    pause_reason: str
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    changed_by_name: str
    ended_at: datetime | None
    is_applied: bool = Field(description="Whether Temporal knows of the newest change.")


class FiringView(BaseModel):
    """One due time and what was decided about it; without a decision it is on its way."""

    id: UUID
    schedule_id: UUID
    kind: str
    scheduled_at: datetime
    until: datetime | None
    count: int
    asked_by_name: str
    decided_at: datetime | None
    decision: Decision | None
    reason: str
    run_id: UUID | None
    run_status: RunStatus | None
    run_took_s: float | None
    run_cost_usd: float | None


class Triggered(BaseModel):
    """The row that will say what came of it."""

    firing_id: UUID


class PlannedView(BaseModel):
    """One time of a backfill."""

    at: datetime
    would_start: bool
    note: str


class PlanView(BaseModel):
    """What a backfill would do (`started`: does); an unknown cost is null."""

    count: int
    times: Sequence[PlannedView]
    estimated_cost_usd: float | None
    estimated_s: float | None
    started: bool


class ScheduleQuery(ListQuery):
    """Which schedules: those whose words contain `q`, those of a task."""

    q: str | None = Field(None, max_length=200)
    task_id: UUID | None = None


class FiringQuery(ListQuery):
    """Which firings: those with these decisions."""

    decision: list[Decision] = Field(default_factory=list[Decision])


class PreviewQuery(TimingBody):
    """How many due times, after which moment."""

    count: int = Field(10, ge=1, le=100)
    after: Moment | None = None


@router.post("", status_code=status.HTTP_201_CREATED)
async def create(body: ScheduleBody, caller: ScheduleWriter, engine: EngineDep, new: RequestUuid) -> ScheduleView:
    """Have a task start by itself from now on."""
    wish = NewSchedule(body.name, body.task_id, timing_of(body), policy_of(body.model_dump()), body.paused, new)
    return view(await engine.schedules.create(caller, wish))


@router.get("")
async def newest(
    query: Annotated[ScheduleQuery, Query()], caller: ScheduleReader, engine: EngineDep, cursors: CursorsDep
) -> PageOf[ScheduleView]:
    """The newest schedules first."""
    after = place_of(cursors.read(caller, "schedules", query))
    found = await engine.schedules.newest(caller, query.q, query.task_id, limit=query.limit + 1, after=after)
    items, following = cursors.page(caller, "schedules", query, found, place_in_time)
    return PageOf(items=[view(each) for each in items], next=following)


@router.post("/preview")
async def preview_new(body: PreviewQuery, _caller: ScheduleReader) -> PreviewView:
    """A timing that is not saved: whether it can be, in words, and when it would be due."""
    now = datetime.now(UTC)
    timing = read_timing(timing_of(body), now)
    found = due_times(timing, body.after or now, body.count)
    return preview_view(in_words(timing), timing.time_zone, found)


@router.get("/{schedule_id}")
async def read(schedule_id: UUID, caller: ScheduleReader, engine: EngineDep) -> ScheduleView:
    """One schedule."""
    return view(await engine.schedules.get(caller, schedule_id))


@router.patch("/{schedule_id}")
async def change(schedule_id: UUID, body: ScheduleChange, caller: ScheduleWriter, engine: EngineDep) -> ScheduleView:
    """Change a schedule; its next due time is by the new one."""
    given = body.model_dump(exclude_unset=True)
    may_be_null = ("remaining", "start_at", "end_at")
    changes = {name: value for name, value in given.items() if value is not None or name in may_be_null}
    return view(await engine.schedules.change(caller, schedule_id, changes))


@router.delete("/{schedule_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete(schedule_id: UUID, caller: ScheduleWriter, engine: EngineDep) -> None:
    """Delete a schedule: it is never due again; its firings and runs stay on record."""
    await engine.schedules.delete(caller, schedule_id)


@router.post("/{schedule_id}/pause")
async def pause(
    schedule_id: UUID, caller: ScheduleWriter, engine: EngineDep, body: PauseBody | None = None
) -> ScheduleView:
    """Let its due times pass without a run until it is resumed."""
    return view(await engine.schedules.pause(caller, schedule_id, body.reason if body else ""))


@router.post("/{schedule_id}/resume")
async def resume(schedule_id: UUID, caller: ScheduleWriter, engine: EngineDep) -> ScheduleView:
    """Go on with the next due time."""
    return view(await engine.schedules.resume(caller, schedule_id))


@router.post("/{schedule_id}/trigger", status_code=status.HTTP_202_ACCEPTED)
async def trigger(schedule_id: UUID, caller: ScheduleWriter, engine: EngineDep, new: RequestUuid) -> Triggered:
    """Have it fire now, also while it is paused."""
    return Triggered(firing_id=await engine.firings.trigger(caller, schedule_id, new))


@router.post("/{schedule_id}/backfill")
async def backfill(schedule_id: UUID, body: BackfillBody, caller: ScheduleWriter, engine: EngineDep) -> PlanView:
    """Say what making up for a past span would start and cost; with `confirm`, do it."""
    span = (_aware(body.since), _aware(body.until))
    if body.confirm is None:
        return plan_view(await engine.firings.plan(caller, schedule_id, *span), started=False)
    plan = await engine.firings.backfill(caller, schedule_id, *span, body.confirm, body.overlap)
    return plan_view(plan, started=True)


@router.get("/{schedule_id}/preview")
async def preview(
    schedule_id: UUID, caller: ScheduleReader, engine: EngineDep, count: Annotated[int, Query(ge=1, le=100)] = 10
) -> PreviewView:
    """When it is due next, with what the clocks do to it."""
    schedule = await engine.schedules.get(caller, schedule_id)
    found = due_times(schedule.timing, datetime.now(UTC), count)
    return preview_view(in_words(schedule.timing), schedule.timing.time_zone, found)


@router.get("/{schedule_id}/firings")
async def firings(
    schedule_id: UUID,
    query: Annotated[FiringQuery, Query()],
    caller: ScheduleReader,
    engine: EngineDep,
    cursors: CursorsDep,
) -> PageOf[FiringView]:
    """What became of its due times and why, the newest first."""
    name = f"schedules/{schedule_id}/firings"
    after = place_of(cursors.read(caller, name, query))
    found = await engine.firings.newest(caller, schedule_id, query.decision, limit=query.limit + 1, after=after)
    items, following = cursors.page(caller, name, query, found, lambda it: (it.scheduled_at.isoformat(), str(it.id)))
    return PageOf(items=[firing_view(each) for each in items], next=following)


def timing_of(body: TimingBody) -> Json:
    """The part of a body that says when."""
    given = {name: getattr(body, name) for name in (*TIMING, *BOUNDS)}
    return {name: value for name, value in given.items() if value is not None}


def policy_of(given: Json) -> Policy:
    """The part of a body that says what is done."""
    return Policy(**{name: given[name] for name in PLAIN})


def view(schedule: Schedule) -> ScheduleView:
    """The schedule as clients see it."""
    timing = schedule.timing
    own = {name: getattr(schedule, name) for name in ScheduleView.model_fields if hasattr(schedule, name)}
    when: Json = {name: timing.source.get(name) for name in TIMING}
    bounds = {"time_zone": timing.time_zone, "start_at": timing.start_at, "end_at": timing.end_at}
    following = timing.next_after(datetime.now(UTC)) if schedule.state == "on" else None
    facts = {"words": in_words(timing), "next_at": following}
    return ScheduleView.model_validate({**own, **when, **bounds, **asdict(schedule.policy), **facts})


def preview_view(words: str, zone: str, found: Any) -> PreviewView:
    """Due times as clients see them."""
    return PreviewView(words=words, time_zone=zone, next=[due_view(due, zone) for due in found])


def due_view(due: Due, zone: str) -> DueView:
    """A due time, also as its zone's clock shows it."""
    local = due.at.astimezone(ZoneInfo(zone)).isoformat()
    return DueView(at=due.at, local=local, skipped=due.skipped or None, note=due.note or None)


def plan_view(plan: Plan, *, started: bool) -> PlanView:
    """A plan as clients see it."""
    times = [PlannedView(at=each.at, would_start=each.would_start, note=each.note) for each in plan.times]
    facts = {"estimated_cost_usd": plan.estimated_cost_usd, "estimated_s": plan.estimated_s}
    return PlanView(count=plan.count, times=times, started=started, **facts)


def firing_view(firing: Firing) -> FiringView:
    """A firing as clients see it."""
    return FiringView(**asdict(firing))


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
