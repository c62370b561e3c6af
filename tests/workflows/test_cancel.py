"""A cancel reaches the agent, and the record says so exactly once."""

import asyncio
from contextlib import suppress
from datetime import datetime

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from tests.core.records import SECRETS, Letters
from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.form_secrets import Forms
from windlass.core.runs import Run, Runs, StartRun
from windlass.core.wakeup import PollOnly

pytestmark = pytest.mark.usefixtures("agents")
REQUESTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
TERMINAL = {"finished", "failed", "cancelled"}


async def waiting(engine: Engine, meeting: Meeting) -> Run:
    """A run whose agent waits."""
    run = await engine.start("agents/wait", meeting.inputs)
    await meeting.appears("waiting")
    return run


async def terminal(engine: Engine, run: Run) -> list[str]:
    return [status for status in await engine.statuses(run.id) if status in TERMINAL]


async def test_a_cancel_reaches_the_agent_and_is_the_end_of_the_run(engine: Engine, meeting: Meeting):
    run = await waiting(engine, meeting)

    await engine.gateway.runs.cancel(engine.caller, run.id, "changed my mind")
    over = await engine.ended(run.id)

    assert (over.status, over.error) == (RunStatus.CANCELLED, None)
    assert meeting.count("cancelled") == 1
    last = (await engine.events(run.id))[-1]
    assert last.payload == {"status": "cancelled", "attempt": 1, "reason": "changed my mind"}
    assert isinstance(over.cancel_requested_at, datetime)


async def test_a_second_cancel_changes_nothing(engine: Engine, meeting: Meeting):
    run = await waiting(engine, meeting)

    await asyncio.gather(*(engine.gateway.runs.cancel(engine.caller, run.id, f"{n}") for n in range(2)))
    await engine.ended(run.id)

    assert await terminal(engine, run) == ["cancelled"]
    assert meeting.count("cancelled") == 1


async def test_a_cancel_by_temporals_own_request_is_a_cancel(engine: Engine, meeting: Meeting):
    run = await waiting(engine, meeting)

    await engine.workflow(run.id).cancel()
    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert meeting.count("cancelled") == 1
    assert (await engine.events(run.id))[-1].payload["reason"] == "cancelled in Temporal"


async def test_a_run_cancelled_before_it_starts_never_starts(engine: Engine, meeting: Meeting):
    runs = Runs(engine.database, PollOnly(), Forms(engine.gateway.agents, SECRETS), Letters())
    run = await runs.start(engine.caller, StartRun("agents/wait", meeting.inputs))
    await runs.cancel(engine.caller, run.id)

    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert [each for each in await engine.statuses(run.id) if each != "starting"] == ["queued", "cancelled"]
    assert meeting.count("waiting") == 0


async def test_a_cancel_that_races_the_end_leaves_one_terminal_event(engine: Engine, meeting: Meeting):
    runs = [await waiting(engine, Meeting(meeting.folder)) for _ in range(10)]

    meeting.leave("go")
    await asyncio.gather(*(cancel(engine, run) for run in runs))
    over = [await engine.ended(run.id) for run in runs]

    assert [await terminal(engine, run) for run in runs] == [[run.status] for run in over]
    assert {run.status for run in over} <= {RunStatus.FINISHED, RunStatus.CANCELLED}


async def cancel(engine: Engine, run: Run) -> None:
    with suppress(RPCError):  # it has ended
        await engine.workflow(run.id).signal("cancel", "racing")


async def test_a_run_that_waits_for_its_next_attempt_can_be_cancelled(engine: Engine):
    run = await engine.start("agents/fail", {"n": 99}, max_attempts=50)

    async def second_attempt_failed() -> bool:
        return (await engine.get(run.id)).attempt == 2 and len(await engine.events(run.id, EventKind.ERROR)) == 2

    await until(second_attempt_failed)

    await engine.gateway.runs.cancel(engine.caller, run.id)
    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert await terminal(engine, run) == ["cancelled"]


async def test_a_cancel_by_temporal_while_the_end_is_being_written_does_not_lose_it(engine: Engine, meeting: Meeting):
    run = await waiting(engine, meeting)
    workflow = engine.workflow(run.id)

    async def cancel_was_seen() -> bool:
        kinds = [event.event_type for event in (await workflow.fetch_history()).events]
        return REQUESTED in kinds and COMPLETED in kinds[kinds.index(REQUESTED) :]

    async with engine.database.tenant(engine.caller.tenant_id) as connection:
        await connection.execute("select from run where id = $1 for update", run.id)  # the end waits for this row
        await workflow.signal("cancel", "changed my mind")
        await until(lambda: connection.fetchval("select true from pg_locks where not granted limit 1"))
        await workflow.cancel()
        await until(cancel_was_seen)
    over = await engine.ended(run.id)

    assert over.status is RunStatus.CANCELLED
    assert (await engine.events(run.id))[-1].payload["reason"] == "changed my mind"
    assert await terminal(engine, run) == ["cancelled"]
