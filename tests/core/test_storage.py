"""Bytes come back as they were kept, whole or not at all, and from nowhere else: in a folder as in a bucket."""

import asyncio
import os
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.shelves import Shelf, digest_of, stream
from tests.owner import eventually
from windlass.core.errors import Invalid, NotFound
from windlass.core.settings import Settings
from windlass.core.storage import LARGEST_BYTES, PIECE_BYTES, StoreAway, ahead, regrouped, require_small_enough
from windlass.core.storage.local import LocalObjects
from windlass.core.storage.urls import described, folder_of, open_objects

LARGE = random.Random(7).randbytes(20 * 2**20 + 17)  # noqa: S311 - three parts of a bucket, the last one odd


async def test_bytes_come_back_as_they_were_kept(shelf: Shelf):
    content = bytes(range(256)) * 1000

    await shelf.objects.put("tenant/key", content)

    assert await shelf.objects.get("tenant/key") == content
    assert await shelf.objects.size("tenant/key") == len(content)


async def test_the_second_time_nothing_changes(shelf: Shelf):
    await shelf.objects.put("tenant/key", b"first")

    await shelf.objects.put("tenant/key", b"second")

    assert await shelf.objects.get("tenant/key") == b"first"


async def test_many_writers_of_one_key_leave_one_whole_object(shelf: Shelf):
    await asyncio.gather(*(shelf.objects.put("tenant/key", b"x" * 100_000) for _ in range(20)))

    assert await shelf.objects.get("tenant/key") == b"x" * 100_000
    assert (shelf.names(), shelf.unfinished()) == (["tenant/key"], [])


async def test_what_was_never_kept_is_not_found(shelf: Shelf):
    with pytest.raises(NotFound):
        await shelf.objects.get("tenant/key")
    with pytest.raises(NotFound):
        await anext(aiter(shelf.objects.read("tenant/key")))
    assert await shelf.objects.size("tenant/key") is None


@pytest.mark.parametrize(
    "key",
    ["../outside", "tenant/../../outside", "/etc/passwd", ".incoming/x", "a//b", "a/./b", "", "a/\0", "ä", "x" * 600],
)
async def test_a_key_cannot_lead_elsewhere(shelf: Shelf, tmp_path: Path, key: str):
    (tmp_path / "outside").write_bytes(b"secret")

    with pytest.raises(NotFound):
        await shelf.objects.get(key)
    with pytest.raises(NotFound):
        await shelf.objects.put(key, b"overwritten")
    with pytest.raises(NotFound):
        await shelf.objects.keep(key, stream(LARGE))
    assert (tmp_path / "outside").read_bytes() == b"secret"
    assert (shelf.names(), shelf.unfinished()) == ([], [])


@pytest.mark.parametrize("content", [b"", b"short", LARGE], ids=["nothing", "short", "large"])
async def test_a_stream_is_kept_under_its_hash_once(shelf: Shelf, content: bytes):
    kept = [await shelf.objects.keep("tenant", stream(content)) for _ in range(2)]

    assert {(each.digest, each.size_bytes) for each in kept} == {(digest_of(content), len(content))}
    assert shelf.names() == [f"tenant/{digest_of(content)}"]
    assert shelf.unfinished() == []
    assert await shelf.objects.get(f"tenant/{digest_of(content)}") == content


async def test_of_a_stream_that_breaks_nothing_is_left(shelf: Shelf):
    async def broken() -> AsyncGenerator[bytes]:
        yield LARGE
        raise ConnectionError("the sender went away")

    with pytest.raises(ConnectionError):
        await shelf.objects.keep("tenant", broken())

    assert (shelf.names(), shelf.unfinished()) == ([], [])
    assert await shelf.objects.sweep(timedelta(0)) == 0


async def test_of_a_stream_whose_reader_is_cancelled_nothing_is_left(shelf: Shelf):
    waits = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes]:
        yield LARGE
        waits.set()
        await asyncio.Event().wait()

    keeping = asyncio.create_task(shelf.objects.keep("tenant", endless()))
    await waits.wait()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping

    assert (shelf.names(), shelf.unfinished()) == ([], [])
    assert await shelf.objects.sweep(timedelta(0)) == 0


