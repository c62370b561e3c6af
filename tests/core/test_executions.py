"""What executors do to a run's record: take over, append once, end once."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.core.records import Records, done, records_of, step
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import RunId, new_id
from windlass.contracts.runs import RunStatus
from windlass.core.database import Database
from windlass.core.executions import ERROR, FINAL, META, RUNNING, TERMINAL, Attached
from windlass.core.runs import Run, StartRun
from windlass.core.services import ServiceChange
from windlass.core.wanted import HostFacts


def own(attached: Attached, kind: EventKind, place: int, **payload: object) -> NewEvent:
    """An event of the driving activity itself."""
    return NewEvent(kind, payload, attached.producer, place)


async def log(records: Records, run: Run) -> list[tuple[str, object]]:
    events = await records.events.read(records.tenant_id, run.id)
    return [(str(event.kind), event.payload.get("status")) for event in events]


async def test_taking_a_run_over_says_that_it_starts_and_hands_over_all_an_executor_needs(records: Records):
    await records.serve("texts", "count")
    run = await records.runs.start(records.caller, StartRun("texts/count", {"text": "hi"}))

    attached = await records.attach(run)

    assert (attached.epoch, attached.producer) == (1, "run:1")
    assert attached.record["inputs"] == {"text": "hi"}
    assert (attached.record["service"]["name"], attached.record["service"]["path"]) == ("texts", "/count")
    assert attached.record["user_id"] == str(records.caller.person_id)
    assert await log(records, run) == [("status", "queued"), ("status", "starting"), ("inputs", None)]
    taken = await records.runs.get(records.caller, run.id)
    assert taken.status is RunStatus.STARTING
    assert taken.started_at is not None


async def test_a_run_that_was_never_recorded_cannot_be_taken_over(database: Database, jobs: Database, records: Records):
    run = await records.start()
    other = records_of(database, jobs)

    assert await records.executions.attach(records.tenant_id, RunId(new_id()), 1) is None
    assert await other.executions.attach(other.tenant_id, run.id, 1) is None
    assert await other.executions.peek(other.tenant_id, run.id, 1) is None


async def test_the_second_to_take_a_run_over_fences_the_first(records: Records):
    run = await records.start()
    first, second = await records.attach(run), await records.attach(run)

    assert (first.epoch, second.epoch) == (1, 2)
    assert await records.say(first, own(first, EventKind.STATUS, RUNNING, status="running")) == []
    assert await records.say(second, own(second, EventKind.STATUS, RUNNING, status="running")) == [0]
    assert (await log(records, run))[1:] == [("status", "starting"), ("inputs", None), ("status", "running")]


async def test_a_run_that_has_ended_is_not_taken_over(records: Records):
    run = await records.finish(await records.start())

    assert (await records.attach(run)).epoch is None


async def test_a_repeated_event_keeps_its_place_and_says_whether_it_is_the_same(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    said = own(attached, EventKind.META, META, summary="one")
    otherwise = own(attached, EventKind.META, META, summary="two")

    first = (await records.executions.append(records.tenant_id, run.id, attached.epoch, [said]))[0]
    again = (await records.executions.append(records.tenant_id, run.id, attached.epoch, [said]))[0]
    other = (await records.executions.append(records.tenant_id, run.id, attached.epoch, [otherwise]))[0]

    assert (first.same, first.fresh) == (True, True)
    assert (again.seq, again.same, again.fresh) == (first.seq, True, False)
    assert (other.seq, other.same, other.fresh) == (first.seq, False, False)
    assert (await records.runs.get(records.caller, run.id)).meta == {"summary": "one"}


async def test_the_row_follows_the_events(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    await records.say(
        attached,
        own(attached, EventKind.STATUS, RUNNING, status="running", attempt=1),
        own(attached, EventKind.ERROR, ERROR, type="ValueError", message="no"),
    )
    failing = await records.runs.get(records.caller, run.id)
    await records.say(
        attached,
        own(attached, EventKind.FINAL, FINAL, str="yes"),
        own(attached, EventKind.STATUS, TERMINAL, status="finished"),
    )
    over = await records.runs.get(records.caller, run.id)

    assert (failing.status, failing.error) == (RunStatus.RUNNING, {"type": "ValueError", "message": "no"})
    assert (over.status, over.result, over.error) == (RunStatus.FINISHED, {"str": "yes"}, None)
    assert over.ended_at is not None


async def test_a_new_attempt_starts_without_the_error_of_the_last(records: Records):
    run = await records.start()
    first = await records.attach(run)
    await records.say(first, own(first, EventKind.ERROR, ERROR, type="ValueError", message="no"))

    await records.attach(run, attempt=2)

    again = await records.runs.get(records.caller, run.id)
    assert (again.status, again.attempt, again.error) == (RunStatus.STARTING, 2, None)


async def test_nothing_follows_the_end(records: Records):
    run = await records.start()
    attached = await records.attach(run)

    assert await records.end(run, RunStatus.CANCELLED, reason="enough") is RunStatus.CANCELLED
    assert await records.say(attached, own(attached, EventKind.FINAL, FINAL, str="late")) == []
    assert await records.end(run, RunStatus.FAILED, error={"type": "Late", "message": "late"}) is RunStatus.CANCELLED
    over = await records.runs.get(records.caller, run.id)
    assert (over.status, over.result, over.error) == (RunStatus.CANCELLED, None, None)


async def test_an_end_by_hand_leaves_the_attempt_as_it_was(records: Records):
    run = await records.start()
    await records.attach(run, attempt=2)

    await records.end(run, RunStatus.FAILED, attempt=0, error={"type": "WorkflowEnded", "message": "by hand"})

    over = await records.runs.get(records.caller, run.id)
    assert (over.status, over.attempt) == (RunStatus.FAILED, 2)


async def test_the_first_error_of_an_attempt_stands(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    await records.say(attached, own(attached, EventKind.ERROR, ERROR, type="E", message="m", traceback="here"))

    await records.end(run, RunStatus.FAILED, error={"type": "E", "message": "m"})

    assert (await records.runs.get(records.caller, run.id)).error == {"type": "E", "message": "m", "traceback": "here"}


async def test_a_step_is_kept_with_its_result_and_handed_to_the_next_executor(records: Records):
    run = await records.start()
    await records.say(await records.attach(run), *done("first", {"n": 1}), step("second", "started"))

    attached = await records.attach(run)

    known = {each["name"]: (each["state"], each["result"], each["executions"]) for each in attached.record["steps"]}
    assert known == {"first": ("done", {"n": 1}, 1), "second": ("started", None, 1)}
    assert (await records.runs.get(records.caller, run.id)).steps_kept == 1


async def test_a_step_that_is_done_stays_as_it_is(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    await records.say(attached, *done("once", 1))

    await records.say(attached, step("once", "repeated", execution=2), step("once", "failed", execution=2))

    (kept,) = (await records.runs.steps(records.caller, [run.id]))[run.id]
    assert (kept.state, kept.execution) == ("done", 1)
    assert (await records.runs.get(records.caller, run.id)).steps_kept == 1


async def test_a_failed_step_is_forgotten_by_the_next_attempt(records: Records):
    run = await records.start()
    await records.say(await records.attach(run), *done("good"), step("bad", "started"), step("bad", "failed"))

    same, following = await records.attach(run), await records.attach(run, attempt=2)

    assert [each["name"] for each in same.record["steps"]] == ["good", "bad"]
    assert [each["name"] for each in following.record["steps"]] == ["good"]


async def test_a_durable_sleep_keeps_its_first_end(records: Records):
    run = await records.start()
    attached = await records.attach(run)
    until = datetime(2030, 1, 1, tzinfo=UTC)
    await records.say(attached, step("sleep", "started", until=until.isoformat()))

    await records.say(attached, step("sleep", "repeated", execution=2))

    (kept,) = (await records.runs.steps(records.caller, [run.id]))[run.id]
    assert kept.until == until


async def test_inputs_too_large_for_an_event_stay_on_the_run(records: Records):
    run = await records.start("x" * 40_000)

    attached = await records.attach(run)

    assert len(attached.record["inputs"]["prompt"]) == 40_000
    shown = (await records.events.read(records.tenant_id, run.id, kinds=[EventKind.INPUTS]))[0].payload
    assert shown["Text"]["body"].endswith("bytes of inputs, kept with the run")


async def in_host(records: Records, boot_id: str) -> Attached:
    """A run in a host that is watched over."""
    attached = await records.attach(await records.start())
    assert await records.executions.place(attached, boot_id)
    return attached


@pytest.fixture
async def boot_id(database: Database, records: Records) -> str:
    """A host that serves a service."""
    await records.serve("served", "one")
    async with database.tenant(records.tenant_id) as connection:
        return await connection.fetchval("select boot_id from host")


async def crash(records: Records, boot_id: str, reason: str = "crashed") -> None:
    await records.wanted.record_end(await records.wanted_service("served"), boot_id, reason)


async def test_no_run_goes_into_a_host_nobody_watches_over(records: Records):
    attached = await records.attach(await records.start())

    assert await records.executions.place(attached, "unheard of") is False
    assert (await records.attach(await records.runs.get(records.caller, attached.run_id))).record["host_boot"] is None


async def test_a_run_belongs_to_the_replica_that_has_it_until_that_one_has_ended_or_is_not_wanted(
    records: Records, boot_id: str
):
    services, served = records.services, await records.wanted_service("served")
    await services.change(records.caller, "served", ServiceChange(replicas=2))
    await records.wanted.record_up(
        replace(served, replica=2), HostFacts(f"second {served.id}", 2, "here", 1), {"flows": []}
    )
    runs = [await in_host(records, each) for each in (boot_id, f"second {served.id}")]

    async def places() -> list[int | None]:
        found = [await records.runs.get(records.caller, each.run_id) for each in runs]
        return [(await records.attach(each)).record["replica"] for each in found]

    before = await places()
    await crash(records, boot_id)
    after = await places()
    await services.change(records.caller, "served", ServiceChange(replicas=1))

    assert (before, after, await places()) == ([1, 2], [None, 2], [None, None])


async def test_a_crash_counts_once_for_each_run_it_took_along(records: Records, boot_id: str):
    first, second = await in_host(records, boot_id), await in_host(records, boot_id)
    await crash(records, boot_id)

    assert await records.executions.note_host_death(first, boot_id) == (1, 0)
    assert await records.executions.note_host_death(first, boot_id) == (1, 0)
    assert await records.executions.note_host_death(second, boot_id) == (1, 0)


async def test_a_crash_that_took_one_run_alone_counts_against_it_until_it_finishes_a_step(
    records: Records, boot_id: str
):
    attached = await in_host(records, boot_id)
    await crash(records, boot_id)

    assert await records.executions.note_host_death(attached, boot_id) == (1, 1)
    assert await records.executions.note_lone_death(attached) == (2, 2)
    await records.say(attached, *done("further"))
    again = await records.executions.peek(records.tenant_id, attached.run_id, 1)
    assert again is not None
    assert await records.executions.note_lone_death(attached) == (1, 1)


@pytest.mark.parametrize("reason", ["stopped", "lost"])
async def test_a_host_that_was_stopped_or_went_down_with_its_stack_counts_for_nothing(
    records: Records, boot_id: str, reason: str
):
    attached = await in_host(records, boot_id)
    await crash(records, boot_id, reason)

    assert await records.executions.note_host_death(attached, boot_id) == (0, 0)
