"""A cancel reaches the agent, and the record says so exactly once."""

import asyncio
from contextlib import suppress
from datetime import datetime

import pytest
from temporalio.service import RPCError

from tests.workflows.engines import Engine, Meeting, until
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.runs import Run

pytestmark = pytest.mark.usefixtures("agents")
TERMINAL = {"finished", "failed", "cancelled"}


async def waiting(engine: Engine, meeting: Meeting) -> Run:
    """A run whose agent waits."""
    run = await engine.start("agents/wait", meeting.inputs)
    await meeting.appears("waiting")
    return run


async def terminal(engine: Engine, run: Run) -> list[str]:
    return [status for status in await engine.statuses(run.id) if status in TERMINAL]


async def test_a_cancel_reaches_the_agent_within_two_seconds(engine: Engine, meeting: Meeting):
    run = await waiting(engine, meeting)

    await engine.gateway.runs.cancel(engine.caller, run.id, "changed my mind")
    over = await engine.ended(run.id)

    assert (over.status, over.error) == (RunStatus.CANCELLED, None)
    assert meeting.count("cancelled") == 1
    last = (await engine.events(run.id))[-1]
    assert last.payload == {"status": "cancelled", "attempt": 1, "reason": "changed my mind"}
    assert isinstance(over.cancel_requested_at, datetime)
    assert (last.at - over.cancel_requested_at).total_seconds() < 2


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


async def test_a_run_cancelled_before_it_starts_ends_cancelled(engine: Engine):
    run = await engine.start("agents/trivial")

    await engine.gateway.runs.cancel(engine.caller, run.id)
    over = await engine.ended(run.id)

    assert await terminal(engine, run) == [over.status]


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
