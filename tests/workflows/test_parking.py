"""A run that sleeps is held by its workflow alone, and comes back when there is something to do."""

import os
import signal

import pytest
from temporalio.api.enums.v1 import EventType

from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RESUME_SIGNAL, RunStatus
from windlass.core.runs import Run

LETTER, LETTERS = "x" * 220_000, 20  # nobody takes them: together they are more than one history should hold


async def parked(engine: Engine, meeting: Meeting, service: str = "agents", **wish: int) -> Run:
    """A run in a long sleep whose driving activity has left it."""
    run = await engine.start(f"{service}/sleep", meeting.inputs, **wish)
    await meeting.appears("sleeping")

    async def is_parked() -> bool:
        history = await engine.workflow(run.id).fetch_history()
        return history.events[-1].event_type == EventType.EVENT_TYPE_TIMER_STARTED

    await until(is_parked)
    return run


@pytest.mark.usefixtures("agents")
async def test_a_parked_run_goes_on_as_soon_as_it_has_something_to_report(engine: Engine, meeting: Meeting):
    run = await parked(engine, meeting)
    described = await engine.workflow(run.id).describe()
    assert not described.raw_description.pending_activities
    assert (await engine.get(run.id)).status is RunStatus.RUNNING

    meeting.leave("go")
    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "rested"})
    assert [event.payload for event in await engine.events(run.id, EventKind.ACTION)] == [{"str": "woken"}]


@pytest.mark.usefixtures("agents")
async def test_a_parked_run_can_be_cancelled(engine: Engine, meeting: Meeting):
    run = await parked(engine, meeting)

    await engine.gateway.runs.cancel(engine.caller, run.id)
    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert (await engine.statuses(run.id))[-1] == "cancelled"


@pytest.mark.usefixtures("agents")
async def test_a_time_limit_holds_while_a_run_is_parked(engine: Engine, meeting: Meeting):
    run = await parked(engine, meeting, timeout_s=4)

    over = await engine.ended(run.id)

    assert over.error == {"type": "TimedOut", "message": "The run took longer than its limit of 4 s."}
    assert over.status is RunStatus.FAILED


async def test_a_parked_run_whose_host_dies_stays_parked_until_something_happens(engine: Engine, meeting: Meeting):
    service = await engine.serve("sleepers")
    run = await parked(engine, meeting, "sleepers")
    length = (await engine.workflow(run.id).describe()).history_length

    os.kill(await engine.host_of(service), signal.SIGKILL)
    await until(lambda: engine.host_of(service))
    assert (await engine.workflow(run.id).describe()).history_length == length
    await engine.gateway.runs.cancel(engine.caller, run.id)
    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert meeting.count("sleeping") == 1


@pytest.mark.usefixtures("agents")
async def test_a_run_that_sleeps_and_wakes_for_years_goes_on_in_a_new_history(engine: Engine, meeting: Meeting):
    run = await parked(engine, meeting, timeout_s=60)
    first = await engine.workflow(run.id).describe()
    for _ in range(LETTERS):
        await engine.workflow(run.id).signal("letter", LETTER)

    await engine.workflow(run.id).signal(RESUME_SIGNAL)

    async def is_in_another() -> bool:
        return (await engine.workflow(run.id).describe()).run_id != first.run_id

    await until(is_in_another)
    meeting.leave("go")
    over = await engine.ended(run.id)
    described = await engine.workflow(run.id).describe()
    assert (over.status, over.result, over.attempt) == (RunStatus.FINISHED, {"str": "rested"}, 1)
    assert meeting.count("sleeping") == 1
    assert described.raw_description.workflow_execution_info.history_size_bytes < len(LETTER)
