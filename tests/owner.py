"""The owner's view of the database, past every policy: to look at rows, to let time pass; and a way to wait."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.waiting import pause_s
from windlass.core.database import Connection, prepare


@asynccontextmanager
async def as_owner(url: str) -> AsyncGenerator[Connection]:
    """A connection as the owner of everything."""
    connect: Any = getattr(asyncpg, "connect")  # noqa: B009 - it has no types
    connection = await connect(url)
    try:
        await prepare(connection)
        yield connection
    finally:
        await connection.close()


async def eventually(claim: Callable[[], Awaitable[object]], patience_s: float = 120) -> None:
    """Wait until something that must be asked for is true."""
    began = time.monotonic()
    async with asyncio.timeout(patience_s):
        while not await claim():  # noqa: ASYNC110  the truth is in another process
            await asyncio.sleep(pause_s(time.monotonic() - began))
