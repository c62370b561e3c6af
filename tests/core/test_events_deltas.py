"""Text on its way is shown while it lasts, and gives way to its final message."""

from uuid import UUID

import pytest

from tests.core.streams import open_stream, status
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import Database
from windlass.core.events import Delta, Events
from windlass.core.wakeup import PollOnly

TENANT = TenantId(new_id())


@pytest.fixture
def events(database: Database) -> Events:
    return Events(database, PollOnly())


@pytest.fixture
async def stream(database: Database) -> UUID:
    return await open_stream(database, TENANT)


async def shown(database: Database, stream: UUID) -> list[tuple[str, int, str]]:
    async with database.open() as connection:
        rows = await connection.fetch("select * from read_deltas($1, $2, 0)", TENANT, stream)
    return [(row["item"], row["attempt"], row["text"]) for row in rows]


async def test_text_is_shown_in_the_order_it_was_written(events: Events, stream: UUID, database: Database):
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 1, "Hel"), Delta("m1", 1, 2, "lo\x00")])
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 2, "again"), Delta("m2", 1, 1, "x")])

    assert await shown(database, stream) == [("m1", 1, "Hel"), ("m1", 1, "lo\ufffd"), ("m2", 1, "x")]


async def test_the_final_message_takes_its_text_away(events: Events, stream: UUID, database: Database):
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 1, "Hel"), Delta("m2", 1, 1, "other")])

    await events.append(TENANT, stream, [NewEvent(EventKind.MESSAGE, {"item": "m1", "text": "Hello"}, "model:m1", 1)])

    assert await shown(database, stream) == [("m2", 1, "other")]


async def test_a_higher_attempt_supersedes_the_text_of_the_lower(events: Events, stream: UUID, database: Database):
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 1, "first try")])
    await events.append_deltas(TENANT, stream, [Delta("m1", 2, 1, "second")])

    assert await shown(database, stream) == [("m1", 2, "second")]


async def test_the_end_of_the_stream_takes_all_text_away(events: Events, stream: UUID, database: Database):
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 1, "half")])

    await events.append(TENANT, stream, [status("cancelled")])
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 2, "late")])

    assert await shown(database, stream) == []


async def test_a_stale_writer_shows_nothing(events: Events, stream: UUID, database: Database):
    old = await events.raise_epoch(TENANT, stream)
    await events.raise_epoch(TENANT, stream)

    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 1, "zombie")], epoch=old)

    assert await shown(database, stream) == []


async def test_another_tenant_sees_no_text(events: Events, stream: UUID, database: Database):
    await events.append_deltas(TENANT, stream, [Delta("m1", 1, 1, "secret")])

    async with database.open() as connection:
        assert await connection.fetch("select * from read_deltas($1, $2, 0)", new_id(), stream) == []
