"""Timings that schedules share: those of a tenant that are due at the same times are one schedule of Temporal's."""

import json
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID, uuid5

from windlass.contracts.ids import TenantId
from windlass.core.calendars import Timing
from windlass.core.calendars.timing import known_timing
from windlass.core.database import Database, Row

SPACE = UUID("0b7c9d62-6a4e-5f0b-9c35-3d8f4c1a7e21")

SHARING = """
select id, timing, time_zone, start_at, end_at, jitter_s from schedule
where deleted_at is null and ended_at is null and timed_at <= $1 and id > $2 order by id
"""
FIRST = UUID(int=0)


def timing_id(tenant_id: UUID, schedule_id: UUID, timing: Timing, jitter_s: int) -> UUID:
    """The id of a schedule's timing: the same for all of a tenant that are due at the same times.

    With a jitter it is its own: Temporal spreads schedules by their ids, and those of one would not be spread.
    """
    bounds = [None if at is None else at.astimezone(UTC).isoformat() for at in (timing.start_at, timing.end_at)]
    alone = [str(schedule_id), jitter_s] if jitter_s else []
    return uuid5(SPACE, json.dumps([str(tenant_id), timing.source, timing.zone, *bounds, *alone], sort_keys=True))


class Timings:
    """The schedules of a tenant by their timing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sharing(
        self, tenant_id: TenantId, timing: UUID, due: datetime, *, after: UUID = FIRST, limit: int
    ) -> list[UUID]:
        """The schedules that have had a timing since before a due time, in the order of their ids."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(SHARING, due, after)
        return list(islice((row["id"] for row in rows if _timing_in(row, tenant_id) == timing), limit))


def _timing_in(row: Row, tenant_id: TenantId) -> UUID:
    known = known_timing(row["timing"], row["time_zone"], row["start_at"], row["end_at"])
    return timing_id(tenant_id, row["id"], known, row["jitter_s"])
