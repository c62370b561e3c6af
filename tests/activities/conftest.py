"""Parts every test of activities needs: a running stand-in of the model provider, and the records of a tenant."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from activities.adapters.claude import ClaudeMessages
from stack.standin.server import HOST, listen
from tests.core.records import Records, records_of
from windlass.core.database import JOBS_ROLE, Database


@pytest.fixture(scope="session")
async def standin() -> AsyncIterator[str]:
    """The address of a stand-in."""
    server = await listen(0)
    yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture
async def claude(standin: str) -> AsyncIterator[ClaudeMessages]:
    """The Messages API as the stand-in speaks it."""
    messages = ClaudeMessages("no-key", standin, standin=True)
    yield messages
    await messages.aclose()


@pytest.fixture
async def claude_at() -> AsyncIterator[Callable[[str], ClaudeMessages]]:
    """The Messages API at any address."""
    async with AsyncExitStack() as stack:

        def make(url: str) -> ClaudeMessages:
            messages = ClaudeMessages("no-key", url)
            stack.push_async_callback(messages.aclose)
            return messages

        yield make


@pytest.fixture(scope="session")
async def jobs(database_url: str) -> AsyncIterator[Database]:
    """A pool that acts as the role that serves all tenants."""
    pool = await Database.connect(database_url, role=JOBS_ROLE, max_size=3)
    yield pool
    await pool.close()


@pytest.fixture
def records(database: Database, jobs: Database) -> Records:
    """The records of a new tenant."""
    return records_of(database, jobs)
