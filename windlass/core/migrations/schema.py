"""Bring a database to the newest schema: alembic writes the script, asyncpg runs it under an advisory lock."""

from io import StringIO
from typing import Any

import asyncpg

from windlass.core.migrations import HERE, newest

LOCK = 0x77696E646C617373  # "windlass"
SCRIPT_TIMEOUT_S = 2 * 3600  # millions of runs are read once, and indexed: the slowest migration does 3,000 a second


async def upgrade(url: str) -> str:
    """Migrate to the newest revision and answer it. The second time nothing happens; two at once take turns."""
    connection = await _connect(url)
    try:
        await connection.execute(f"select pg_advisory_lock({LOCK})", timeout=SCRIPT_TIMEOUT_S)
        found = await _revision(connection)
        if found != newest():
            await connection.execute(script(found), timeout=SCRIPT_TIMEOUT_S)
        return newest()
    finally:
        await connection.close()  # releases the lock


async def current(url: str) -> str | None:
    """The revision of a database; None when it is empty."""
    connection = await _connect(url)
    try:
        return await _revision(connection)
    finally:
        await connection.close()


def script(found: str | None, to: str = "head") -> str:
    """The SQL that leads from a revision, or from nothing, to another one."""
    from alembic import command  # noqa: PLC0415 - 0.4 s to import, and rarely needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    written = StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(HERE))
    command.upgrade(config, f"{found}:{to}" if found else to, sql=True)
    return written.getvalue()


async def _connect(url: str) -> Any:
    return await asyncpg.connect(url)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - it ships without types


async def _revision(connection: Any) -> str | None:
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return None
    return await connection.fetchval("select version_num from alembic_version")
