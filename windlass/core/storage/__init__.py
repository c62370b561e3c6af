"""Bytes by key, in a folder or a bucket: the port, and what its twins share."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from windlass.core.errors import Invalid, NotFound, Unavailable

# No segment begins with a dot: such names are the twins' own.
KEY = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
KEY_BYTES = 512
PIECE_BYTES = 1 << 20
INCOMING = ".incoming"  # what is not whole yet; one folder, so that it can be swept
LARGEST_BYTES = 5 << 30  # what S3 copies in one piece


class StoreAway(Unavailable):
    """The object store does not answer, or refuses. Nothing was lost; what waits is stored later."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a stream was kept as."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Room:
    """The store takes what it is given; `free_bytes` is None where nobody knows how much more."""

    free_bytes: int | None


class Objects(Protocol):
    """A store of bytes by key; the first segment of every key is the tenant. Everything may raise StoreAway."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; the second time nothing changes."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes under `key`, at once; raises NotFound."""
        ...

    async def size(self, key: str) -> int | None:
        """How many bytes are under `key`; None when there is no such object."""
        ...

    async def keep(self, folder: str, chunks: AsyncIterable[bytes]) -> Kept:
        """Keep a stream under `folder` and the SHA-256 of its content, in bounded memory. Raises Invalid over 5 GiB.

        It appears whole or not at all; the second time nothing changes.
        """
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes under `key` from `start` up to `stop`, piece by piece; raises NotFound before the first one."""
        ...

    async def link(self, key: str, lifetime: timedelta, filename: str, shown_as: str | None = None) -> str | None:
        """A signed address from which anybody may download the object for a while, as a file of this name.

        `shown_as`: the media type of one that a browser shows instead. Made when it is asked for and never stored.
        None: the gateway must hand the bytes out itself.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        ...

    async def room(self) -> Room:
        """Make sure that the store takes what it is given."""
        ...

    async def sweep(self, older_than: timedelta) -> int:
        """Remove what began to arrive that long ago and never came whole; says how many there were."""
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...


def checked(key: str) -> str:
    """The key itself. Raises NotFound for one that might lead elsewhere: the answer for what is not there."""
    if len(key) > KEY_BYTES or KEY.fullmatch(key) is None:
        raise NotFound("object", key)
    return key


def require_small_enough(size_bytes: int) -> None:
    """Raises Invalid for more than an object may hold."""
    if size_bytes > LARGEST_BYTES:
        raise Invalid(f"A file may have {LARGEST_BYTES >> 30} GiB. This one has more; nothing of it was kept.")


async def regrouped(chunks: AsyncIterable[bytes], size_bytes: int) -> AsyncGenerator[bytes]:
    """The same bytes in pieces of one size; only the last one may be smaller. Raises Invalid over 5 GiB."""
    waiting, total = bytearray(), 0
    async for chunk in chunks:
        total += len(chunk)
        require_small_enough(total)
        waiting += chunk
        while len(waiting) >= size_bytes:
            piece = bytes(memoryview(waiting)[:size_bytes])
            del waiting[:size_bytes]
            yield piece
    if waiting:
        yield bytes(waiting)


async def ahead(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same pieces, the next one being fetched while the last is used; however it ends, the source is closed."""

    async def fetch() -> bytes | None:
        return await anext(pieces, None)

    coming = asyncio.create_task(fetch())
    try:
        while (piece := await coming) is not None:
            coming = asyncio.create_task(fetch())
            yield piece
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await pieces.aclose()
