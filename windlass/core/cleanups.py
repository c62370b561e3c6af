"""Reports of the daily cleanup, for those whose screenshots it removed."""

from dataclasses import dataclass
from datetime import date, datetime

from windlass.core.callers import Caller
from windlass.core.database import Database

NEWEST = "select day, screenshots, freed_bytes, at from screenshot_cleanup order by day desc limit $1"


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What one day's cleanup removed."""

    day: date
    screenshots: int
    freed_bytes: int
    at: datetime


class Cleanups:
    """The reports of a tenant; a day on which nothing of theirs was old has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, caller: Caller, limit: int = 31) -> list[Cleanup]:
        """The newest reports."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [Cleanup(**row) for row in await connection.fetch(NEWEST, limit)]
