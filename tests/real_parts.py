"""Fixtures of the real parts: started once per test session, for whoever asks for them."""

import os
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
import structlog

from activities.adapters.engine import DockerEngine
from activities.containers import EngineAway
from stack.forks import Forks
from stack.golang import NotBuilt
from stack.store import built
from stack.temporal import Server
from tests import containers
from tests.blueprints import furnish
from tests.buckets import Store, running_store
from tests.faults.stack import Stack, running_stack
from tests.forks import running_forks
from tests.parts import Postgres, running_postgres, running_temporal, short_folder
from windlass.core.database import Database

LOOPBACK = "127.0.0.0/8"  # MCP servers of tests

# Without this what tests run in their own process logs every traceback with all local values: seconds, at times minutes
# and gigabytes.
structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the S3 server before the first test, when one needs it: it would not be done within a test's time."""
    if not session.config.option.collectonly and any(item.get_closest_marker("bucket") for item in session.items):
        with suppress(NotBuilt):  # the tests that need it say so
            built()


@pytest.fixture(scope="session")
async def postgres() -> AsyncGenerator[Postgres]:
    """A real PostgreSQL with the newest schema, shared by the whole session: make your own tenant."""
    with short_folder() as folder:
        async with running_postgres(folder) as running:
            yield running


@pytest.fixture(scope="session")
async def forks() -> AsyncGenerator[Forks]:
    """Where workers are forked from that tests kill and start again."""
    with short_folder() as folder:
        async with running_forks(folder / "forks.log") as running:
            yield running


@pytest.fixture(scope="session")
async def database_url(postgres: Postgres) -> str:
    """The owner's DSN of the shared PostgreSQL."""
    return postgres.url


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A pool on the shared PostgreSQL that acts as the application's role."""
    pool = await Database.connect(database_url)
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def temporal() -> AsyncGenerator[Server]:
    """A real Temporal server, shared by the whole session: use workflow ids and queues of your own."""
    with short_folder() as folder:
        async with running_temporal(folder) as server:
            yield server


@pytest.fixture(scope="session")
async def store() -> AsyncGenerator[Store]:
    """A real S3 server, shared by the whole session: use a prefix of your own. Mark the test with `bucket`."""
    with short_folder() as folder:
        async with running_store(folder) as running:
            yield running


@pytest.fixture(scope="session")
async def docker() -> AsyncGenerator[DockerEngine]:
    """The engine of this machine; without one these tests are skipped, and fail where CI=true."""
    try:
        engine = await containers.answering()
    except EngineAway as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have a container engine: {missing}")
        pytest.skip(f"desktops are NOT tested here: {missing}")
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
async def image(docker: DockerEngine) -> str:
    """The image of desktops, without the browser, built where it is not there yet."""
    return await containers.built()


@pytest.fixture(scope="session")
async def stack() -> AsyncGenerator[Stack]:
    """Everything, as `make up` starts it, shared by the whole session; whoever breaks it leaves it whole again."""
    variables = {"WINDLASS_DESKTOP_IMAGE": containers.IMAGE, "WINDLASS_OUTBOUND_ALLOW": LOOPBACK}
    with short_folder() as folder:
        await furnish(folder / "home")
        async with running_stack(folder / "home", **variables, WINDLASS_SIGNUP="open") as stack:
            yield stack
