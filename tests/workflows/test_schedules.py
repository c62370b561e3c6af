"""Schedules on a real Temporal server: rows are followed, due times fire once, what drifts is repaired."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    ScheduleDescription,
)
from temporalio.service import RPCError

from activities.firings import FiringActivities, Onwards
from activities.rush import Rush
from tests.core.planned import enrol
from tests.core.records import SECRETS
from tests.workflows.engines import Engine, Meeting, until
from tests.workflows.timetables import made_as_before_timings, matching, named
from windlass.contracts.firings import DecideInput, Decision, Overlap
from windlass.contracts.ids import RunId, new_id
from windlass.contracts.runs import RunInput, RunStatus
from windlass.core.agenda import Agenda, Plan
from windlass.core.calendars import missing, read_timing
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.decisions import Decisions
from windlass.core.firings import Firing
from windlass.core.outbox import Outbox
from windlass.core.schedules import NewSchedule, Policy, Schedule
from windlass.core.tasks import Recipe, Task
from windlass.core.timings import Timings
from windlass.core.wakeup import PollOnly
from workers.timetable import Timetable

pytestmark = pytest.mark.usefixtures("agents")

BEGUN = {Decision.STARTED, Decision.LATE}  # late is what a busy machine makes of it


@pytest.fixture(scope="module")
async def owner(engine: Engine, database_url: str) -> None:
    """The caller as a person of a tenant: schedules run in the name of somebody."""
    await enrol(engine.database, engine.caller)


@pytest.fixture
async def timetable(engine: Engine, database_url: str) -> AsyncGenerator[Timetable]:
    """The timetable of a second worker."""
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    yield Timetable(engine.client, Agenda(jobs), Decisions(engine.database, PollOnly(), SECRETS))
    await jobs.close()


async def tasked(engine: Engine, agent: str = "agents/trivial", inputs: dict[str, Any] | None = None) -> Task:
    name = f"task {secrets.token_hex(4)}"
    return await engine.gateway.tasks.create(engine.caller, name, Recipe(agent, inputs or {}))


async def scheduled(engine: Engine, timing: dict[str, Any], task: Task | None = None, **policy: Any) -> Schedule:
    made = task or await tasked(engine)
    wish = NewSchedule(f"schedule {secrets.token_hex(4)}", made.id, timing, Policy(**policy))
    schedule = await engine.gateway.schedules.create(engine.caller, wish)

    async def is_applied() -> bool:
        return (await engine.gateway.schedules.get(engine.caller, schedule.id)).is_applied

    await until(is_applied)
    return schedule


async def described(engine: Engine, schedule: Schedule) -> ScheduleDescription | None:
    try:
        return await engine.client.get_schedule_handle(named(schedule, engine)).describe()
    except RPCError:
        return None


async def firings(engine: Engine, schedule: Schedule, count: int = 1) -> list[Firing]:
    found: list[Firing] = []

    async def are_decided() -> bool:
        found[:] = await engine.gateway.firings.newest(engine.caller, schedule.id)
        return len([each for each in found if each.decision is not None]) >= count

    await until(are_decided)
    return found


def soon(seconds: float = 2) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0).isoformat()


@pytest.mark.usefixtures("owner")
async def test_a_due_time_starts_one_run_and_the_schedule_is_over(engine: Engine):
    schedule = await scheduled(engine, {"at": soon()})

    (firing,) = await firings(engine, schedule)

    assert (firing.decision in BEGUN, firing.kind) == (True, "due")
    assert firing.scheduled_at.isoformat() == schedule.timing.source["at"]
    assert firing.run_id is not None
    assert (await engine.ended(firing.run_id)).status is RunStatus.FINISHED
    assert (await engine.gateway.schedules.get(engine.caller, schedule.id)).state == "ended"
    name = f"{named(schedule, engine, 'firings')}-{firing.scheduled_at:%Y-%m-%dT%H:%M:%SZ}"
    events = engine.client.get_workflow_handle(name).fetch_history_events()
    kinds = {EventType.Name(event.event_type) async for event in events}
    assert not [kind for kind in kinds if "CHILD" in kind]  # whoever decided has started it


@pytest.mark.usefixtures("owner")
async def test_a_run_that_whoever_decided_could_not_start_is_the_workflows_to_start(engine: Engine, database_url: str):
    schedule = await scheduled(engine, {"interval_s": 3600}, catch_up_s=86400)
    jobs, asked = await Database.connect(database_url, role=JOBS_ROLE, max_size=1), list[str]()

    async def refuse(request: RunInput) -> bool:
        asked.append(request.run_id)
        return False

    onwards = Onwards(refuse, Outbox(jobs), Timings(engine.database), Rush())
    activities = FiringActivities(
        Decisions(engine.database, PollOnly(), SECRETS), onwards, "", lambda: datetime.now(UTC)
    )
    due = datetime.now(UTC).replace(minute=0, second=0, microsecond=0).isoformat()
    outcomes = [await activities.decide(DecideInput(str(engine.caller.tenant_id), str(schedule.id), due)) for _ in "12"]
    await jobs.close()

    assert [each.run and each.run.run_id for each in outcomes] == asked
    assert asked[0] == asked[1]
    assert (await engine.ended(RunId(UUID(asked[0])))).status is RunStatus.FINISHED  # by the line in the outbox


@pytest.mark.usefixtures("owner")
async def test_schedules_that_are_due_at_the_same_times_are_one_for_temporal_and_each_has_its_firing(engine: Engine):
    at, task = soon(4), await tasked(engine)
    schedules = await asyncio.gather(*(scheduled(engine, {"at": at}, task) for _ in range(3)))
    late = await scheduled(engine, {"at": at}, task, jitter_s=1)

    found = [await firings(engine, each) for each in (*schedules, late)]

    assert (
        len({named(each, engine) for each in schedules})
        == 1
        != len({named(each, engine) for each in (*schedules, late)})
    )
    assert [(len(each), each[0].decision in BEGUN) for each in found] == 4 * [(1, True)]
    assert len({each[0].run_id for each in found}) == 4
    due = datetime.fromisoformat(at)
    decided = engine.client.get_workflow_handle(f"{named(schedules[0], engine, 'firings')}-{due:%Y-%m-%dT%H:%M:%SZ}")
    assert await decided.result() == "3"


@pytest.mark.usefixtures("owner")
async def test_triggers_within_one_second_are_as_many_runs(engine: Engine):
    schedule = await scheduled(engine, {"cron": "0 0 1 1 *"}, overlap=Overlap.ALLOW_ALL)

    ids = await asyncio.gather(*(engine.gateway.firings.trigger(engine.caller, schedule.id) for _ in range(3)))

    found = await firings(engine, schedule, 3)
    assert {each.id for each in found} == set(ids)
    runs = {each.run_id for each in found}
    assert len(runs) == 3
    for run_id in runs:
        assert run_id is not None
        assert (await engine.ended(run_id)).status is RunStatus.FINISHED


@pytest.mark.usefixtures("owner")
async def test_a_buffered_run_starts_when_the_one_before_it_ends(engine: Engine, meeting: Meeting):
    task = await tasked(engine, "agents/wait", dict(meeting.inputs))
    schedule = await scheduled(engine, {"cron": "0 0 1 1 *"}, task, overlap=Overlap.BUFFER_ONE)
    await engine.gateway.firings.trigger(engine.caller, schedule.id)
    await firings(engine, schedule, 1)
    await engine.gateway.firings.trigger(engine.caller, schedule.id)
    second, first = await firings(engine, schedule, 2)
    assert (first.decision, second.decision) == (Decision.STARTED, Decision.BUFFERED)
    assert first.run_id is not None
    assert second.run_id is not None
    assert (await engine.get(second.run_id)).status is RunStatus.QUEUED

    meeting.leave("go")

    assert (await engine.ended(first.run_id)).status is RunStatus.FINISHED
    assert (await engine.ended(second.run_id)).status is RunStatus.FINISHED


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize("overlap", [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER])
async def test_the_next_run_ends_the_one_before_it(engine: Engine, meeting: Meeting, overlap: Overlap):
    task = await tasked(engine, "agents/wait", dict(meeting.inputs))
    schedule = await scheduled(engine, {"cron": "0 0 1 1 *"}, task, overlap=overlap)
    await engine.gateway.firings.trigger(engine.caller, schedule.id)
    (first,) = await firings(engine, schedule, 1)
    await meeting.appears("waiting")
    await engine.gateway.firings.trigger(engine.caller, schedule.id)
    second, _ = await firings(engine, schedule, 2)
    assert first.run_id is not None
    assert second.run_id is not None

    cancelled = await engine.ended(first.run_id)
    meeting.leave("go")

    assert (cancelled.status, cancelled.cancel_reason) == (RunStatus.CANCELLED, "the next run of its schedule was due")
    assert (await engine.ended(second.run_id)).status is RunStatus.FINISHED
    await meeting.appears("cancelled")


@pytest.mark.usefixtures("owner")
async def test_a_backfill_that_waits_for_itself_runs_one_after_the_other_in_the_order_of_due_times(engine: Engine):
    schedule, count = await scheduled(engine, {"interval_s": 3600}), 8
    now = datetime.now(UTC)
    span = (now - timedelta(hours=count), now)

    await engine.gateway.firings.backfill(engine.caller, schedule.id, *span, count, Overlap.BUFFER_ALL)

    found = [each for each in await firings(engine, schedule, count) if each.kind == "backfill"]
    assert [str(each.decision) for each in found[::-1]] == ["started", *("buffered" for _ in range(count - 1))]
    runs = [await engine.ended(cast(RunId, each.run_id)) for each in found[::-1]]
    spans = [at for run in runs for at in (run.started_at, run.ended_at)]
    assert spans == sorted(cast(list[datetime], spans))


@pytest.mark.usefixtures("owner")
async def test_temporal_follows_every_change_of_the_row(engine: Engine):
    schedule = await scheduled(engine, {"interval_s": 3600})
    first = await described(engine, schedule)
    changed = await engine.gateway.schedules.change(engine.caller, schedule.id, {"interval_s": 7200, "jitter_s": 5})

    async def is_changed() -> bool:
        found = await described(engine, changed)
        return found is not None and found.schedule.spec.intervals[0].every == timedelta(hours=2)

    await until(is_changed)
    await engine.gateway.schedules.delete(engine.caller, schedule.id)

    async def is_gone() -> bool:
        return await described(engine, changed) is None

    await until(is_gone)
    assert first is not None
    assert first.schedule.policy.catchup_window == timedelta(hours=24)
    assert first.schedule.state.paused is False


@pytest.mark.usefixtures("owner")
async def test_what_drifts_is_repaired_in_both_directions(engine: Engine, timetable: Timetable):
    lost, paused, extra = [await scheduled(engine, {"interval_s": seconds}) for seconds in (3601, 3602, 3603)]
    await engine.client.get_schedule_handle(named(lost, engine)).delete()
    await engine.client.get_schedule_handle(named(paused, engine)).pause()
    async with engine.database.tenant(engine.caller.tenant_id) as connection:  # deleted while nobody could say so
        await connection.execute("update schedule set deleted_at = now() where id = $1", extra.id)

    async def is_repaired() -> bool:
        await timetable.reconcile()
        found = [await described(engine, each) for each in (lost, paused, extra)]
        return bool(found[0] and found[1] and not found[1].schedule.state.paused and found[2] is None)

    await until(is_repaired)


@pytest.mark.usefixtures("owner")
async def test_a_schedule_from_before_timings_comes_to_one_without_a_due_time_missed_or_fired_twice(
    engine: Engine, timetable: Timetable
):
    schedule = await scheduled(engine, {"interval_s": 10}, overlap=Overlap.ALLOW_ALL)
    old = await made_as_before_timings(engine, schedule)
    before = await firings(engine, schedule, 1)

    async def has_come() -> bool:
        await timetable.reconcile()
        names = {each.id async for each in await engine.client.list_schedules()}
        assert names & {old, named(schedule, engine)}  # at every moment one of them
        return old not in names

    await until(has_come)
    await firings(engine, schedule, len(await engine.gateway.firings.newest(engine.caller, schedule.id)) + 1)
    found = [each for each in await engine.gateway.firings.newest(engine.caller, schedule.id) if each.run_id]
    await engine.gateway.schedules.delete(engine.caller, schedule.id)

    assert {each.decision for each in found} <= BEGUN
    assert len(found) == len({each.run_id for each in found}) > len(before)
    assert {later.scheduled_at - at.scheduled_at for later, at in pairwise(found)} == {timedelta(seconds=10)}


@pytest.mark.usefixtures("owner")
async def test_a_due_time_that_temporal_passed_over_is_fired_by_its_id_and_once(engine: Engine, timetable: Timetable):
    schedule = await scheduled(engine, {"interval_s": 3607})
    query = "update schedule set updated_at = $2, timed_at = $2 where id = $1"
    async with engine.database.tenant(engine.caller.tenant_id) as connection:  # it was made when nobody told Temporal
        await connection.execute(query, schedule.id, datetime.now(UTC) - timedelta(minutes=100))

    for _ in range(2):
        await timetable.hear()

    async def is_decided() -> bool:
        return bool(await engine.gateway.firings.newest(engine.caller, schedule.id))

    await until(is_decided)
    due = [each.scheduled_at for each in await engine.gateway.firings.newest(engine.caller, schedule.id)]
    assert len(due) == len(set(due)) in (1, 2)
    name = f"{named(schedule, engine, 'firings')}-{due[0]:%Y-%m-%dT%H:%M:%SZ}"
    assert (await engine.client.get_workflow_handle(name).describe()).status is not None


@pytest.mark.usefixtures("owner")
async def test_due_times_that_an_outage_of_days_took_are_one_line(engine: Engine, timetable: Timetable):
    schedule = await scheduled(engine, {"cron": "0 7 * * *"})
    async with engine.database.tenant(engine.caller.tenant_id) as connection:  # nobody was there since
        await connection.execute(
            "update schedule set updated_at = now() - interval '10 days' where id = $1", schedule.id
        )

    for _ in range(2):
        await timetable.note_lost(datetime.now(UTC))

    (lost,) = await engine.gateway.firings.newest(engine.caller, schedule.id)
    assert (lost.decision, lost.kind) == (Decision.UNKNOWN, "lost")
    assert lost.until is not None
    assert lost.count == (lost.until - lost.scheduled_at).days + 1 >= 8


ZONES = ["Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kolkata"]
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
YEARS = (datetime(2026, 12, 1, tzinfo=UTC), datetime(2029, 12, 1, tzinfo=UTC))


def crons() -> st.SearchStrategy[str]:
    """Expressions of every shape; hours around those in which clocks are put, more than others."""
    minute = st.sampled_from(["0", "30", "*/30", "15,45", "59", "0-10/5"])
    hour = st.sampled_from(["0", "1", "2", "3", "*", "*/2", "0-4", "1,2", "23"])
    day = st.sampled_from(["*", "*", "*/5", "1", "28-31", "25-31"])
    month = st.sampled_from(["*", "*", "3,10", "mar-apr", "9-11"])
    week = st.sampled_from(["*", "*", "sun", "sat", "1-5", "0,6"])
    return st.tuples(minute, hour, day, month, week).map(" ".join)


@given(
    cron=crons(),
    zone=st.sampled_from(ZONES),
    since=st.datetimes(*(each.replace(tzinfo=None) for each in YEARS)),
    near=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_preview_is_what_the_server_finds(engine: Engine, cron: str, zone: str, since: datetime, near: bool):
    """Our own calculator and `ListScheduleMatchingTimes` of the real server, what we add for the clocks included."""
    timing = read_timing({"cron": cron, "time_zone": zone}, NOW)
    changes = timing.clock.changes(NOW, NOW + timedelta(days=1100))
    begin = since.replace(tzinfo=UTC, microsecond=0)
    if near and changes:
        begin = min(changes, key=lambda change: abs(change.at - begin)).at - timedelta(days=2, hours=1)
    end = begin + timedelta(days=4)
    plan = Plan(new_id(), engine.caller.tenant_id, timing, 0, 1, is_over=False)  # pyright: ignore[reportArgumentType] - any id

    served = await matching(engine, plan, NOW, begin, end)

    extra = missing(timing, NOW, NOW + timedelta(days=1830))
    ours: list[datetime] = []
    at = timing.next_after(begin, extra)  # as the server: without the beginning, with the end
    while at is not None and at <= end and len(ours) < len(served) + 5:
        ours.append(at)
        at = timing.next_after(at, extra)
    shown = [f"{each.astimezone(ZoneInfo(zone)):%d %H:%M%z}" for each in ours]
    assert shown == [f"{each.astimezone(ZoneInfo(zone)):%d %H:%M%z}" for each in served]
