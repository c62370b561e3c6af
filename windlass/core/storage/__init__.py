"""Bytes, addressed by the hash of their content."""

from typing import Protocol


class Objects(Protocol):
    """A store of bytes by key; the first segment of every key is the tenant."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; the second time nothing changes."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises NotFound."""
        ...
