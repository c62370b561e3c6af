"""An engine for each file of tests, with one service of agents."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from stack.forks import Forks
from stack.temporal import Server
from tests.forks import OF_SESSIONS, running_forks
from tests.parts import Postgres, another_database, short_folder
from tests.workflows.engines import Engine, Meeting, running_engine, settings_of
from windlass.core.services import Service


@pytest.fixture(scope="session")
async def database_url(postgres: Postgres) -> AsyncGenerator[str]:
    """A database without the runs of other tests: a gateway starts whatever is open."""
    async with another_database(postgres, "engine") as url:
        yield url


@pytest.fixture(scope="session")
async def forks() -> AsyncGenerator[Forks]:
    """Where workers are forked from that hold conversations."""
    with short_folder() as folder:
        async with running_forks(folder / "forks.log", *OF_SESSIONS) as running:
            yield running


@pytest.fixture(scope="module")
async def engine(database_url: str, temporal: Server) -> AsyncGenerator[Engine]:
    """A running engine; its tests end what they started."""
    with short_folder() as folder:
        async with running_engine(settings_of(folder, database_url, temporal)) as running:
            yield running


@pytest.fixture(scope="module")
async def agents(engine: Engine) -> Service:
    """The service `agents`, for tests that leave its host alone."""
    return await engine.serve("agents")


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    """A folder for this test and its agents."""
    return Meeting(tmp_path)
