"""Everybody who follows a stream gets every event once, in order, whatever breaks in between."""

import asyncio
from collections.abc import AsyncGenerator

import orjson
import pytest

from tests.core.streams import Live, follow, live_streams, results, seqs, status, until
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import Database
from windlass.core.errors import BadCursor, NotFound
from windlass.core.events import Delta
from windlass.core.topics import RING_FRAMES


@pytest.fixture
async def live(database_url: str) -> AsyncGenerator[Live]:
    async with live_streams(database_url) as live:
        yield live


@pytest.mark.parametrize("after", [0, 3, 6])
async def test_a_reader_gets_what_follows_its_cursor_once_and_in_order(live: Live, after: int):
    stream = await live.open()
    await live.append(stream, *results(1, 6))
    subscription = await live.subscribe(stream, after)

    reading = asyncio.create_task(follow(subscription))
    await live.append(stream, *results(7, 8))
    await live.append(stream, status("finished"))

    assert seqs(await reading) == list(range(after + 1, 10))


async def test_a_closed_stream_ends_with_its_last_event(live: Live):
    stream = await live.open()
    await live.append(stream, *results(1, 3), status("failed"))

    assert seqs(await follow(await live.subscribe(stream))) == [1, 2, 3, 4]
    assert seqs(await follow(await live.subscribe(stream, 3))) == [4]
    assert (await live.subscribe(stream, 4)).is_over
    assert live.hub.health().topics == live.hub.health().subscribers == 0


async def test_events_appended_while_a_reader_arrives_are_not_lost(live: Live):
    stream = await live.open()

    async def write() -> None:
        for n in range(1, 200):
            await live.append(stream, *results(n, n))
        await live.append(stream, status("finished"))

    async def read(delay_s: float) -> list[int | None]:
        await asyncio.sleep(delay_s)
        return seqs(await follow(await live.subscribe(stream)))

    lists = await asyncio.gather(*(read(n / 100) for n in range(20)), write())

    assert all(seen == list(range(1, 201)) for seen in lists[:-1])


async def test_one_query_serves_every_reader_of_a_stream(live: Live):
    stream = await live.open()
    readers = [await live.subscribe(stream) for _ in range(50)]
    following = [asyncio.create_task(follow(reader)) for reader in readers]
    await live.append(stream, *results(1, 3), status("finished"))

    frames = await asyncio.gather(*following)

    assert all(seen == frames[0] for seen in frames)
    assert frames[0][0].data is frames[-1][0].data


async def test_a_frame_is_an_event_with_its_seq_as_id(live: Live):
    stream = await live.open()
    await live.append(stream, NewEvent(EventKind.RESULT, {"text": "a\nb\n\nid: 9"}, "agent:0", 1), status("finished"))

    frame = (await follow(await live.subscribe(stream)))[0]

    id_line, event_line, data_line = frame.sse.decode().removesuffix("\n\n").split("\n")
    assert (id_line, event_line) == ("id: 1", "event: result")
    event = orjson.loads(data_line.removeprefix("data: "))
    assert event.pop("at").endswith("Z")
    assert event == {"seq": 1, "kind": "result", "payload": {"text": "a\nb\n\nid: 9"}}


async def test_without_notifications_the_poll_finds_everything(database_url: str):
    async with live_streams(database_url, notifies=False) as live:
        stream = await live.open()
        reading = asyncio.create_task(follow(await live.subscribe(stream)))
        await asyncio.sleep(0.05)
        await live.append(stream, *results(1, 3))
        await live.append(stream, status("finished"))

        assert seqs(await reading) == [1, 2, 3, 4]
        assert live.hub.health().poll_hits >= 1
        assert live.hub.health().notifications == 0


async def test_a_cut_listener_loses_nothing_and_returns(live: Live, database_url: str):
    stream = await live.open()
    reading = asyncio.create_task(follow(await live.subscribe(stream)))
    await live.append(stream, *results(1, 3))
    owner = await Database.connect(database_url, role="none", max_size=1)

    async with owner.open() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'windlass %'"
        )
    await live.append(stream, *results(4, 6), status("finished"))

    assert seqs(await reading) == list(range(1, 8))
    await until(lambda: live.hub.health().is_listening)
    await owner.close()


async def test_a_reader_that_was_overrun_is_told_to_come_again_and_the_others_are_not(live: Live):
    stream = await live.open()
    slow, fast = await live.subscribe(stream), await live.subscribe(stream)
    await slow.replay()
    following = asyncio.create_task(follow(fast))

    last = 0
    while last < RING_FRAMES + 400:
        await live.append(stream, *results(last + 1, last + 400))
        last += 400
        await until(lambda last=last: fast.cursor >= last)
    missed = slow.take()
    await live.append(stream, status("finished"))

    assert missed == []
    assert slow.must_resync
    assert slow.is_over
    assert live.hub.health().resyncs == 1
    assert seqs(await following) == list(range(1, last + 2))
    assert seqs(await follow(await live.subscribe(stream, slow.cursor))) == list(range(1, last + 2))


