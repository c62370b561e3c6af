"""What nobody can use any more goes away by itself: old sessions, tokens, answers and limits."""

import asyncio

import structlog

from windlass.core.database import Database

PAUSE_S = 600.0

log = structlog.get_logger()


async def sweep(database: Database) -> None:
    """Drop what has ended. The second time nothing happens."""
    async with database.open() as connection:
        await connection.execute("select identity_sweep()")


async def sweep_for_ever(database: Database, pause_s: float = PAUSE_S) -> None:
    """Sweep now and then until cancelled, whatever happens in between."""
    while True:
        try:
            await sweep(database)
        except Exception as error:  # noqa: BLE001 - the loop outlives every outage
            log.warning("sweep failed and is tried again", sweep="identity", reason=str(error))
        await asyncio.sleep(pause_s)
