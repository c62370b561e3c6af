"""What is known of the model provider: the answers of a quarter of an hour, of whichever worker asked."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.owner import eventually
from windlass.core.database import Database
from windlass.core.health import Grade
from windlass.core.provider import ProviderRecord, Seen, provider_part
from workers.parts import beside

HOW_MANY = "select coalesce(sum(asked), 0) from provider_minute"


@pytest.fixture
async def empty(jobs: Database) -> Database:
    """A database in which nobody has asked a model."""
    async with jobs.open() as connection:
        await connection.execute("delete from provider_minute")
    return jobs


@pytest.mark.usefixtures("empty")
async def test_a_provider_that_nobody_asked_is_well(database: Database):
    found = await provider_part(database).probe()

    assert (found.grade, found.detail, found.value) == (
        Grade.PASS,
        "nobody has asked it for a quarter of an hour",
        None,
    )


async def test_failures_and_first_words_of_all_workers_are_one_line(empty: Database):
    now = datetime.now(UTC)
    one, other = ProviderRecord(empty, standin=False), ProviderRecord(empty, standin=True)
    for first_ms in (100, 200, 900):
        one.add(Seen(now, standin=False, first_ms=first_ms))
    one.add(Seen(now - timedelta(minutes=20), standin=False, error="Overloaded"))
    await one.write()
    well = await provider_part(empty).probe()
    other.add(Seen(now, standin=False, error="RateLimited"))
    await other.write()
    await other.write()
    ailing = await provider_part(empty).probe()

    assert (well.grade, well.detail, well.figure) == (Grade.PASS, "0 of 3 answers failed", "200 ms")
    assert ailing.grade is Grade.WARN
    assert ailing.detail == "the scripted stand-in answers; 1 of 4 answers failed, the last with RateLimited"


async def test_what_is_two_hours_old_goes_with_the_next_that_is_seen(empty: Database):
    record, now = ProviderRecord(empty, standin=True), datetime.now(UTC)
    for age in (timedelta(hours=3), timedelta(0)):
        record.add(Seen(now - age, standin=True))
        await record.write()

    async with empty.open() as connection:
        assert await connection.fetchval(HOW_MANY) == 1


async def test_what_is_seen_is_written_beside_the_work(empty: Database):
    record = ProviderRecord(empty, standin=True)

    async def is_written() -> bool:
        async with empty.open() as connection:
            return await connection.fetchval(HOW_MANY) == 2

    async with beside(record.write_for_ever(pause_s=0.01)):
        record.add(Seen(datetime.now(UTC), standin=True))
        await asyncio.sleep(0)
        record.add(Seen(datetime.now(UTC), standin=True))
        await eventually(is_written)
