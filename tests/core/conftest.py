"""A tenant of its own for every test of records."""

from collections.abc import AsyncGenerator

import pytest

from tests.core.records import Records, records_of
from windlass.core.database import JOBS_ROLE, Database


@pytest.fixture(scope="session")
async def jobs(database_url: str) -> AsyncGenerator[Database]:
    """A pool that acts as the role that serves all tenants."""
    pool = await Database.connect(database_url, role=JOBS_ROLE, max_size=3)
    yield pool
    await pool.close()


@pytest.fixture
def records(database: Database, jobs: Database) -> Records:
    """The records of a new tenant."""
    return records_of(database, jobs)
