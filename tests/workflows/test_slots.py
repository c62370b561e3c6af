"""The slot of a worker process: kept through a slow database, given up to a twin."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.owner import as_owner, eventually
from workers import slots
from workers.slots import Slot


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything happens sooner."""
    monkeypatch.setattr(slots, "BEAT_S", 0.05)
    monkeypatch.setattr(slots, "RETAKE_S", 0.3)


@asynccontextmanager
async def kept(slot: Slot, lost: asyncio.Event) -> AsyncGenerator[None]:
    task = asyncio.create_task(slot.keep(lost.set))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await slot.release()


async def test_two_processes_never_hold_one_slot(database_url: str):
    node = secrets.token_hex(4)
    one, other = Slot(database_url, node, "runs"), Slot(database_url, node, "runs")

    names = [await one.take(), await other.take()]
    await one.release()
    third = Slot(database_url, node, "runs")
    names.append(await third.take())

    assert names == [f"{node}/runs-0", f"{node}/runs-1", f"{node}/runs-0"]
    await other.release()
    await third.release()


async def test_a_database_that_is_only_slow_takes_no_slot_away(database_url: str):
    """The lock is still held by the connection that timed out."""
    slot, lost = Slot(database_url, secrets.token_hex(4), "runs"), asyncio.Event()
    name = await slot.take()
    async with kept(slot, lost), as_owner(database_url) as owner:
        async with owner.transaction():
            await owner.execute("lock table worker in access exclusive mode")
            await asyncio.sleep(1)  # longer than a renewal may take, and the next one too
        before = await owner.fetchval("select clock_timestamp()")

        async def is_renewed() -> bool:
            seen_at = await owner.fetchval("select seen_at from worker where slot = $1", name)
            return seen_at is not None and seen_at > before

        await eventually(is_renewed)

    assert not lost.is_set()


async def test_a_slot_that_another_process_has_is_given_up(database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slots, "BEAT_S", 1)
    monkeypatch.setattr(slots, "HELD_TRIES", 5)
    node = secrets.token_hex(4)
    slot, twin, lost = Slot(database_url, node, "runs"), Slot(database_url, node, "runs"), asyncio.Event()
    name = await slot.take()
    backend = slot._connection.get_server_pid()  # pyright: ignore[reportPrivateUsage]
    async with as_owner(database_url) as owner, kept(slot, lost):
        await owner.execute("select pg_terminate_backend($1, 1000)", backend)
        assert await twin.take() == name
        async with asyncio.timeout(30):
            await lost.wait()

    await twin.release()
