"""Workers die, leave and wake up again; the agents of their runs never notice."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from stack.temporal import Server
from tests.architecture.sources import ROOT
from tests.parts import short_folder, stop
from tests.workflows.engines import Engine, Meeting, running_engine, settings_of, until
from windlass.contracts.runs import RunStatus
from windlass.core.mortality import dying_with_us
from windlass.core.runs import Run
from windlass.core.settings import Settings

pytestmark = pytest.mark.usefixtures("agents")


@pytest.fixture(scope="module")
async def engine(database_url: str, temporal: Server) -> AsyncGenerator[Engine]:
    """An engine whose runs worker is a process of its own."""
    with short_folder() as folder:
        async with running_engine(settings_of(folder, database_url, temporal), works=False) as running:
            yield running


@asynccontextmanager
async def worker(settings: Settings, *roles: str) -> AsyncGenerator[Process]:
    """A worker of these roles, of runs alone without any; ended afterwards."""
    named = {name: plain(value) for name, value, is_default in given(settings) if not is_default}
    command = (sys.executable, "-m", "workers", *(roles or ["runs"]))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, **named}, preexec_fn=dying_with_us()
    )
    try:
        yield process
    finally:
        await stop(process)


def plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def given(settings: Settings) -> list[tuple[str, object, bool]]:
    fields = type(settings).model_fields
    return [
        (each.alias or name, getattr(settings, name), name not in settings.model_fields_set)
        for name, each in fields.items()
    ]


async def halfway(engine: Engine, meeting: Meeting) -> Run:
    run = await engine.start("agents/steps", {**meeting.inputs, "n": 4})
    await meeting.appears("step-2")
    return run


async def test_a_run_goes_on_when_its_worker_is_killed(engine: Engine, meeting: Meeting):
    async with worker(engine.settings) as first:
        run = await halfway(engine, meeting)
        first.kill()
    meeting.leave("go")
    async with worker(engine.settings):
        over = await engine.ended(run.id)

    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": "0 10 20 30"})
    assert [meeting.count(f"step-{n}") for n in range(4)] == [1, 1, 1, 1]
    assert await engine.statuses(run.id) == ["queued", "starting", "running", "finished"]


async def test_a_run_goes_on_when_its_worker_is_replaced(engine: Engine, meeting: Meeting):
    async with worker(engine.settings):
        run = await halfway(engine, meeting)
    async with worker(engine.settings):
        meeting.leave("go")
        over = await engine.ended(run.id)

    assert over.status is RunStatus.FINISHED
    assert [meeting.count(f"step-{n}") for n in range(4)] == [1, 1, 1, 1]


async def test_a_process_of_several_roles_ends_all_of_them_when_it_is_told_to(engine: Engine):
    async def roles() -> set[str]:
        query = "select role from worker where node = $1 and role <> 'services'"
        async with engine.database.open() as connection:
            return {row["role"] for row in await connection.fetch(query, engine.settings.node)}

    async def are_there() -> bool:
        return await roles() == {"runs", "desktops"}

    async with worker(engine.settings, "runs", "desktops") as process:
        await until(are_there)
        process.terminate()

        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert await roles() == set()
