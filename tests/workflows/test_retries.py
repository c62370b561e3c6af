"""A new try of a run begins with the steps the last one finished."""

import pytest

from tests.workflows.engines import Engine, Meeting
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.runs import Run

pytestmark = pytest.mark.usefixtures("agents")


async def cancelled_halfway(engine: Engine, meeting: Meeting) -> Run:
    """A run whose steps 0 and 1 are done and whose step 2 was interrupted."""
    run = await engine.start("agents/steps", {**meeting.inputs, "n": 4})
    await meeting.appears("step-2")
    await engine.gateway.runs.cancel(engine.caller, run.id)
    over = await engine.ended(run.id)
    meeting.leave("go")
    return over


async def test_a_retry_takes_over_the_finished_steps(engine: Engine, meeting: Meeting):
    first = await cancelled_halfway(engine, meeting)

    second = await engine.gateway.runs.retry(engine.caller, first.id)
    over = await engine.ended(second.id)

    assert (second.retry_of, second.root_id, second.try_, second.steps_kept) == (first.id, first.id, 2, 2)
    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "0 10 20 30"})
    assert [meeting.count(f"step-{n}") for n in range(4)] == [1, 1, 2, 1]
    assert [event.payload["name"] for event in await engine.events(second.id, EventKind.STEP)] == [
        *("step 2", "step 2", "step 3", "step 3"),
    ]


async def test_a_retry_from_a_step_runs_it_and_what_came_after_again(engine: Engine, meeting: Meeting):
    first = await cancelled_halfway(engine, meeting)

    second = await engine.gateway.runs.retry(engine.caller, first.id, from_="step 1")
    await engine.ended(second.id)

    assert [meeting.count(f"step-{n}") for n in range(4)] == [1, 2, 2, 1]


async def test_a_retry_from_the_start_keeps_nothing(engine: Engine, meeting: Meeting):
    first = await cancelled_halfway(engine, meeting)

    second = await engine.gateway.runs.retry(engine.caller, first.id, from_="start")
    over = await engine.ended(second.id)

    assert (second.steps_kept, over.steps_kept) == (0, 4)
    assert [meeting.count(f"step-{n}") for n in range(4)] == [2, 2, 2, 1]


async def test_a_retry_of_a_retry_keeps_the_root_and_counts_on(engine: Engine, meeting: Meeting):
    first = await cancelled_halfway(engine, meeting)
    second = await engine.gateway.runs.retry(engine.caller, first.id)
    await engine.ended(second.id)

    third = await engine.gateway.runs.retry(engine.caller, second.id)
    over = await engine.ended(third.id)

    assert (third.root_id, third.retry_of, third.try_) == (first.id, second.id, 3)
    assert over.result == {"str": "0 10 20 30"}
    assert [run.id for run in await engine.gateway.runs.tries(engine.caller, over)] == [first.id, second.id, third.id]
    kept = (await engine.gateway.runs.steps(engine.caller, [third.id]))[third.id]
    assert [step.kept_from for step in kept] == [first.id, first.id, second.id, second.id]


async def test_a_retry_with_other_inputs_asks_the_handler_again(engine: Engine):
    first = await engine.finished("agents/greet", {"folder": "Ada"})

    second = await engine.gateway.runs.retry(engine.caller, first.id, inputs={"folder": "Grace"})
    over = await engine.ended(second.id)

    assert (first.result, over.result) == ({"str": "Ada!"}, {"str": "Grace!"})
