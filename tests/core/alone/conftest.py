"""Every module of this folder has a database of its own: its tests are about the records of all tenants."""

from collections.abc import AsyncGenerator

import pytest

from tests.parts import Postgres, another_database
from windlass.core.database import JOBS_ROLE, Database


@pytest.fixture(scope="module")
async def url(request: pytest.FixtureRequest, postgres: Postgres) -> AsyncGenerator[str]:
    """The address of the module's database."""
    async with another_database(postgres, request.path.stem.removeprefix("test_")) as url:
        yield url


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    pool = await Database.connect(url)
    yield pool
    await pool.close()


@pytest.fixture
async def jobs(url: str) -> AsyncGenerator[Database]:
    pool = await Database.connect(url, role=JOBS_ROLE)
    yield pool
    await pool.close()
