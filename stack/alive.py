"""Whether this node's workers are alive: `python -m stack.alive ROLE…`, the health check of a container."""

import asyncio
import sys

from windlass.core.database import dial
from windlass.core.settings import Settings

FRESH = """
select count(distinct role) from worker
where node = $1 and role = any($2) and seen_at > clock_timestamp() - interval '15 seconds'
"""


async def alive(settings: Settings, roles: list[str]) -> bool:
    """Whether every role renewed its slot a moment ago."""
    connection = await dial(settings.require_database_url(), name="health check")
    try:
        return await connection.fetchval(FRESH, settings.node, roles) == len(set(roles))
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(alive(Settings.load(), sys.argv[1:])) else 1)