RANGES = [
    (0, None),
    (5, 5),
    (7, 8),
    (PIECE_BYTES - 1, PIECE_BYTES + 1),
    (len(LARGE) - 3, None),
    (10, 2**40),
    (2**40, None),
]


async def test_any_part_of_an_object_can_be_read(shelf: Shelf):
    kept = await shelf.objects.keep("tenant", stream(LARGE))

    for start, stop in RANGES:
        pieces = [piece async for piece in shelf.objects.read(f"tenant/{kept.digest}", start, stop)]

        assert b"".join(pieces) == LARGE[start:stop], (start, stop)
        assert max(map(len, pieces), default=0) <= PIECE_BYTES


async def test_a_reader_may_leave_in_the_middle(shelf: Shelf):
    kept = await shelf.objects.keep("tenant", stream(LARGE))

    async with aclosing(shelf.objects.read(f"tenant/{kept.digest}")) as pieces:
        first = await anext(pieces)

    assert first == LARGE[: len(first)]
    assert await shelf.objects.get(f"tenant/{kept.digest}") == LARGE


async def test_a_store_that_takes_bytes_says_so(shelf: Shelf):
    async def takes_bytes() -> bool:
        with suppress(StoreAway):  # it has two seconds to answer, and a busy disk may take them
            await shelf.objects.room()
            return True
        return False

    await eventually(takes_bytes)
    await shelf.objects.room()

    assert shelf.names() == []


async def test_a_stream_is_asked_only_for_what_is_sent_next():
    asked = 0

    async def counted() -> AsyncGenerator[bytes]:
        nonlocal asked
        for _ in range(100):
            asked += 10
            yield b"x" * 10

    sent, early = 0, list[int]()
    async for part in regrouped(counted(), 64):
        sent += len(part)
        early.append(asked - sent)

    assert sent == 1000
    assert max(early) < 10


async def test_the_next_piece_is_fetched_while_the_last_is_used_and_the_source_is_closed():
    is_asked, is_closed = asyncio.Event(), asyncio.Event()

    async def source() -> AsyncGenerator[bytes]:
        try:
            yield b"1"
            is_asked.set()
            yield b"2"
            await asyncio.Event().wait()
        finally:
            is_closed.set()

    async with asyncio.timeout(10), aclosing(ahead(source())) as pieces:
        first = await anext(pieces)
        await is_asked.wait()
        second = await anext(pieces)

    assert (first, second, is_closed.is_set()) == (b"1", b"2", True)


def test_what_is_too_large_is_refused():
    require_small_enough(LARGEST_BYTES)

    with pytest.raises(Invalid, match="nothing of it was kept"):
        require_small_enough(LARGEST_BYTES + 1)


async def test_what_a_dead_writer_left_in_a_folder_is_swept(tmp_path: Path):
    objects = LocalObjects(tmp_path)
    for name, age_s in (("old", 90_000), ("new", 0)):
        part = tmp_path / ".incoming" / name
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(b"half")
        then = part.stat().st_mtime - age_s
        os.utime(part, (then, then))

    assert await objects.sweep(timedelta(days=1)) == 1
    assert [path.name for path in (tmp_path / ".incoming").iterdir()] == ["new"]


def settings(url: str, **more: str) -> Settings:
    return Settings.model_validate({"WINDLASS_STORAGE_URL": url, **more})


async def test_a_file_url_means_a_folder():
    known = settings("file:///var/lib/with%20space")

    assert folder_of(known) == Path("/var/lib/with space")
    assert isinstance(open_objects(known), LocalObjects)


async def test_an_s3_url_means_a_bucket():
    known = settings("s3://bucket/some/prefix", WINDLASS_S3_ENDPOINT="http://127.0.0.1:9")

    objects = open_objects(known)

    assert folder_of(known) is None
    assert described(known) == "s3://bucket/some/prefix at http://127.0.0.1:9"
    assert not isinstance(objects, LocalObjects)
    await objects.close()


async def test_what_is_deleted_is_gone_and_what_is_not_there_is_passed_over(shelf: Shelf):
    await shelf.objects.put("tenant/one", b"1")
    await shelf.objects.put("tenant/two", b"2")

    await shelf.objects.delete([])
    await shelf.objects.delete(["tenant/one", "tenant/never"])
    with pytest.raises(NotFound):
        await shelf.objects.delete(["../outside"])

    assert shelf.names() == ["tenant/two"]
