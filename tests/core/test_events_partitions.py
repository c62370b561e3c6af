"""Events live in the partition of the month their stream was made in."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import pytest

from tests.core.streams import open_stream, results, until
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.events import Events, ensure_partitions, keep_partitions
from windlass.core.wakeup import PollOnly

TENANT = TenantId(new_id())


@pytest.fixture
async def jobs(database_url: str) -> AsyncGenerator[Database]:
    jobs = await Database.connect(database_url, role=JOBS_ROLE)
    yield jobs
    await jobs.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[Database]:
    owner = await Database.connect(database_url, role="none")
    yield owner
    await owner.close()


async def test_the_default_partition_stays_empty(database: Database, owner: Database):
    await Events(database, PollOnly()).append(TENANT, await open_stream(database, TENANT), results(1, 3))

    async with owner.open() as connection:
        assert await connection.fetchval("select count(*) from event_default") == 0


async def test_an_event_lies_in_the_month_of_its_stream(database: Database, owner: Database):
    stream_id = await open_stream(database, TENANT)
    await Events(database, PollOnly()).append(TENANT, stream_id, results(1, 1))

    async with owner.open() as connection:
        query = "select tableoid::regclass::text from event where stream_id = $1"
        assert await connection.fetchval(query, stream_id) == datetime.now(UTC).strftime("event_%Y_%m")


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2031, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), "event_2031_12"),
        (datetime(2032, 1, 1, tzinfo=UTC), "event_2032_01"),
    ],
)
async def test_bounds_are_those_of_uuid7(owner: Database, jobs: Database, at: datetime, month: str):
    await ensure_partitions(jobs, date(2031, 12, 1), months=2)
    first_of_its_millisecond = UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 1 << 63)

    async with owner.open() as connection, connection.transaction():
        await connection.execute(
            "insert into event (stream_id, seq, tenant_id, kind, producer, pseq, epoch, payload) "
            "values ($1, 1, $2, 'log', 'x', 1, 0, '{}')",
            first_of_its_millisecond,
            TENANT,
        )
        query = "select tableoid::regclass::text from event where stream_id = $1"
        stored_in = await connection.fetchval(query, first_of_its_millisecond)
        await connection.execute("delete from event where stream_id = $1", first_of_its_millisecond)

    assert stored_in == month


async def test_partitions_are_made_once(jobs: Database):
    await ensure_partitions(jobs, date(2033, 11, 30), months=3)

    assert await ensure_partitions(jobs, date(2033, 11, 1), months=3) == 0
    assert await ensure_partitions(jobs, date(2033, 11, 1), months=4) == 1


async def test_a_partition_cannot_be_read_around_row_level_security(database: Database, owner: Database):
    async with owner.open() as connection:
        open_tables = await connection.fetch(
            "select relname from pg_class where relname like 'event%' and relkind in ('r', 'p') "
            "and not (relrowsecurity and relforcerowsecurity)"
        )
    assert open_tables == []
    async with database.tenant(TENANT) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"table {datetime.now(UTC):event_%Y_%m}")


async def test_the_application_makes_no_partitions(database: Database):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ensure_partitions(database, date(2034, 1, 1))


async def test_coming_months_are_made_again_and_again_through_outages(jobs: Database):
    calls: list[date] = []

    def today() -> date:
        calls.append(date(2035, 6, 1))
        if len(calls) == 1:
            raise ConnectionError("away")
        return calls[-1]

    keeping = asyncio.create_task(keep_partitions(jobs, today, pause_s=0.01))
    await until(lambda: len(calls) >= 3)
    keeping.cancel()

    assert await ensure_partitions(jobs, date(2035, 6, 1)) == 0


async def test_an_id_from_ahead_of_its_time_keeps_no_partition_from_being_made(
    database: Database, jobs: Database, owner: Database
):
    march = datetime(2045, 3, 3, tzinfo=UTC)
    stream_id = UUID(int=int(march.timestamp() * 1000) << 80 | 0x7 << 76 | 1 << 63 | new_id().int & 0xFFFFFFFF)
    async with database.open() as connection:
        await connection.execute("select open_stream($1, $2, 'session')", TENANT, stream_id)
    events = Events(database, PollOnly())
    await events.append(TENANT, stream_id, results(1, 3))

    made = await ensure_partitions(jobs, date(2045, 2, 1), months=3)

    await events.append(TENANT, stream_id, results(4, 4))
    assert (made, [event.seq for event in await events.read(TENANT, stream_id)]) == (3, [1, 2, 3, 4])
    async with owner.open() as connection:
        lying = "select distinct tableoid::regclass::text from event where stream_id = $1"
        assert await connection.fetchval(lying, stream_id) == "event_2045_03"
