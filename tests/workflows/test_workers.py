"""Workers die, leave and wake up again; the agents of their runs never notice."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from signal import SIGKILL, SIGTERM

import pytest
from temporalio import activity
from temporalio.worker import Worker

from stack.forks import Fork, Forks
from stack.temporal import Server
from tests.parts import free_ports, short_folder, stop
from tests.workflows.apart import Apart
from tests.workflows.engines import Engine, Meeting, running_engine, settings_of, until
from windlass.contracts.runs import RunStatus
from windlass.core.runs import Run
from windlass.core.settings import Settings
from workers.runtime import BUILD, work

pytestmark = pytest.mark.usefixtures("agents")


@pytest.fixture(scope="module")
async def engine(database_url: str, temporal: Server) -> AsyncGenerator[Engine]:
    """An engine whose runs worker is a process of its own."""
    with short_folder() as folder:
        async with running_engine(settings_of(folder, database_url, temporal), works=False) as running:
            yield running


@asynccontextmanager
async def worker(forks: Forks, settings: Settings, *roles: str) -> AsyncGenerator[Fork]:
    """A worker of these roles, told to end afterwards."""
    async with Apart(forks, settings, *roles).running() as process:
        yield process
        await stop(process)


async def halfway(engine: Engine, meeting: Meeting) -> Run:
    run = await engine.start("agents/steps", {**meeting.inputs, "n": 4})
    await meeting.appears("step-2")
    return run


async def test_a_run_goes_on_when_its_worker_is_killed(forks: Forks, engine: Engine, meeting: Meeting):
    async with worker(forks, engine.settings, "runs") as first:
        run = await halfway(engine, meeting)
        first.send_signal(SIGKILL)
    meeting.leave("go")
    async with worker(forks, engine.settings, "runs"):
        over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "0 10 20 30"})
    assert [meeting.count(f"step-{n}") for n in range(4)] == [1, 1, 1, 1]
    assert await engine.statuses(run.id) == ["queued", "starting", "running", "finished"]


async def test_a_run_goes_on_when_its_worker_is_replaced(forks: Forks, engine: Engine, meeting: Meeting):
    async with worker(forks, engine.settings, "runs"):
        run = await halfway(engine, meeting)
    async with worker(forks, engine.settings, "runs"):
        meeting.leave("go")
        over = await engine.ended(run.id)

    assert over.status is RunStatus.FINISHED
    assert [meeting.count(f"step-{n}") for n in range(4)] == [1, 1, 1, 1]


async def test_a_process_of_several_roles_ends_all_of_them_when_it_is_told_to(forks: Forks, engine: Engine):
    async def roles() -> set[str]:
        query = "select role from worker where node = $1 and role <> 'services'"
        async with engine.database.open() as connection:
            return {row["role"] for row in await connection.fetch(query, engine.settings.node)}

    async def are_there() -> bool:
        return await roles() == {"runs", "desktops"}

    async with worker(forks, engine.settings, "runs", "desktops") as process:
        await until(are_there)
        process.send_signal(SIGTERM)

        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert await roles() == set()


async def test_a_worker_that_waits_for_temporal_ends_when_it_is_told_to(forks: Forks, engine: Engine):
    async def takes_part() -> bool:
        async with engine.database.open() as connection:
            return await connection.fetchval("select count(*) from worker where node = 'apart'") == 1

    (nobody,) = free_ports(1)
    away = {"external_temporal": f"127.0.0.1:{nobody}", "node": "apart"}
    async with worker(forks, engine.settings.model_copy(update=away), "runs") as process:
        await until(takes_part)
        process.send_signal(SIGTERM)

        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert not await takes_part()


async def test_a_worker_whose_process_fails_elsewhere_ends_before_what_it_uses_is_closed(engine: Engine):
    @activity.defn
    async def nothing() -> None: ...

    async def is_at_work() -> bool:
        return worker.is_running

    worker = Worker(engine.client, task_queue="nobody", activities=[nothing], build_id=BUILD)
    working = asyncio.create_task(work(worker, asyncio.Event()))
    await until(is_at_work)

    working.cancel()
    await asyncio.wait({working})

    assert worker.is_shutdown
