"""A real gateway on a real port, and people of two organisations who talk to it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from api.app import create_app
from api.dependencies import State
from api.lifespan import open_state
from api.server import server
from tests.core.streams import until
from tests.parts import free_ports
from tests.people import FIRST_PASSWORD as FIRST_PASSWORD  # noqa: PLC0414 - others find them here
from tests.people import PASSWORD as PASSWORD  # noqa: PLC0414
from tests.people import Door
from tests.people import Organisation as Organisation  # noqa: PLC0414
from tests.people import Person as Person  # noqa: PLC0414
from tests.people import some_email as some_email  # noqa: PLC0414
from windlass.core.identity.passwords import Cost
from windlass.core.settings import Settings

FAR = "127.0.0.77"  # where services of others are, which the operator allows
SECRET = "a secret of the tests, long enough: 0123456789"  # noqa: S105 - opens nothing
CHEAP = Cost(passes=1, memory_kib=64, threads=1)  # they guard nothing


@dataclass(frozen=True, slots=True)
class Gateway(Door):
    """A running gateway and the state inside it."""

    state: State


def settings_for(database_url: str, **more: Any) -> Settings:
    """The settings of a test's gateway; Temporal is not there."""
    (port,) = free_ports(1)
    values: dict[str, Any] = {
        "WINDLASS_DATABASE_URL": database_url,
        "WINDLASS_SECRET_KEY": SECRET,
        "WINDLASS_SIGNUP": "open",
        "WINDLASS_PORT": port,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "WINDLASS_OUTBOUND_ALLOW": FAR,
    }
    return Settings(_env_file=None, **(values | more))  # pyright: ignore[reportCallIssue]


@asynccontextmanager
async def running_gateway(settings: Settings, cost: Cost = CHEAP) -> AsyncGenerator[Gateway]:
    """A gateway as `python -m api` runs it, in this process; but its hashes of passwords cost next to nothing."""
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("windlass.core.identity.passwords.COST", cost)
            state = await stack.enter_async_context(open_state(settings))
        running = server(create_app(state), settings, state["engine"].hub.drain)
        task = asyncio.create_task(running.serve())
        await until(lambda: running.started)
        try:
            async with AsyncExitStack() as clients:
                yield Gateway(settings.url, clients, state)
        finally:
            running.should_exit = True
            await task
