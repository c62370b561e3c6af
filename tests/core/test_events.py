"""The event log keeps its promises: gapless, once, fenced, closed."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

import pytest

from tests.core.streams import open_stream, results, status
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import Database
from windlass.core.errors import NotFound
from windlass.core.events import MAX_PAYLOAD_BYTES, Appended, Events, PayloadTooLarge, payload_bytes, storable
from windlass.core.wakeup import PollOnly

TENANT = TenantId(new_id())


@pytest.fixture
def events(database: Database) -> Events:
    return Events(database, PollOnly())


@pytest.fixture
async def stream(database: Database) -> AsyncGenerator[UUID]:
    stream_id = await open_stream(database, TENANT)
    yield stream_id
    async with database.tenant(TENANT) as connection:
        assert await connection.fetchval("select last_seq from stream where id = $1", stream_id) == (
            await connection.fetchval("select count(*) from event where stream_id = $1", stream_id)
        )


async def seqs(events: Events, stream: UUID) -> list[int]:
    return [event.seq for event in await events.read(TENANT, stream)]


async def test_events_get_consecutive_places(events: Events, stream: UUID):
    first = await events.append(TENANT, stream, results(1, 2))
    second = await events.append(TENANT, stream, results(3, 3))

    assert first == [Appended(1, 1, same=True, fresh=True), Appended(2, 2, same=True, fresh=True)]
    assert second == [Appended(1, 3, same=True, fresh=True)]
    assert [event.payload["n"] for event in await events.read(TENANT, stream)] == [1, 2, 3]


async def test_a_repeat_gets_its_old_place_and_hears_whether_it_is_the_same(events: Events, stream: UUID):
    await events.append(TENANT, stream, results(1, 2))

    answer = await events.append(
        TENANT, stream, [NewEvent(EventKind.RESULT, {"other": 1}, "agent:0", 2), *results(3, 3), *results(1, 1)]
    )

    assert answer == [
        Appended(1, 2, same=False, fresh=False),
        Appended(2, 3, same=True, fresh=True),
        Appended(3, 1, same=True, fresh=False),
    ]
    assert await seqs(events, stream) == [1, 2, 3]


async def test_the_same_event_twice_in_one_batch_is_stored_once(events: Events, stream: UUID):
    answer = await events.append(TENANT, stream, [*results(1, 1), *results(1, 1), *results(2, 2)])

    assert [(a.seq, a.fresh) for a in answer] == [(1, True), (1, False), (2, True)]


async def test_the_same_event_at_the_same_moment_is_stored_once(events: Events, stream: UUID):
    answers = await asyncio.gather(*(events.append(TENANT, stream, results(1, 3)) for _ in range(8)))

    assert all([a.seq for a in answer] == [1, 2, 3] for answer in answers)
    assert sum(a.fresh for answer in answers for a in answer) == 3
    assert await seqs(events, stream) == [1, 2, 3]


async def test_producers_count_for_themselves_within_one_batch(events: Events, stream: UUID):
    answer = await events.append(TENANT, stream, [*results(1, 1, "out:0"), *results(1, 1, "agent:0")])

    assert [a.seq for a in answer] == [1, 2]


async def test_twelve_writers_with_repeats_leave_no_gap(events: Events, stream: UUID):
    async def write(writer: int) -> list[tuple[str, int, int]]:
        producer = f"agent:{writer // 2}"  # two writers share each producer
        places: list[tuple[str, int, int]] = []
        for first in range(1, 30, 2):
            batch = results(first, first + 3, producer)
            answer = await events.append(TENANT, stream, batch)
            places += [(producer, batch[a.n - 1].pseq, a.seq) for a in answer]
        return places

    places = [place for written in await asyncio.gather(*map(write, range(12))) for place in written]

    assert len(set(places)) == len({place[:2] for place in places}) == 6 * 32
    assert sorted({seq for _, _, seq in places}) == list(range(1, 6 * 32 + 1))
    assert (await events.head(TENANT, stream)).last_seq == 6 * 32


async def test_a_stale_writer_gets_no_answer(events: Events, stream: UUID):
    old = await events.raise_epoch(TENANT, stream)
    await events.append(TENANT, stream, results(1, 1), epoch=old)
    new = await events.raise_epoch(TENANT, stream)

    assert new == 2
    assert await events.append(TENANT, stream, results(1, 2), epoch=old) == []
    assert len(await events.append(TENANT, stream, results(1, 2), epoch=new)) == 2


async def test_a_higher_epoch_takes_the_stream_over(events: Events, stream: UUID):
    await events.append(TENANT, stream, results(1, 1), epoch=7)

    assert (await events.head(TENANT, stream)).epoch == 7
    assert await events.append(TENANT, stream, results(2, 2), epoch=6) == []


async def test_a_writer_without_attempts_is_not_fenced(events: Events, stream: UUID):
    await events.append(TENANT, stream, results(1, 1), epoch=7)

    assert len(await events.append(TENANT, stream, [status("running", "gateway")])) == 1


async def test_the_first_terminal_status_closes_the_stream(events: Events, stream: UUID):
    answer = await events.append(TENANT, stream, [*results(1, 1), status("cancelled"), *results(2, 2)])

    assert [a.n for a in answer] == [1, 2]
    assert (await events.head(TENANT, stream)).is_closed
    assert await events.raise_epoch(TENANT, stream) is None
    late = await events.append(TENANT, stream, [*results(1, 1), status("finished", pseq=2), *results(3, 3)])
    assert late == [Appended(1, 1, same=True, fresh=False)]


async def test_another_status_leaves_the_stream_open(events: Events, stream: UUID):
    await events.append(TENANT, stream, [status("running"), NewEvent(EventKind.FINAL, {"status": "finished"}, "x", 1)])

    assert not (await events.head(TENANT, stream)).is_closed


async def test_another_tenants_stream_is_an_unknown_stream(events: Events, stream: UUID):
    await events.append(TENANT, stream, results(1, 1))
    stranger = TenantId(new_id())

    assert await events.append(stranger, stream, results(2, 2)) == []
    assert await events.read(stranger, stream) == []
    assert await events.raise_epoch(stranger, stream) is None
    with pytest.raises(NotFound):
        await events.head(stranger, stream)


async def test_a_payload_over_32_kib_is_refused_with_its_size(events: Events, stream: UUID, database: Database):
    with pytest.raises(PayloadTooLarge, match="33811 bytes"):
        await events.append(TENANT, stream, results(1, 1, size=33 * 1024 - 1))

    query = "select * from append_events($1, $2, null, '{a}', '{1}', '{result}', array[to_jsonb(repeat('x', 32767))])"
    with pytest.raises(Exception, match="32769 bytes, at most 32768"):
        async with database.open() as connection:
            await connection.fetch(query, TENANT, stream)


async def test_the_largest_payload_that_fits_is_stored(events: Events, stream: UUID):
    payload = {"text": "é\n" * 8_000}
    payload["text"] += "x" * (MAX_PAYLOAD_BYTES - payload_bytes(payload))

    await events.append(TENANT, stream, [NewEvent(EventKind.RESULT, payload, "agent:0", 1)])

    assert (await events.read(TENANT, stream))[0].payload == payload


async def test_text_that_postgresql_cannot_hold_is_replaced(events: Events, stream: UUID):
    payload = {"te\x00xt": ["a\x00b", "\\u0000", "\udcff", 1]}

    await events.append(TENANT, stream, [NewEvent(EventKind.STDOUT, payload, "out:0", 1)])

    assert (await events.read(TENANT, stream))[0].payload == {"te\ufffdxt": ["a\ufffdb", "\\u0000", "\ufffd", 1]}


def test_what_is_no_json_is_a_type_error():
    with pytest.raises(TypeError):
        storable({"object": object()})


async def test_reading_goes_on_after_a_cursor_and_by_kind(events: Events, stream: UUID):
    await events.append(TENANT, stream, [*results(1, 3), status("running"), *results(4, 5)])

    assert [e.seq for e in await events.read(TENANT, stream, after=2, limit=2)] == [3, 4]
    assert [e.seq for e in await events.read(TENANT, stream, kinds=[EventKind.STATUS])] == [4]
    assert await events.read(TENANT, stream, after=6) == []
