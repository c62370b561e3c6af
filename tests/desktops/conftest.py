"""A real engine with the image of desktops, and everything around it in this process."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from activities.adapters.docker import DockerDesktops
from activities.adapters.engine import DockerEngine
from activities.adapters.gates import Gates
from stack.standin.server import listen
from stack.temporal import Server
from tests.desktops.machine import Desk, desk_settings, running_desk
from tests.parts import Postgres, another_database, short_folder

TIMEOUT_S = 600  # the first test may have to wait for the image, which is built beside other tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that building the image takes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session")
async def database_url(postgres: Postgres) -> AsyncGenerator[str]:
    """A database without the desktops of other tests."""
    async with another_database(postgres, "desktops") as url:
        yield url


@pytest.fixture(scope="module")
async def desk(database_url: str, temporal: Server, docker: DockerEngine, image: str) -> AsyncGenerator[Desk]:
    """A gateway's half, workers and an engine; nothing of it is left afterwards."""
    with short_folder() as folder:
        async with running_desk(desk_settings(folder, database_url, temporal, image)) as running:
            yield running
            await running.delete_all()


@pytest.fixture(scope="session")
async def model_url() -> AsyncGenerator[str]:
    """The address of a model that does as its prompt says."""
    server = await listen(0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@pytest.fixture(scope="session")
async def containers(docker: DockerEngine, image: str) -> DockerDesktops:
    """The adapter alone."""
    return DockerDesktops(docker, image, Gates())
