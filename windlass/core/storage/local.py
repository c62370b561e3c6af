"""Bytes in a folder of this machine."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

from windlass.core.errors import NotFound


class LocalObjects:
    """Objects as files below one folder; a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; the second time nothing changes."""
        await asyncio.to_thread(self._write, self._path(key), content)

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises NotFound."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError as error:
            raise NotFound("object", key) from error

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root):
            raise NotFound("object", key)
        return path

    def _write(self, path: Path, content: bytes) -> None:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid4().hex}")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
