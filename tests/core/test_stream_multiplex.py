"""Many topics in one stream keep their places in one cursor."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import UUID

import pytest

from tests.core.streams import Live, live_streams, results, status, until
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.errors import BadCursor, Forbidden, Invalid, NotFound
from windlass.core.multiplex import LogTopic, LogUpdate, Multiplex, Multiplexer, Update, read_cursor, write_cursor
from windlass.core.permissions import ROLES, Permission, Role
from windlass.core.states import StateChange, StateTopic


@pytest.fixture
async def live(database_url: str) -> AsyncGenerator[Live]:
    async with live_streams(database_url) as live:
        yield live


@pytest.fixture
def ada(live: Live) -> Caller:
    return Caller(live.tenant_id, PersonId(new_id()), "Ada", Role.BUILDER, ROLES[Role.BUILDER])


@pytest.fixture
def multiplexer(live: Live) -> Multiplexer:
    async def admit(caller: Caller, stream_id: UUID) -> None:
        await live.events.head(caller.tenant_id, stream_id)

    async def runs(caller: Caller) -> dict[str, str]:
        return {"tenant": str(caller.tenant_id)}

    live.hub.states.add(StateTopic("runs", Permission.RUNS_READ, runs))
    return Multiplexer(live.hub, [LogTopic("run", Permission.RUNS_READ, admit)])


async def read(multiplex: Multiplex, count: int) -> list[Update]:
    """The first updates of a stream of topics."""
    updates: list[Update] = []
    async with asyncio.timeout(10):
        async for batch in multiplex.batches(10):
            updates += batch
            if len(updates) >= count:
                break
    return updates


def places(updates: list[Update]) -> list[tuple[str, int | None]]:
    """The topic and seq of each log update."""
    return [(update.topic, update.frame.seq) for update in updates if isinstance(update, LogUpdate)]


async def test_logs_and_states_arrive_in_one_stream(live: Live, ada: Caller, multiplexer: Multiplexer):
    one, two = await live.open(), await live.open()
    await live.append(one, *results(1, 2))

    multiplex = await multiplexer.open(ada, [f"run:{one}", f"run:{two}", "runs"], None)
    reading = asyncio.create_task(read(multiplex, 5))
    await live.append(two, *results(1, 1))
    await live.append(one, *results(3, 3))

    updates = await reading
    assert sorted(places(updates)) == sorted([(f"run:{one}", n) for n in (1, 2, 3)] + [(f"run:{two}", 1)])
    assert [update.data for update in updates if isinstance(update, StateChange)] == [
        b'{"topic":"runs","state":{"tenant":"%b"}}' % str(live.tenant_id).encode()
    ]


async def test_every_cursor_goes_on_exactly_there(live: Live, ada: Caller, multiplexer: Multiplexer):
    topics = [f"run:{await live.open()}" for _ in range(3)]
    for topic in topics:
        await live.append(UUID(topic[4:]), *results(1, 3), status("finished"))
    everything = await read(await multiplexer.open(ada, topics, None), 99)

    for number, update in enumerate(everything[:-1], 1):
        assert isinstance(update, LogUpdate)
        rest = await read(await multiplexer.open(ada, topics[::-1], update.cursor), 99)
        assert sorted(places(everything[:number] + rest)) == sorted(places(everything))
    assert len(everything) == 12
    assert live.hub.health().subscribers == 0


async def test_a_new_topic_begins_at_its_start_or_at_the_seq_it_names(
    live: Live, ada: Caller, multiplexer: Multiplexer
):
    one, two = await live.open(), await live.open()
    await live.append(one, *results(1, 3), status("finished"))
    await live.append(two, *results(1, 3), status("finished"))
    seen = await multiplexer.open(ada, [f"run:{one}@2"], None)
    cursor = seen.cursor
    seen.end()

    updates = await read(await multiplexer.open(ada, [f"run:{one}", f"run:{two}@3"], cursor), 99)

    assert places(updates) == [(f"run:{one}", 3), (f"run:{one}", 4), (f"run:{two}", 4)]


async def test_a_stream_of_ended_logs_is_over(live: Live, ada: Caller, multiplexer: Multiplexer):
    stream = await live.open()
    await live.append(stream, status("cancelled"))

    assert (await multiplexer.open(ada, [f"run:{stream}@1"], None)).is_over
    multiplex = await multiplexer.open(ada, [f"run:{stream}@1", "runs"], None)
    assert not multiplex.is_over
    multiplex.end()


async def test_a_reader_that_was_overrun_in_one_topic_comes_again(live: Live, ada: Caller, multiplexer: Multiplexer):
    stream = await live.open()
    multiplex = await multiplexer.open(ada, [f"run:{stream}", "runs"], None)
    batches = multiplex.batches(10)
    await anext(batches)

    for first in range(1, 2_201, 200):
        await live.append(stream, *results(first, first + 199))
    await until(lambda: multiplex.logs[f"run:{stream}"].topic.seq == 2_200)

    assert [update async for batch in batches for update in batch] == []
    assert multiplex.must_resync
    multiplex.end()
    assert live.hub.health().subscribers == 0


async def test_a_log_that_becomes_somebody_elses_ends_and_the_others_go_on(live: Live, ada: Caller):
    mine = {await live.open(), await live.open()}
    lost, kept = mine

    async def admit(_caller: Caller, stream_id: UUID) -> None:
        if stream_id not in mine:
            raise NotFound("session", stream_id)

    multiplexer = Multiplexer(
        live.hub, [LogTopic("session", Permission.SESSIONS_READ, admit, Permission.SESSIONS_READ_ALL)]
    )
    operator = replace(ada, role=Role.OPERATOR, permissions=ROLES[Role.OPERATOR])
    readers = [await multiplexer.open(each, [f"session:{lost}", f"session:{kept}"], None) for each in (operator, ada)]
    mine.remove(lost)

    for caller, multiplex in zip((operator, ada), readers, strict=True):
        await multiplexer.readmit(caller, multiplex)

    ended = [[log.is_over for log in multiplex.logs.values()] for multiplex in readers]
    assert (ended, readers[0].is_over) == ([[True, False], [False, False]], False)
    for multiplex in readers:
        multiplex.end()


async def test_draining_ends_it(live: Live, ada: Caller, multiplexer: Multiplexer):
    multiplex = await multiplexer.open(ada, ["runs"], None)
    reading = asyncio.create_task(read(multiplex, 99))
    await until(lambda: live.hub.states.watchers)

    live.hub.drain()

    assert len(await reading) <= 1


async def test_what_is_not_there_or_not_allowed_opens_nothing(live: Live, ada: Caller, multiplexer: Multiplexer):
    stream = await live.open()
    foreign = Caller(TenantId(new_id()), ada.person_id, "Eve", Role.OWNER, ROLES[Role.OWNER])
    weak = Caller(live.tenant_id, ada.person_id, "Key", Role.VIEWER, frozenset())
    attempts: list[tuple[Caller, list[str], type[Exception]]] = [
        (foreign, ["runs", f"run:{stream}"], NotFound),
        (ada, ["runs", f"run:{new_id()}"], NotFound),
        (ada, ["runs", "run:7"], NotFound),
        (ada, [f"run:{stream}", f"desk:{stream}"], NotFound),
        (ada, [f"run:{stream}", "weather"], NotFound),
        (ada, [f"run:{stream}@4"], BadCursor),
        (weak, [f"run:{stream}"], Forbidden),
        (weak, ["runs"], Forbidden),
        (ada, [f"run:{new_id()}" for _ in range(33)], Invalid),
    ]

    for caller, topics, refusal in attempts:
        with pytest.raises(refusal):
            await multiplexer.open(caller, topics, None)

    assert live.hub.health().subscribers == 0


@pytest.mark.parametrize("cursor", ["7", "!!!!", "AAAA", "é", "a" * 600, "AAAAAAAAAAAAAAA=", "AAAA AAAAAAAAAAAA"])
def test_a_cursor_of_another_kind_is_refused(cursor: str):
    with pytest.raises(BadCursor):
        read_cursor(cursor)


def test_a_cursor_is_short_enough_for_a_header():
    cursor = write_cursor({f"run:{new_id()}": 10**9 for _ in range(32)})

    assert len(cursor) == 512
    assert list(read_cursor(cursor).values()) == [10**9] * 32
