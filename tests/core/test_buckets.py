"""What only a bucket has: signed links, refusals, and a server that goes away."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from tests.buckets import Store
from tests.core.shelves import Shelf, stream
from tests.core.test_storage import LARGE
from windlass.core.errors import NotFound
from windlass.core.storage import StoreAway
from windlass.core.storage.places import Place
from windlass.core.storage.s3 import S3Objects

pytestmark = pytest.mark.bucket
HOUR = timedelta(hours=1)


@asynccontextmanager
async def objects_at(place: Place) -> AsyncGenerator[S3Objects]:
    objects = S3Objects(place)
    yield objects
    await objects.close()


async def linked(store: Store, lifetime: timedelta, **other: str) -> str:
    """A link to an object whose content is `b"a file"`."""
    async with objects_at(store.bucket(**other)) as objects:
        await objects.put("linked/key", b"a file")
        url = await objects.link("linked/key", lifetime, 'ä "file".txt')
    assert url is not None
    return url


async def answer_to(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as browser:
        return await browser.get(url)


async def test_a_link_hands_the_file_to_anybody_as_a_download(store: Store):
    answer = await answer_to(await linked(store, HOUR))

    assert (answer.status_code, answer.content) == (200, b"a file")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4%20%22file%22.txt"
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(("old", "new"), [("linked/key", "linked/other"), ("3600", "9000"), (".txt", ".exe")])
async def test_a_link_that_was_changed_opens_nothing(store: Store, old: str, new: str):
    url = await linked(store, HOUR)
    assert old in url

    assert (await answer_to(url.replace(old, new))).status_code == 403


async def test_a_link_ends(store: Store):
    url = await linked(store, timedelta(seconds=1))

    async with asyncio.timeout(20):
        while (await answer_to(url)).status_code != 403:  # noqa: ASYNC110 - the server's clock decides
            await asyncio.sleep(0.1)


async def test_a_link_lasts_a_week_at_most(store: Store):
    assert "X-Amz-Expires=604800" in await linked(store, timedelta(days=365))


async def test_a_link_is_signed_for_the_name_by_which_browsers_know_the_store(store: Store):
    url = await linked(store, HOUR, public_endpoint=f"http://localhost:{store.server.port}")

    assert url.startswith(f"http://localhost:{store.server.port}/windlass/")
    assert (await answer_to(url)).content == b"a file"
    assert (await answer_to(url.replace("//localhost", "//127.0.0.1"))).status_code == 403


WITHOUT_KEYS = {"access_key": None, "secret_key": None}


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"bucket": "missing"}, "bucket of WINDLASS_STORAGE_URL does not exist"),
        ({"secret_key": "wrong"}, "does not know these keys"),
        ({"access_key": "wrong"}, "does not know these keys"),
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer"),
        (WITHOUT_KEYS, "There are no keys"),
    ],
    ids=["bucket", "secret", "key", "endpoint", "none"],
)
async def test_a_refusal_says_what_happened_what_was_kept_and_what_to_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, other: dict[str, str | None], sentence: str
):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    attempts: list[Callable[[S3Objects], Awaitable[object]]] = [
        lambda objects: objects.put("tenant/key", b"x"),
        lambda objects: objects.get("tenant/key"),
        lambda objects: objects.keep("tenant", stream(LARGE)),
        lambda objects: objects.room(),
    ]

    async with objects_at(replace(store.bucket(), **other)) as objects:
        for attempt in attempts:
            with pytest.raises(StoreAway, match=sentence) as refusal:
                await attempt(objects)

            assert "Nothing was lost" in refusal.value.detail
            assert not any(word in refusal.value.detail for word in ("127.0.0.1", "s3://", "wrong"))


async def test_a_store_that_says_nothing_holds_nobody_up(store: Store):
    turns = 0
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:  # the kernel takes connections, nobody answers
        port = silent.getsockname()[1]
        async with objects_at(store.bucket(endpoint=f"http://127.0.0.1:{port}")) as objects:
            asked = [asyncio.create_task(objects.room()) for _ in range(50)]
            while not any(task.done() for task in asked):  # who holds the loop up is done before it turns twice
                turns += 1
                await asyncio.sleep(0.001)
            answers = await asyncio.gather(*asked, return_exceptions=True)

    assert all(isinstance(answer, StoreAway) for answer in answers)
    assert turns > 1


@asynccontextmanager
async def cutting(port: int, after: int) -> AsyncGenerator[int]:
    """A way to the store on which each connection breaks after so many bytes of answer."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int) -> None:
        while left > 0 and (some := await reader.read(min(left, 65_536))):
            writer.write(some)
            await writer.drain()
            left -= len(some)
        writer.transport.abort()

    async def meet(near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(near, writer, 2**40), carry(reader, far, after), return_exceptions=True)

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_download_goes_on_where_a_connection_broke(store: Store):
    async with objects_at(store.bucket()) as objects:
        kept = await objects.keep("cut", stream(LARGE))

    async with (
        cutting(store.server.port, after=5 * 2**20) as port,
        objects_at(store.bucket(endpoint=f"http://127.0.0.1:{port}")) as objects,
        aclosing(objects.read(f"cut/{kept.digest}")) as pieces,
    ):
        assert b"".join([piece async for piece in pieces]) == LARGE


async def test_a_store_that_was_killed_gives_everything_back(store: Store):
    async with objects_at(store.bucket(prefix="killed/")) as objects:
        await objects.put("tenant/before", b"before")
        await store.kill()
        with pytest.raises(StoreAway, match="does not answer"):
            await objects.put("tenant/meanwhile", b"meanwhile")
        await store.start()
        await objects.put("tenant/meanwhile", b"meanwhile")

        assert await objects.get("tenant/before") == b"before"
        assert await objects.get("tenant/meanwhile") == b"meanwhile"


async def test_an_upload_whose_process_died_is_swept(store: Store):
    place = store.bucket(prefix="swept/")
    async with objects_at(place) as objects:
        begun = asyncio.Event()

        async def cut_off() -> AsyncGenerator[bytes]:
            yield LARGE
            await store.kill()
            begun.set()
            yield LARGE

        with pytest.raises(StoreAway):
            await objects.keep("tenant", cut_off())
        await store.start()

        assert await objects.sweep(timedelta(days=1)) == 0
        assert await objects.sweep(timedelta(0)) == 1
        assert await objects.sweep(timedelta(0)) == 0


async def test_an_object_that_is_not_there_is_not_found_and_no_outage(shelf: Shelf):
    with pytest.raises(NotFound, match="tenant/key"):
        await shelf.objects.get("tenant/key")


async def test_a_link_to_a_picture_shows_it(store: Store):
    async with objects_at(store.bucket()) as objects:
        await objects.put("linked/picture", b"RIFF")
        url = await objects.link("linked/picture", HOUR, "now.webp", shown_as="image/webp")

    assert url is not None
    answer = await answer_to(url)
    shown = (answer.headers["content-type"], answer.headers["content-disposition"])
    assert shown == ("image/webp", "inline; filename*=UTF-8''now.webp")
