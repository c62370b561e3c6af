"""Temporal is disposable: without it the gateway goes on, and without its data every open run starts again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.conftest import FORM
from tests.faults.load import Load, examine, finish, follow, in_flight
from tests.faults.stack import Stack, until
from windlass.client import AsyncClient

OUTAGE_S = {"full": 30.0, "short": 6.0}[FORM]
ANSWER_S = 2.0
FEW = Load(runs=5, steps=10, step_s=0.1)


@asynccontextmanager
async def frozen(stack: Stack) -> AsyncGenerator[None]:
    """Temporal stopped: it holds its port and answers nobody, and the supervisor sees a process that lives."""
    process = stack.child("temporal")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


async def test_without_temporal_runs_are_accepted_and_run_later(stack: Stack, client: AsyncClient, marks: Path):
    slowest = 0.0
    async with frozen(stack):
        until_s = time.monotonic() + OUTAGE_S
        followed = [await follow(client, FEW, marks / str(number)) for number in range(FEW.runs)]
        while time.monotonic() < until_s:
            asked = time.monotonic()
            assert {run.status for run in (await client.runs.list()).items[: FEW.runs]} == {"queued"}
            slowest = max(slowest, time.monotonic() - asked)
            await asyncio.sleep(0.2)

    await finish(followed, FEW.patience_s)
    await asyncio.gather(*(examine(client, each, FEW) for each in followed))
    assert slowest < ANSWER_S


async def test_runs_at_work_go_on_while_temporal_is_stopped(stack: Stack, client: AsyncClient, load: Load, marks: Path):
    async with in_flight(client, load, marks) as followed:
        async with frozen(stack):

            async def all_steps_done() -> bool:
                return all(each.steps_done == load.steps for each in followed)

            await until(all_steps_done, "every step is done without Temporal", load.patience_s)
        await finish(followed, load.patience_s)
        await asyncio.gather(*(examine(client, each, load) for each in followed))


async def test_with_temporals_database_deleted_every_open_run_goes_on_from_its_steps(
    stack: Stack, client: AsyncClient, load: Load, marks: Path
):
    async with in_flight(client, load, marks) as followed:
        for file in stack.home.glob("temporal.db*"):
            file.unlink()
        await stack.kill("temporal")
        await finish(followed, load.patience_s)
        outcomes = await asyncio.gather(*(examine(client, each, load) for each in followed))

    assert sum(outcome.repeated for outcome in outcomes) <= load.runs
    await stack.is_whole()
