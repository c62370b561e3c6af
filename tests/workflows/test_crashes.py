"""Hosts die; what was finished stays finished, and who kills its host again and again is stopped."""

import os
import signal

import pytest

from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.events import EventKind
from windlass.contracts.ids import RunId
from windlass.contracts.runs import RunStatus
from windlass.core.executions import Executions
from windlass.core.services import Service
from windlass.core.wakeup import PollOnly


async def step_states(engine: Engine, run_id: RunId) -> dict[str, list[str]]:
    """What the log says of each step, in order."""
    states: dict[str, list[str]] = {}
    for event in await engine.events(run_id, EventKind.STEP):
        states.setdefault(event.payload["name"], []).append(event.payload["state"])
    return states


async def test_a_killed_host_costs_no_finished_step(engine: Engine, meeting: Meeting):
    service = await engine.serve("killed")
    run = await engine.start("killed/steps", {**meeting.inputs, "n": 5})
    await meeting.appears("step-3")

    os.kill(await engine.host_of(service), signal.SIGKILL)
    meeting.leave("go")
    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "0 10 20 30 40"})
    assert [meeting.count(f"step-{n}") for n in range(5)] == [1, 1, 1, 2, 1]
    states = await step_states(engine, run.id)
    assert states.pop("step 3") == ["started", "repeated", "done"]
    assert set(map(tuple, states.values())) == {("started", "done")}
    assert len(await engine.events(run.id, EventKind.ACTION)) == 1


async def test_a_run_that_kills_its_host_fails_with_that_as_the_reason(engine: Engine, meeting: Meeting):
    await engine.serve("lonely")
    meeting.leave("go")

    run = await engine.finished("lonely/die", meeting.inputs)

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error["type"] == "ProcessDied"
    assert "3 times without finishing a further step" in run.error["message"]
    assert meeting.count("waiting") == 3


async def test_the_neighbours_of_a_run_that_kills_their_host_finish(engine: Engine, meeting: Meeting):
    await engine.serve("crowded")
    neighbours = [await engine.start("crowded/steps", {**meeting.inputs, "n": 3}) for _ in range(2)]
    killer = await engine.start("crowded/die", meeting.inputs)
    await meeting.appears("waiting")

    meeting.leave("go")
    failed = await engine.ended(killer.id)
    finished = [await engine.ended(run.id) for run in neighbours]

    assert failed.error is not None
    assert (failed.status, failed.error["type"]) == (RunStatus.FAILED, "ProcessDied")
    assert [run.result for run in finished] == [{"str": "0 10 20"}] * 2


@pytest.fixture(scope="module")
async def apart(engine: Engine) -> Service:
    return await engine.serve("apart", "apart:app")


async def test_a_run_may_have_a_process_of_its_own(engine: Engine, apart: Service):
    runs = [await engine.finished("apart/pids") for _ in range(2)]

    pids = [(run.result or {})["str"].split() for run in runs]
    assert len({own for own, _ in pids}) == 2
    assert {int(parent) for _, parent in pids} == {await engine.host_of(apart)}


@pytest.mark.usefixtures("apart")
async def test_a_process_that_dies_at_every_step_gets_on_as_long_as_it_finishes_one(engine: Engine, meeting: Meeting):
    run = await engine.finished("apart/fragile", meeting.inputs)

    assert (run.status, run.result) == (RunStatus.FINISHED, {"str": "across"})
    assert set(map(tuple, (await step_states(engine, run.id)).values())) == {("started", "repeated", "done")}
    assert len(await engine.events(run.id, EventKind.LOG)) == 4


@pytest.mark.usefixtures("agents")
async def test_a_driver_that_was_thought_dead_and_takes_over_again_does_not_end_the_run(
    engine: Engine, meeting: Meeting
):
    run = await engine.start("agents/steps", {**meeting.inputs, "n": 3})
    await meeting.appears("step-1")

    await Executions(engine.database, PollOnly()).attach(engine.caller.tenant_id, run.id, 1)
    meeting.leave("go")
    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "0 10 20"})
    assert [meeting.count(f"step-{n}") for n in range(3)] == [1, 1, 1]


async def test_a_refreshed_service_loses_nothing_and_touches_no_other(engine: Engine, meeting: Meeting):
    service, other = await engine.serve("fresh"), await engine.serve("bystander")
    run = await engine.start("fresh/wait", meeting.inputs)
    await meeting.appears("waiting")
    old, bystander = await engine.host_of(service), await engine.host_of(other)

    await engine.gateway.services.refresh(engine.caller, "fresh")

    async def is_replaced() -> bool:
        return await engine.host_of(service) not in (None, old)

    await until(is_replaced)
    meeting.leave("go")
    over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "gone"})
    assert await engine.host_of(other) == bystander
