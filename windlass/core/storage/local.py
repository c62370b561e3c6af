"""Bytes in a folder of this machine."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from time import time
from typing import BinaryIO, TypeVar
from uuid import uuid4

from windlass.core.errors import NotFound
from windlass.core.storage import INCOMING, LARGEST_BYTES, PIECE_BYTES, Kept, Room, StoreAway, ahead, checked, regrouped

T = TypeVar("T")


class LocalObjects:
    """Objects as files below one folder; a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; the second time nothing changes."""
        await _aside(lambda: self._write(self._path(key), content))

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises NotFound."""
        try:
            return await _aside(self._path(key).read_bytes)
        except FileNotFoundError as error:
            raise NotFound("object", key) from error

    async def size(self, key: str) -> int | None:
        """How many bytes are under `key`; None when there is no such object."""
        try:
            return (await _aside(self._path(key).stat)).st_size
        except FileNotFoundError:
            return None

    async def keep(self, folder: str, chunks: AsyncIterable[bytes]) -> Kept:
        """Keep a stream under the hash of its content; what was half written is removed."""
        digest, size_bytes, place = hashlib.sha256(), 0, self._path(folder)
        part = await _aside(self._new_part)
        try:
            with part.open("wb") as file:
                async with aclosing(ahead(regrouped(chunks, PIECE_BYTES))) as pieces:
                    async for piece in pieces:
                        await _aside(lambda piece=piece: (digest.update(piece), file.write(piece)))
                        size_bytes += len(piece)
                await _aside(lambda: _flush(file))
            await _aside(lambda: _appear(part, place / digest.hexdigest()))
        finally:
            part.unlink(missing_ok=True)
        return Kept(digest.hexdigest(), size_bytes)

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes under `key` from `start` up to `stop`, piece by piece; raises NotFound."""
        try:
            file = await _aside(lambda: self._path(key).open("rb"))
        except FileNotFoundError as error:
            raise NotFound("object", key) from error
        left = LARGEST_BYTES if stop is None else max(stop - start, 0)
        with file:
            await _aside(lambda: file.seek(start))
            while piece := await _aside(partial(file.read, min(PIECE_BYTES, left))):
                left -= len(piece)
                yield piece

    async def link(self, key: str, lifetime: timedelta, filename: str, shown_as: str | None = None) -> str | None:
        """None: files of this machine are handed out by the gateway."""
        return None

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        paths = [self._path(key) for key in keys]
        await _aside(lambda: [path.unlink(missing_ok=True) for path in paths])

    async def room(self) -> Room:
        """Make sure that the folder is there and can be written to."""
        return Room(await _aside(self._free_bytes))

    async def sweep(self, older_than: timedelta) -> int:
        """Remove what a writer that died has left; says how many there were."""
        return await _aside(lambda: self._swept(time() - older_than.total_seconds()))

    async def close(self) -> None:
        """Nothing is held."""

    def _path(self, key: str) -> Path:
        path = (self._root / checked(key)).resolve()
        if not path.is_relative_to(self._root):  # a link inside that leads outside
            raise NotFound("object", key)
        return path

    def _new_part(self) -> Path:
        (self._root / INCOMING).mkdir(parents=True, exist_ok=True)
        return self._root / INCOMING / uuid4().hex

    def _write(self, path: Path, content: bytes) -> None:
        if path.exists():
            return
        part = self._new_part()
        try:
            with part.open("wb") as file:
                file.write(content)
                _flush(file)
            _appear(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _swept(self, before: float) -> int:
        parts = [part for part in (self._root / INCOMING).glob("*") if part.stat().st_mtime < before]
        for part in parts:
            part.unlink(missing_ok=True)
        return len(parts)

    def _free_bytes(self) -> int:
        self._root.mkdir(parents=True, exist_ok=True)
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise PermissionError(f"{self._root} cannot be written to")
        return shutil.disk_usage(self._root).free


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _appear(part: Path, path: Path) -> None:
    """Give a whole file its name, for good."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def _aside(work: Callable[[], T]) -> T:
    """Do what may block in a thread. Raises StoreAway for what goes wrong with the disk, but FileNotFoundError."""
    try:
        return await asyncio.to_thread(work)
    except FileNotFoundError:
        raise
    except OSError as error:
        is_full = error.errno in (ENOSPC, EDQUOT)
        what = "the disk is full" if is_full else f"the folder cannot be used ({error.strerror or error})"
        remedy = "Make room" if is_full else "Look at WINDLASS_STORAGE_URL"
        raise StoreAway(
            f"The object store takes nothing: {what}. Nothing was lost. {remedy}, then it goes on."
        ) from error
