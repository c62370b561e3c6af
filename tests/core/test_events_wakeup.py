"""Wake-ups arrive at once, gather under load, and come back after every cut."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from tests.core.streams import until
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import Database
from windlass.core.listener import Listener
from windlass.core.wakeup import CHANNEL, Notifier, take_batch

TENANT = TenantId(new_id())


@dataclass(frozen=True, slots=True)
class Pair:
    """A sender, a receiver, and what was received."""

    notifier: Notifier
    listener: Listener
    heard: list[str]

    def items(self) -> list[str]:
        """Every item of every notification."""
        return [item for text in self.heard for item in text.split(",")]


@pytest.fixture
async def pair(database_url: str) -> AsyncGenerator[Pair]:
    heard: list[str] = []
    pair = Pair(Notifier(database_url, name="pair"), Listener(database_url, name="pair"), heard)
    pair.listener.on(CHANNEL, heard.append)
    await pair.listener.start()
    await pair.notifier.start()
    await until(lambda: pair.listener.is_connected)
    yield pair
    await pair.listener.close()
    await pair.notifier.close()


async def cut(database_url: str, name: str) -> None:
    """Kill every connection of that name."""
    owner = await Database.connect(database_url, role="none", max_size=1)
    async with owner.open() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", name
        )
    await owner.close()


async def test_a_wakeup_is_heard(pair: Pair):
    stream = new_id()

    pair.notifier.poke(TENANT, stream, 7)

    await until(lambda: pair.heard)
    assert pair.heard == [f"{stream.hex}:7"]


async def test_a_changed_status_wakes_the_list_of_runs_too(pair: Pair):
    stream = new_id()

    pair.notifier.poke(TENANT, stream, 7, changed=True)
    pair.notifier.poke_text(stream)
    pair.notifier.touch("health")

    await until(lambda: len(pair.items()) == 4)
    assert set(pair.items()) == {f"{stream.hex}:7", f"{TENANT.hex}@runs", f"{stream.hex}~", "*@health"}


async def test_a_burst_becomes_few_notifications_with_the_newest_seq(pair: Pair):
    streams = [new_id() for _ in range(400)]

    for seq in range(1, 4):
        for stream in streams:
            pair.notifier.poke(TENANT, stream, seq)

    await until(lambda: {f"{stream.hex}:3" for stream in streams} <= set(pair.items()))
    assert pair.notifier.sent <= 5
    assert all(len(text) < 8_000 for text in pair.heard)


def test_a_batch_fits_into_one_notification():
    pending = {f"{TENANT.hex}@{'x' * 50}{n}": 0 for n in range(200)} | {new_id().hex: 10**18 for _ in range(400)}
    sizes: list[int] = []

    while pending:
        batch = take_batch(pending)
        assert len(batch) <= 150
        sizes.append(len(",".join(f"{key}:{seq}" for key, seq in batch.items())))

    assert max(sizes) <= 7_900


async def test_other_channels_share_the_connection(pair: Pair):
    stops: list[str] = []
    pair.listener.on("stop", stops.append)
    run = str(new_id())

    await until(lambda: send_until_heard(pair, run, stops))

    assert set(stops) == {run}


def send_until_heard(pair: Pair, run: str, stops: list[str]) -> bool:
    """A channel asked for later is heard as soon as the connection listens to it."""
    pair.notifier.send("stop", run)
    return bool(stops)


async def test_a_failing_callback_silences_nobody(pair: Pair):
    heard: list[str] = []

    def fail(_text: str) -> None:
        raise ValueError("deaf")

    pair.listener.on(CHANNEL, fail)
    pair.listener.on(CHANNEL, heard.append)
    pair.notifier.poke(TENANT, new_id(), 1)

    await until(lambda: heard)


@pytest.mark.parametrize("victim", ["pair notifier", "pair listener"])
async def test_a_cut_connection_comes_back(pair: Pair, database_url: str, victim: str):
    pair.notifier.poke(TENANT, new_id(), 1)
    await until(lambda: pair.heard)

    await cut(database_url, victim)

    stream = new_id()

    def is_heard() -> bool:
        pair.notifier.poke(TENANT, stream, 2)
        return f"{stream.hex}:2" in pair.items()

    await until(is_heard)


async def test_who_has_nothing_to_say_for_long_lets_go_of_the_connection_until_there_is(pair: Pair, database_url: str):
    seldom, stream = Notifier(database_url, idle_s=0.02), new_id()
    await seldom.start()
    await until(lambda: seldom.is_connected)
    await until(lambda: not seldom.is_connected)

    seldom.poke(TENANT, stream, 1)

    await until(lambda: f"{stream.hex}:1" in pair.items())
    await seldom.close()


async def test_closing_sends_what_is_left_also_after_the_connection_was_let_go(pair: Pair, database_url: str):
    seldom, stream = Notifier(database_url, idle_s=0.02), new_id()
    await seldom.start()
    await until(lambda: seldom.is_connected)
    await until(lambda: not seldom.is_connected)

    seldom.poke(TENANT, stream, 1)
    await seldom.close()

    await until(lambda: f"{stream.hex}:1" in pair.items())
    assert not seldom.is_connected


async def test_a_refused_notification_is_dropped_and_the_next_one_sent(pair: Pair):
    pair.notifier.send(CHANNEL, "x" * 9_000)
    stream = new_id()

    def is_heard() -> bool:
        pair.notifier.poke(TENANT, stream, 2)
        return f"{stream.hex}:2" in pair.items()

    await until(is_heard)


async def test_closing_sends_what_is_left(database_url: str, pair: Pair):
    other = Notifier(database_url)
    await other.start()
    await until(lambda: other.is_connected)
    streams = [new_id() for _ in range(500)]

    for stream in streams:
        other.poke(TENANT, stream, 1)
    await other.close()

    await until(lambda: {f"{stream.hex}:1" for stream in streams} <= set(pair.items()))


async def test_a_sender_without_a_database_keeps_the_newest_and_never_fails():
    notifier = Notifier("postgresql://nobody@127.0.0.1:1/none")
    await notifier.start()
    stream = new_id()

    notifier.poke(TENANT, stream, 1)
    notifier.poke(TENANT, stream, 2)
    await asyncio.sleep(0)
    await notifier.close()

    assert notifier.sent == 0
