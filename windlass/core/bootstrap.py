"""What a new database needs: the schema and the first administrator: `python -m windlass.core.bootstrap`.

Prints one line of JSON: `schema`, `administrator` and, only when it was made just now, `password`.
"""

import asyncio
import importlib
import json
import sys
import time

import asyncpg

from windlass.core.migrations.schema import upgrade
from windlass.core.settings import Settings

PATIENCE_S = 120


async def main(arguments: list[str]) -> int:
    """Migrate and make the first administrator, as soon as the database answers. The second time nothing happens."""
    if "--fresh" in arguments:
        importlib.import_module("alembic.command")  # takes as long as initdb, which runs meanwhile
    settings = Settings.load()
    url = settings.require_database_url()
    schema = await _upgraded(url)
    password = await _administrator(settings, url)
    line = {"schema": schema, "administrator": settings.admin_email, "password": password}
    print(json.dumps(line))  # noqa: T201 - its answer
    return 0


async def _upgraded(url: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await upgrade(url)
        except (OSError, asyncpg.CannotConnectNowError) as error:
            if time.monotonic() > deadline:
                sys.exit(f"The database did not answer within {PATIENCE_S} s: {error}")
            await asyncio.sleep(0.02)


async def _administrator(settings: Settings, url: str) -> str | None:
    from windlass.core.identity import ensure_first_administrator  # noqa: PLC0415 - hashing costs memory and time

    given = settings.admin_password
    return await ensure_first_administrator(url, settings.admin_email, given.get_secret_value() if given else None)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
