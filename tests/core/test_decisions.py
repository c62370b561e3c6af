"""What becomes of a due time: one row, one event, at most one run, and the reason in words."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from tests.core.planned import Planned, planned_of
from tests.core.records import ELSEWHERE, SECRETS
from windlass.contracts.events import EventKind
from windlass.contracts.firings import Decision, Overlap
from windlass.contracts.ids import RunId
from windlass.contracts.runs import RunStatus
from windlass.core.database import Database
from windlass.core.decisions import Asked, Decided, Decisions
from windlass.core.runs import RunFilter
from windlass.core.schedules import Policy
from windlass.core.tasks import Recipe
from windlass.core.wakeup import PollOnly

DUE = datetime(2026, 11, 27, 6, 30, tzinfo=UTC)  # Friday 07:30 in Berlin


@pytest.fixture
async def planned(database: Database, jobs: Database) -> Planned:
    return await planned_of(database, jobs)


async def live(planned: Planned) -> list[str]:
    runs = await planned.records.runs.newest(planned.caller, RunFilter())
    return [str(run.status) for run in sorted(runs, key=lambda run: run.created_at)]


async def test_a_due_time_leaves_one_row_one_event_and_one_run(planned: Planned):
    schedule = await planned.schedule()

    decided = await planned.decide(schedule, DUE)

    (firing,) = await planned.firings.newest(planned.caller, schedule.id)
    assert (firing.decision, firing.reason, firing.kind) == (Decision.STARTED, "on time, +1.0s", "due")
    assert decided.run is not None
    assert (firing.run_id, firing.scheduled_at) == (decided.run.id, DUE)
    (event,) = await planned.records.events.read(planned.caller.tenant_id, planned.caller.tenant_id)
    assert (event.kind, event.payload["decision"], event.payload["run_id"]) == (
        EventKind.FIRING, "started", str(decided.run.id),
    )  # fmt: skip
    made = await planned.records.tasks.made_of(planned.caller, decided.run.root_id)
    assert made is not None
    assert (decided.run.created_by, made.version) == (planned.caller.person_id, 1)


async def test_asked_again_the_answer_is_the_first_one(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.ALLOW_ALL)

    answers = await asyncio.gather(*(planned.decide(schedule, DUE) for _ in range(8)))

    assert len({each.firing_id for each in answers}) == 1
    assert len({each.run.id for each in answers if each.run}) == 1
    assert await live(planned) == ["queued"]


async def test_the_template_sees_the_due_time_in_the_zone_of_the_schedule(planned: Planned):
    await planned.retask(Recipe("claude", {"prompt": "{{ scheduled_at.isoformat() }}"}))
    schedule = await planned.schedule()

    decided = await planned.decide(schedule, DUE)

    assert decided.run is not None
    assert decided.run.inputs["prompt"] == "2026-11-27T07:30:00+01:00"


@pytest.mark.parametrize(
    ("late_s", "decision", "reason"),
    [
        (4, Decision.STARTED, "on time, +4.0s"),
        (240, Decision.LATE, "4m 00s late, within what is made up for"),
        (601, Decision.SKIPPED, "10m 01s late; at most 10m 00s are made up for"),
        (90_000, Decision.SKIPPED, "1d 1h late; at most 10m 00s are made up for"),
    ],
)
async def test_what_is_late_runs_within_the_window_and_is_skipped_after_it(
    planned: Planned, late_s: int, decision: Decision, reason: str
):
    schedule = await planned.schedule()

    decided = await planned.decide(schedule, DUE, late=timedelta(seconds=late_s))

    assert (decided.decision, decided.reason) == (decision, reason)
    assert len(await live(planned)) == (decision is not Decision.SKIPPED)


async def test_while_it_is_paused_each_due_time_says_by_whom_and_why(planned: Planned):
    schedule = await planned.schedule()
    await planned.schedules.pause(planned.caller, schedule.id, "holidays")

    skipped = await planned.decide(schedule, DUE)
    await planned.schedules.resume(planned.caller, schedule.id)
    started = await planned.decide(schedule, DUE + timedelta(days=3))

    assert (skipped.decision, skipped.reason) == (Decision.SKIPPED, "paused by Ada: holidays")
    assert started.decision is Decision.STARTED


@pytest.mark.parametrize(
    ("overlap", "decisions", "statuses"),
    [
        (Overlap.SKIP, "started skipped skipped", "queued"),
        (Overlap.ALLOW_ALL, "started started started", "queued queued queued"),
        (Overlap.BUFFER_ONE, "started buffered skipped", "queued queued"),
        (Overlap.BUFFER_ALL, "started buffered buffered", "queued queued queued"),
        (Overlap.TERMINATE_OTHER, "started started started", "cancelled cancelled queued"),
    ],
)
async def test_what_happens_while_an_earlier_run_goes_on(
    planned: Planned, overlap: Overlap, decisions: str, statuses: str
):
    schedule = await planned.schedule(overlap=overlap)

    made = [await planned.decide(schedule, DUE + timedelta(days=day)) for day in (0, 3, 4)]

    assert [str(each.decision) for each in made] == decisions.split()
    assert await live(planned) == statuses.split()
    if made[1].decision is Decision.SKIPPED:
        assert "still goes on" in made[1].reason


async def test_the_end_of_a_run_lets_the_next_one_go_in_order(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.BUFFER_ALL)
    first, second, third = [await planned.decide(schedule, DUE + timedelta(days=day)) for day in (0, 3, 4)]
    assert first.run is not None
    assert (second.run, third.run) == (None, None)
    assert await planned.waiting_to_start() == [first.run.id]

    await planned.records.finish(first.run)

    by_due = {each.scheduled_at: each.run_id for each in await planned.firings.newest(planned.caller, schedule.id)}
    assert await planned.waiting_to_start() == [first.run.id, by_due[DUE + timedelta(days=3)]]


async def test_a_cancelled_run_makes_room_for_the_one_it_was_cancelled_for(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.CANCEL_OTHER)
    first = await planned.decide(schedule, DUE)
    second = await planned.decide(schedule, DUE + timedelta(days=3))
    assert first.run is not None
    assert (second.run, second.stopped) == (None, (first.run.id,))
    assert (await planned.records.runs.get(planned.caller, first.run.id)).cancel_requested_at is not None

    await planned.records.end(first.run, RunStatus.CANCELLED)

    (newest, _) = await planned.firings.newest(planned.caller, schedule.id)
    assert newest.run_id in await planned.waiting_to_start()


async def test_a_decision_that_is_repeated_late_ends_nobody_who_came_after_it(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.TERMINATE_OTHER)
    first = await planned.decide(schedule, DUE)
    await planned.decide(schedule, DUE + timedelta(days=3))

    again = await planned.decide(schedule, DUE)

    assert (again.firing_id, again.stopped) == (first.firing_id, ())
    assert await live(planned) == ["cancelled", "queued"]


async def test_a_backfill_whose_worker_died_ends_the_others_as_it_was_told_to(planned: Planned, database: Database):
    class Dying(Decisions):
        async def _stop_others(self, asked: Asked, decided: Decided, overlap: Overlap) -> Decided:
            raise ConnectionResetError

    schedule_id = await fired(planned, [1])
    since, until = DUE - timedelta(days=2, hours=1), DUE - timedelta(days=1, hours=1)
    await planned.firings.backfill(planned.caller, schedule_id, since, until, 1, Overlap.TERMINATE_OTHER)
    (line,) = [each for each in await planned.agenda.asked() if each.schedule_id == schedule_id]
    asked = Asked(planned.caller.tenant_id, schedule_id, DUE, line.id)
    with pytest.raises(ConnectionResetError):
        await Dying(database, PollOnly(), SECRETS).decide(asked, DUE)

    await planned.decisions.decide(asked, DUE)

    assert sorted(await live(planned)) == ["cancelled", "queued"]


async def test_a_held_run_that_is_cancelled_is_let_go_to_end(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.BUFFER_ONE)
    await planned.decide(schedule, DUE)
    await planned.decide(schedule, DUE + timedelta(days=3))
    (newest, _) = await planned.firings.newest(planned.caller, schedule.id)
    assert newest.run_id is not None
    assert newest.run_id not in await planned.waiting_to_start()

    await planned.records.runs.cancel(planned.caller, newest.run_id)

    assert newest.run_id in await planned.waiting_to_start()


async def test_a_run_that_waits_for_nothing_is_found(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.BUFFER_ONE)
    first = await planned.decide(schedule, DUE)
    await planned.decide(schedule, DUE + timedelta(days=3))
    assert first.run is not None
    async with planned.database.tenant(planned.caller.tenant_id) as connection:  # as if its end went unseen
        await connection.execute("update task_run set schedule_id = null where root_id = $1", first.run.id)

    assert await planned.agenda.release_stuck() >= 1

    assert len(await planned.waiting_to_start()) == 2


async def gone_task(planned: Planned, _schedule: UUID) -> None:
    await planned.records.tasks.delete(planned.caller, planned.task.id)


async def gone_schedule(planned: Planned, schedule_id: UUID) -> None:
    await planned.schedules.delete(planned.caller, schedule_id)


async def gone_owner(planned: Planned, _schedule: UUID) -> None:
    await planned.change_member("active = false")


async def demoted_owner(planned: Planned, _schedule: UUID) -> None:
    await planned.change_member("role = 'viewer'")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (gone_task, "the task news was deleted"),
        (gone_schedule, "the schedule was deleted"),
        (gone_owner, "Ada, who made it, is not in the organisation any more"),
        (demoted_owner, "Ada, who made it, may not start runs any more"),
    ],
)
async def test_what_is_gone_is_refused_and_never_revived(planned: Planned, change: Any, reason: str):
    schedule = await planned.schedule()
    await change(planned, schedule.id)

    decided = await planned.decide(schedule, DUE)

    assert (decided.decision, decided.reason, decided.run) == (Decision.REFUSED, reason, None)
    assert await live(planned) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("delete from service", "There is no agent texts/shout any more"),
        (ELSEWHERE, "texts/shout runs elsewhere, so no run of it can be kept here. POST its inputs to /-/texts/shout"),
    ],
)
async def test_an_agent_without_runs_here_is_refused_with_its_name(planned: Planned, change: str, reason: str):
    await planned.records.serve("texts", "shout")
    await planned.retask(Recipe("texts/shout", {"text": "hi"}))
    schedule = await planned.schedule()
    async with planned.database.tenant(planned.caller.tenant_id) as connection:
        await connection.execute(change)

    decided = await planned.decide(schedule, DUE)

    assert (decided.decision, decided.reason.partition(": ")[0]) == (Decision.REFUSED, reason)
    assert await live(planned) == []


async def test_a_template_that_does_not_fit_any_more_has_failed_and_says_where(planned: Planned):
    await planned.retask(Recipe("claude", {"prompt": "{{ previous.result.count + 1 }}"}), check=False)
    schedule = await planned.schedule()

    decided = await planned.decide(schedule, DUE)

    assert decided.decision is Decision.FAILED
    assert "inputs.prompt cannot be filled in" in decided.reason
    assert await live(planned) == []


async def test_after_a_failure_it_pauses_itself_until_somebody_looks(planned: Planned):
    schedule = await planned.schedule(pause_on_failure=True)
    first = await planned.decide(schedule, DUE)
    assert first.run is not None
    await planned.records.end(first.run, RunStatus.FAILED, error={"type": "E", "message": "broken"})

    second = await planned.decide(schedule, DUE + timedelta(days=3))
    paused = await planned.schedules.get(planned.caller, schedule.id)
    await planned.schedules.resume(planned.caller, schedule.id)
    third = await planned.decide(schedule, DUE + timedelta(days=4))

    assert second.decision is Decision.SKIPPED
    assert "a run of it failed" in second.reason
    assert (paused.state, paused.paused_by_name) == ("paused", "Windlass")
    assert third.decision is Decision.STARTED


async def test_with_the_last_of_its_firings_it_ends(planned: Planned):
    schedule = await planned.schedule(remaining=2, overlap=Overlap.ALLOW_ALL)

    decisions = [(await planned.decide(schedule, DUE + timedelta(days=day))).decision for day in (0, 3, 4)]

    assert decisions == [Decision.STARTED, Decision.STARTED, Decision.REFUSED]
    assert (await planned.schedules.get(planned.caller, schedule.id)).state == "ended"


async def test_of_two_equal_times_in_autumn_the_second_runs(planned: Planned):
    timing = {"cron": "30 1 * * *", "time_zone": "America/New_York"}
    schedule = await planned.schedule(timing, overlap=Overlap.ALLOW_ALL)
    first, second = datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)

    decided = [await planned.decide(schedule, at) for at in (first, second)]

    assert [each.decision for each in decided] == [Decision.SKIPPED, Decision.STARTED]
    assert decided[0].reason == "the clocks go back and 01:30 comes twice: it runs the second time"


async def test_a_trigger_runs_also_while_it_is_paused_and_says_by_whom(planned: Planned):
    schedule = await planned.schedule()
    await planned.schedules.pause(planned.caller, schedule.id)
    firing_id = await planned.firings.trigger(planned.caller, schedule.id)

    decided = await planned.decide(schedule, DUE, firing_id=firing_id)

    assert (decided.firing_id, decided.decision, decided.reason) == (firing_id, Decision.STARTED, "triggered by Ada")
    assert firing_id not in [each.id for each in await planned.agenda.asked()]


async def fired(planned: Planned, days: Sequence[int]) -> UUID:
    schedule = await planned.schedule(overlap=Overlap.ALLOW_ALL)
    for day in days:
        await planned.decide(schedule, DUE - timedelta(days=day))
    return schedule.id


async def test_what_is_made_up_for_runs_in_the_order_of_its_due_times_whoever_decides_first(planned: Planned):
    schedule_id = await fired(planned, [])

    async def made_up_for(days: int, count: int) -> None:
        since = DUE - timedelta(days=days)
        span = (since, since + timedelta(days=count, hours=-1))
        await planned.firings.backfill(planned.caller, schedule_id, *span, count, Overlap.BUFFER_ALL)
        asked = [each.id for each in await planned.agenda.asked() if each.schedule_id == schedule_id]
        for each in reversed(asked):
            await planned.decisions.decide(Asked(planned.caller.tenant_id, schedule_id, DUE, each), DUE)

    await made_up_for(3, 2)  # Tuesday and Wednesday
    await made_up_for(4, 1)

    found = await planned.firings.newest(planned.caller, schedule_id)
    wednesday, tuesday, monday = [each.run_id for each in found]
    assert [each.decision for each in found] == [Decision.BUFFERED, Decision.STARTED, Decision.BUFFERED]
    for ends, starts in ((tuesday, monday), (monday, wednesday)):
        assert (ends, starts) != (None, None)
        assert starts not in await planned.waiting_to_start()
        await planned.records.finish(await planned.records.runs.get(planned.caller, cast(RunId, ends)))
        assert starts in await planned.waiting_to_start()


async def test_a_backfill_plans_what_did_not_run_and_starts_it_once(planned: Planned):
    schedule_id = await fired(planned, [1])
    since, until = DUE - timedelta(days=4), DUE - timedelta(hours=1)  # Monday to Thursday

    plan = await planned.firings.plan(planned.caller, schedule_id, since, until)
    done = await planned.firings.backfill(planned.caller, schedule_id, since, until, 3, Overlap.ALLOW_ALL)
    again = await planned.firings.plan(planned.caller, schedule_id, since, until)

    assert [each.would_start for each in plan.times] == [True, True, True, False]
    assert (plan.times[3].note, plan.count, done.count, again.count) == ("it ran already", 3, 3, 0)
    asked = [each for each in await planned.agenda.asked() if each.schedule_id == schedule_id]
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("since", "until", "confirmed", "error"),
    [
        (timedelta(days=4), timedelta(days=5), 1, "until"),
        (timedelta(days=4), -timedelta(days=9999), 1, "until"),
        (timedelta(days=9999), timedelta(hours=1), 1, "since"),
        (timedelta(days=4), timedelta(hours=1), 2, ""),
    ],
)
async def test_a_backfill_that_cannot_be_or_was_not_confirmed_starts_nothing(
    planned: Planned, since: timedelta, until: timedelta, confirmed: int, error: str
):
    schedule_id = await fired(planned, [])
    span = (DUE - since, DUE - until)

    with pytest.raises(Exception, match=r"nothing was started") as refused:
        await planned.firings.backfill(planned.caller, schedule_id, *span, confirmed, Overlap.ALLOW_ALL)

    assert [each.field for each in getattr(refused.value, "errors", ())] == ([error] if error else [])
    assert [each for each in await planned.agenda.asked() if each.schedule_id == schedule_id] == []


def test_policies_have_their_defaults():
    assert Policy() == Policy(0, Overlap.SKIP, 600, False, None, {})
