"""What is written down about the parts of the installation, and how its last hour is drawn."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from api.pages.sparks import draw_spark
from tests.core.streams import until
from windlass.core.database import Database
from windlass.core.health import Finding, Grade, Part, PartHealth
from windlass.core.pulses import Beat, Minute, Pulses

MINUTE = timedelta(minutes=1)


def beat(at: datetime, name: str, grade: Grade = Grade.PASS, value: float | None = 1.0) -> Beat:
    """One part at a moment."""
    return Beat(at, (PartHealth(name, grade, "", "1 ms", "", 0.1, value),))


async def test_a_part_is_since_when_it_changed_and_anew_after_nobody_looked(database: Database):
    pulses, name = Pulses(database), uuid4().hex
    now = datetime.now(UTC).replace(second=30, microsecond=0)
    then = now - 40 * MINUTE

    async def since(at: datetime, grade: Grade) -> datetime:
        await pulses.record(beat(at, name, grade))
        return (await pulses.last_hour(now))[name].since

    assert await since(then, Grade.PASS) == then
    assert await since(then + MINUTE, Grade.PASS) == then
    assert await since(then + 2 * MINUTE, Grade.FAIL) == then + 2 * MINUTE
    assert await since(then + 30 * MINUTE, Grade.FAIL) == then + 30 * MINUTE


async def test_gateways_share_a_minute_and_what_is_old_goes(database: Database):
    pulses, name, now = Pulses(database), uuid4().hex, datetime.now(UTC)
    await pulses.record(beat(now - 180 * MINUTE, name))
    await pulses.record(beat(now, name, Grade.WARN, 3))
    await pulses.record(beat(now, name, Grade.PASS, 5))

    (minute,) = (await pulses.last_hour(now))[name].minutes
    async with database.open() as connection:
        kept = await connection.fetchval("select count(*) from health_minute where part = $1", name)

    assert (minute.grade, minute.value, kept) == (Grade.WARN, 5.0, 1)


class Flaky(Pulses):
    """Refuses the first two beats, as a database that is away does."""

    refused = written = 0

    async def record(self, beat: Beat) -> None:
        if self.refused < 2:
            self.refused += 1
            raise ConnectionError
        await super().record(beat)
        self.written += 1


async def test_what_is_found_while_nothing_can_be_written_is_written_later(database: Database):
    name, pulses = uuid4().hex, Flaky(database)
    times = itertools.chain((datetime.now(UTC) - n * MINUTE for n in (3, 2, 1)), itertools.repeat(datetime.now(UTC)))

    async def probe() -> Finding:
        return Finding(Grade.FAIL, "", "", 2)

    task = asyncio.create_task(pulses.beat_for_ever([Part(name, probe)], lambda: next(times), 0.001))
    await until(lambda: pulses.written >= 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert len((await pulses.last_hour(datetime.now(UTC)))[name].minutes) == 4


def test_an_hour_is_a_line_with_its_gaps_and_its_failures():
    now = datetime(2026, 11, 28, 12, 0, 30, tzinfo=UTC)
    minutes = [Minute(now.replace(second=0) - n * MINUTE, Grade.PASS, n) for n in (5, 4, 0)]
    minutes.append(Minute(now.replace(second=0) - 2 * MINUTE, Grade.FAIL, None))

    spark = draw_spark(minutes, "ms", now)

    assert len(spark.lines) == 2
    assert spark.failed == (114.0,)
    assert spark.text == "Last hour: 0 to 5 ms; failed in 1 of 4 minutes"
    assert draw_spark([], "", now).text == "Last hour: no number; failed in 0 of 0 minutes"