async def test_the_frames_of_a_stream_take_bounded_memory(live: Live):
    stream = await live.open()
    slow = await live.subscribe(stream)
    await slow.replay()

    for first in range(1, 200, 20):
        await live.append(stream, *results(first, first + 19, size=30_000))
    await until(lambda: slow.topic.seq == 200)

    assert len(slow.topic.frames(slow.topic.oldest_place, 500) or ()) < 150
    assert slow.take() == []
    assert slow.must_resync


async def test_a_long_stream_is_replayed_in_pages(live: Live):
    stream = await live.open()
    await live.append(stream, *results(1, 700), status("finished"))

    batches = [len(batch) async for batch in (await live.subscribe(stream)).batches(5)]

    assert sum(batches) == 701
    assert max(batches) <= 200


async def test_the_last_reader_takes_the_topic_along(live: Live):
    stream = await live.open()
    one, two = await live.subscribe(stream), await live.subscribe(stream)

    one.end()
    assert live.hub.health().topics == 1
    two.end()
    two.end()

    assert live.hub.health().topics == 0


async def test_draining_ends_every_reader(live: Live):
    following = [asyncio.create_task(follow(await live.subscribe(await live.open()))) for _ in range(3)]
    await asyncio.sleep(0)

    live.hub.drain()

    assert await asyncio.gather(*following) == [[], [], []]


async def test_a_cursor_that_was_never_given_out_is_refused(live: Live):
    stream = await live.open()
    await live.append(stream, *results(1, 3))

    for cursor in (4, -1):
        with pytest.raises(BadCursor):
            await live.subscribe(stream, cursor)


async def test_another_tenants_stream_is_not_found(live: Live):
    stream = await live.open()
    await live.subscribe(stream)

    for tenant_id, stream_id in ((TenantId(new_id()), stream), (live.tenant_id, new_id())):
        with pytest.raises(NotFound):
            await live.hub.subscribe(tenant_id, stream_id, 0)


async def test_text_on_its_way_has_no_id_and_gives_way_to_its_message(live: Live):
    stream = await live.open()
    reader = await live.subscribe(stream)
    reading = asyncio.create_task(follow(reader, count=3))
    await live.events.append_deltas(live.tenant_id, stream, [Delta("m", 1, 1, "Hel"), Delta("m", 1, 2, "lo")])
    await until(lambda: reader.topic.place == 2)
    await live.append(stream, NewEvent(EventKind.MESSAGE, {"item": "m", "text": "Hello"}, "model:m", 1))

    first, second, message = await reading

    assert b"id:" not in first.sse
    assert orjson.loads(first.data) == {
        "kind": "message.delta",
        "payload": {"item": "m", "attempt": 1, "ord": 1, "text": "Hel"},
    }
    assert (second.seq, message.seq, message.kind) == (None, 1, "message")


async def test_a_late_reader_gets_the_text_so_far_once(live: Live):
    stream = await live.open()
    await live.events.append_deltas(live.tenant_id, stream, [Delta("m", 1, 1, "Hel")])
    reader = await live.subscribe(stream)
    early = asyncio.create_task(follow(reader))
    await live.events.append_deltas(live.tenant_id, stream, [Delta("m", 1, 2, "lo")])
    late = asyncio.create_task(follow(await live.subscribe(stream)))
    await until(lambda: reader.topic.place == 2)
    await live.append(stream, status("finished"))

    for frames in await asyncio.gather(early, late):
        texts = [orjson.loads(frame.data)["payload"]["text"] for frame in frames if frame.seq is None]
        assert texts == ["Hel", "lo"]


async def test_after_a_second_attempt_only_its_text_remains(live: Live):
    stream = await live.open()
    reader = await live.subscribe(stream)
    reading = asyncio.create_task(follow(reader))
    await live.events.append_deltas(live.tenant_id, stream, [Delta("m", 1, 1, "wro")])
    await until(lambda: reader.topic.place == 1)
    await live.append(stream, NewEvent(EventKind.STATUS, {"status": "running", "attempt": 2}, "run:2", 1))
    await live.events.append_deltas(live.tenant_id, stream, [Delta("m", 2, 1, "rig"), Delta("m", 2, 2, "ht")])
    await until(lambda: reader.topic.place == 4)
    await live.append(stream, status("finished", pseq=2))

    shown: dict[str, tuple[int, str]] = {}
    for frame in await reading:
        if frame.seq is None:
            delta = orjson.loads(frame.data)["payload"]
            attempt, text = shown.get(delta["item"], (0, ""))
            if delta["attempt"] >= attempt:
                kept = text if delta["attempt"] == attempt else ""
                shown[delta["item"]] = (delta["attempt"], kept + delta["text"])
    assert shown == {"m": (2, "right")}
