"""What is kept for a while goes at night: old screenshots with their rows, and uploads that never came whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId
from windlass.core.database import Database, Row
from windlass.core.events import Events
from windlass.core.maintenance import Maintenance, Occasion, count
from windlass.core.storage import Objects

BATCH = 500
UPLOAD = timedelta(days=1)  # longer than any may take

OLD = """
select s.id, s.tenant_id, s.key, s.size_bytes from screenshot s
where s.last_at < clock_timestamp() - make_interval(days => $1)
  or (s.stored_at is null and s.first_at < clock_timestamp() - interval '1 hour')
  or not exists (select from desktop d where d.id = s.desktop_id and d.deleted_at is null)
order by s.last_at limit $2 for update of s skip locked
"""
FORGET = "delete from screenshot where id = any($1)"
COUNT_THEIRS = """
insert into screenshot_cleanup as c (tenant_id, day, screenshots, freed_bytes) values ($1, $2, $3, $4)
on conflict (tenant_id, day) do update set screenshots = c.screenshots + excluded.screenshots,
  freed_bytes = c.freed_bytes + excluded.freed_bytes, at = clock_timestamp()
"""
THEIRS = "select tenant_id, screenshots, freed_bytes from screenshot_cleanup where day = $1 and screenshots > 0"


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed of an organisation's on one day."""

    screenshots: int
    freed_bytes: int


class Housekeeping:
    """Removes what is old; whoever is killed over it is gone on for by the next."""

    def __init__(
        self, jobs: Database, objects: Objects, events: Events, maintenance: Maintenance, keep_days: int
    ) -> None:
        self._jobs, self._objects, self._events = jobs, objects, events
        self._maintenance, self._keep_days = maintenance, keep_days

    async def clean(self, occasion: Occasion) -> bool:
        """Remove some of what is old; whether there may be more. At the end each organisation's log says its part."""
        if await self._remove_some(occasion):
            return True
        await self._maintenance.count(occasion, {"uploads": await self._objects.sweep(UPLOAD)})
        await self._tell(occasion.day)
        return False

    async def _remove_some(self, occasion: Occasion) -> int:
        """Remove some bytes, then their rows: killed in between, both are removed again. Answers how many."""
        async with self._jobs.open() as connection, connection.transaction():
            rows = await connection.fetch(OLD, self._keep_days, BATCH)
            if rows:
                await self._objects.delete([row["key"] for row in rows])
                await connection.execute(FORGET, [row["id"] for row in rows])
                freed = sum(row["size_bytes"] for row in rows)
                await count(connection, occasion, {"screenshots": len(rows), "freed_bytes": freed})
                for tenant_id, sizes in _by_tenant(rows).items():
                    await connection.execute(COUNT_THEIRS, tenant_id, occasion.day, len(sizes), sum(sizes))
        return len(rows)

    async def _tell(self, day: date) -> None:
        """Say in each organisation's log what was removed of its own: once a day, however often this is tried."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(THEIRS, day)
        for row in rows:
            said = cleaned(day, Removed(row["screenshots"], row["freed_bytes"]))
            await self._events.say(TenantId(row["tenant_id"]), said)


def cleaned(day: date, removed: Removed) -> NewEvent:
    """What an organisation's log says of a day on which something of its own was removed."""
    words = f"{removed.screenshots} old screenshot{'' if removed.screenshots == 1 else 's'}"
    facts = {"day": str(day), "screenshots": removed.screenshots, "freed_bytes": removed.freed_bytes}
    payload = {"level": "info", "text": f"Cleaned up: {words} removed.", "cleanup": facts}
    return NewEvent(EventKind.LOG, payload, "housekeeping", day.toordinal())


def _by_tenant(rows: Sequence[Row]) -> dict[UUID, list[int]]:
    """The sizes of what was removed, for each whose it was."""
    sizes: dict[UUID, list[int]] = {}
    for row in rows:
        sizes.setdefault(row["tenant_id"], []).append(row["size_bytes"])
    return sizes
