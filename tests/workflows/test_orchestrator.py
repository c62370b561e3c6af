"""Every recorded run gets its workflow, whatever was down when it was recorded."""

import pytest
from temporalio.service import RPCError, RPCStatusCode

from tests.core.records import SECRETS, Letters
from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.runs import RunStatus
from windlass.core.form_secrets import Forms
from windlass.core.runs import Run, Runs, StartRun
from windlass.core.wakeup import PollOnly

pytestmark = pytest.mark.usefixtures("agents")


async def recorded(engine: Engine, agent: str, meeting: Meeting) -> Run:
    """A run whose gateway died right after its commit."""
    runs = Runs(engine.database, PollOnly(), Forms(engine.gateway.agents, SECRETS), Letters())
    return await runs.start(engine.caller, StartRun(agent, meeting.inputs))


async def look_again(engine: Engine, run: Run) -> None:
    """What every gateway does once a minute, for a run that is not new any more."""
    async with engine.database.tenant(engine.caller.tenant_id) as connection:
        await connection.execute("update run set created_at = now() - interval '1 minute' where id = $1", run.id)
    await engine.gateway.orchestrator._repair()  # pyright: ignore[reportPrivateUsage]


async def test_a_run_whose_gateway_died_after_its_commit_is_started_by_the_sweep(engine: Engine, meeting: Meeting):
    run = await recorded(engine, "agents/wait", meeting)
    meeting.leave("go")

    assert (await engine.ended(run.id)).status is RunStatus.FINISHED


async def test_a_delivered_message_leaves_the_outbox(engine: Engine):
    run = await engine.finished("agents/trivial")

    async def is_empty() -> bool:
        return run.id not in [line.run_id for line in await engine.gateway.outbox.waiting(0)]

    await until(is_empty)


async def test_a_cancel_of_a_run_that_has_ended_meanwhile_is_dropped(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/wait", meeting.inputs)
    await meeting.appears("waiting")
    runs = Runs(engine.database, PollOnly(), Forms(engine.gateway.agents, SECRETS), Letters())
    await runs.cancel(engine.caller, run.id)
    meeting.leave("go")
    await engine.ended(run.id)

    async def is_empty() -> bool:
        return run.id not in [line.run_id for line in await engine.gateway.outbox.waiting(0)]

    await until(is_empty)


async def test_a_run_without_a_workflow_is_started_again(engine: Engine, meeting: Meeting):
    run = await recorded(engine, "agents/wait", meeting)
    await engine.gateway.outbox.delivered([(run.id, "start")])
    with pytest.raises(RPCError) as raised:
        await engine.workflow(run.id).describe()
    assert raised.value.status is RPCStatusCode.NOT_FOUND

    await look_again(engine, run)
    meeting.leave("go")

    assert (await engine.ended(run.id)).status is RunStatus.FINISHED


async def test_a_run_whose_workflow_was_ended_by_hand_has_failed(engine: Engine, meeting: Meeting):
    run = await engine.start("agents/wait", meeting.inputs)
    await meeting.appears("waiting")
    await engine.workflow(run.id).terminate()

    await look_again(engine, run)

    over = await engine.get(run.id)
    assert (over.status, over.attempt) == (RunStatus.FAILED, 1)
    assert over.error is not None
    assert over.error["message"] == "Its workflow was ended from outside: terminated. Finished steps are kept."
    await meeting.appears("cancelled")  # the agent is told within a heartbeat
