"""Pulses: how the parts of the installation were, minute by minute for the last two hours, and since when.

Kept in the database, so that every gateway shows the same and a restart forgets nothing. What is found while the
database itself is away waits in memory and is written when it is back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from windlass.core.database import BROKEN, Away, Database
from windlass.core.health import Grade, Part, PartHealth, examine

BEAT_S = 60.0
HOUR = timedelta(hours=1)
MOST_WAITING = 120  # beats that were not written yet: older ones would be thrown away at once

MINUTES = """
select p.name, p.since, m.minute, m.grade, m.value from health_part p
left join health_minute m on m.part = p.name and m.minute > $1 order by p.name, m.minute
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Minute:
    """How a part was in one minute: the worst of what was found, and the highest number."""

    at: datetime
    grade: Grade
    value: float | None


@dataclass(frozen=True, slots=True)
class Pulse:
    """Since when a part has been as it is, as far as anybody looked, and its last hour without what nobody saw."""

    since: datetime
    minutes: tuple[Minute, ...] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """What was found at a moment."""

    at: datetime
    parts: tuple[PartHealth, ...]


class Pulses:
    """The record of all parts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, beat: Beat) -> None:
        """Write down what was found. The second time, and from several gateways, it is one line a minute."""
        found = [{"name": each.name, "grade": each.grade, "value": each.value} for each in beat.parts]
        async with self._database.open() as connection:
            await connection.execute("select record_health($1, $2)", beat.at, found)

    async def last_hour(self, now: datetime) -> Mapping[str, Pulse]:
        """Every part that was ever found, by name."""
        async with self._database.open() as connection:
            rows = await connection.fetch(MINUTES, now - HOUR)
        pulses: dict[str, Pulse] = {}
        for row in rows:
            known = pulses.get(row["name"], Pulse(row["since"]))
            more = () if row["minute"] is None else (Minute(row["minute"], Grade(row["grade"]), row["value"]),)
            pulses[row["name"]] = Pulse(known.since, known.minutes + more)
        return pulses

    async def beat_for_ever(self, parts: Sequence[Part], now: Callable[[], datetime], pause_s: float = BEAT_S) -> None:
        """Look at every part once a minute, until cancelled: one after the other, over one connection."""
        waiting: deque[Beat] = deque(maxlen=MOST_WAITING)
        while True:
            found = [each for part in parts for each in (await examine([part])).parts]
            waiting.append(Beat(now(), tuple(found)))
            try:
                while waiting:
                    await self.record(waiting[0])
                    waiting.popleft()
            except (Away, *BROKEN) as error:
                log.info("health is written down later", beats=len(waiting), reason=repr(error))
            await asyncio.sleep(pause_s)
