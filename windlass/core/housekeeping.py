"""What is kept for a while goes at three in the morning, and a report stays; sessions nobody comes back to, by day."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

import structlog

from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId
from windlass.core.database import Database, Row
from windlass.core.events import Events
from windlass.core.silence import Silence
from windlass.core.storage import Objects

AT = time(3)  # UTC
LOOK_S = 60.0
BATCH = 500

BEGIN = "insert into housekeeping (day) values ($1) on conflict do nothing"
IS_DONE = "select ended_at is not null from housekeeping where day = $1"
END = """
update housekeeping set ended_at = clock_timestamp() where day = $1 and ended_at is null
returning screenshots, freed_bytes
"""
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
COUNT = "update housekeeping set screenshots = screenshots + $2, freed_bytes = freed_bytes + $3 where day = $1"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What one day's housekeeping has removed."""

    screenshots: int
    freed_bytes: int


class Housekeeping:
    """Removes what is old, once a day; several gateways may, and one that is killed is gone on for by the next."""

    def __init__(self, jobs: Database, objects: Objects, events: Events, keep_days: int, silence: Silence) -> None:
        self._jobs, self._objects, self._events, self._keep_days = jobs, objects, events, keep_days
        self._silence = silence

    async def run(self, now: Callable[[], datetime]) -> None:
        """Look every minute whether it is time, whatever happens in between."""
        while True:
            await self._outlive(self._silence.look())
            await self._outlive(self.look(now()))
            await asyncio.sleep(LOOK_S)

    async def _outlive(self, look: Awaitable[object]) -> None:
        try:
            await look
        except Exception as error:  # noqa: BLE001 - the loop outlives every outage
            log.warning("housekeeping failed and is tried again", reason=str(error)[:200])

    async def look(self, now: datetime) -> Report | None:
        """Do what is due. Answers the report of the day to whoever came to its end, to nobody else."""
        if now.time() < AT or await self._is_done(now.date()):
            return None
        while await self._remove_some(now.date()):
            pass
        await self._tell(now.date())
        return await self._end(now.date())

    async def _is_done(self, day: date) -> bool:
        async with self._jobs.open() as connection:
            return bool(await connection.fetchval(IS_DONE, day))

    async def _remove_some(self, day: date) -> int:
        """Remove some bytes, then their rows: killed in between, both are removed again. Answers how many."""
        async with self._jobs.open() as connection, connection.transaction():
            await connection.execute(BEGIN, day)
            rows = await connection.fetch(OLD, self._keep_days, BATCH)
            if rows:
                await self._objects.delete([row["key"] for row in rows])
                await connection.execute(FORGET, [row["id"] for row in rows])
                await connection.execute(COUNT, day, len(rows), sum(row["size_bytes"] for row in rows))
                for tenant_id, sizes in _by_tenant(rows).items():
                    await connection.execute(COUNT_THEIRS, tenant_id, day, len(sizes), sum(sizes))
        return len(rows)

    async def _tell(self, day: date) -> None:
        """Say in each organisation's log what was removed of its own: once a day, however often this is tried."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(THEIRS, day)
        for row in rows:
            said = cleaned(day, Report(row["screenshots"], row["freed_bytes"]))
            await self._events.say(TenantId(row["tenant_id"]), said)

    async def _end(self, day: date) -> Report | None:
        async with self._jobs.open() as connection:
            row = await connection.fetchrow(END, day)
        if row is None:
            return None
        report = Report(row["screenshots"], row["freed_bytes"])
        log.info("the house is kept", day=str(day), screenshots=report.screenshots, freed_bytes=report.freed_bytes)
        return report


def cleaned(day: date, report: Report) -> NewEvent:
    """What an organisation's log says of a day on which something of its own was removed."""
    count = f"{report.screenshots} old screenshot{'' if report.screenshots == 1 else 's'}"
    facts = {"day": str(day), "screenshots": report.screenshots, "freed_bytes": report.freed_bytes}
    payload = {"level": "info", "text": f"Cleaned up: {count} removed.", "cleanup": facts}
    return NewEvent(EventKind.LOG, payload, "housekeeping", day.toordinal())


def _by_tenant(rows: Sequence[Row]) -> dict[UUID, list[int]]:
    """The sizes of what was removed, for each whose it was."""
    sizes: dict[UUID, list[int]] = {}
    for row in rows:
        sizes.setdefault(row["tenant_id"], []).append(row["size_bytes"])
    return sizes
