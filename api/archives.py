"""Many files as one zip, made while it is sent: a piece of one file in memory, never more."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from io import RawIOBase
from typing import Protocol
from zipfile import ZIP_STORED, ZipFile, ZipInfo

EARLIEST = (1980, 1, 1, 0, 0, 0)  # a zip knows no time before


class Entry(Protocol):
    """A file that goes into it."""

    @property
    def path(self) -> str:
        """Its name there."""
        ...

    @property
    def digest(self) -> str:
        """Where its bytes are."""
        ...

    @property
    def changed_at(self) -> datetime:
        """The time it says."""
        ...


class _Sink(RawIOBase):
    """What was written and is not sent yet. Nobody can seek in it, so sizes come behind the bytes."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        before = len(self._waiting)
        self._waiting += memoryview(data)  # type: ignore[arg-type] # what a zip writes are bytes
        return len(self._waiting) - before

    def taken(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


async def zipped(files: Sequence[Entry], pieces: Callable[[str], AsyncGenerator[bytes]]) -> AsyncGenerator[bytes]:
    """The files as they are, without compression: most are compressed already."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for file in files:
            info = ZipInfo(file.path, max(EARLIEST, file.changed_at.timetuple()[:6]))
            with archive.open(info, "w", force_zip64=True) as entry:
                async with aclosing(pieces(file.digest)) as content:
                    async for piece in content:
                        await asyncio.to_thread(entry.write, piece)
                        yield sink.taken()
    yield sink.taken()
