"""Contents: bytes of a tenant under their hash, kept as long as something names them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import BinaryIO
from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.core.database import Database
from windlass.core.storage import PIECE_BYTES, Kept, Objects

TOUCH = "select touch_artifact($1, $2, $3, $4)"


class Contents:
    """The bytes of a tenant as the objects `{tenant}/{digest}`. What nothing names for a day is removed at night."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database, self._objects = database, objects

    async def put(self, tenant_id: TenantId, digest: str, content: bytes, stream_id: UUID | None = None) -> None:
        """Keep these bytes; the second time nothing changes. A log that is named keeps them until it is forgotten.

        Its row first: where the same bytes are just being removed this waits, and then they are stored anew.
        """
        await self.name(tenant_id, Kept(digest, len(content)), stream_id)
        await self._objects.put(key_of(tenant_id, digest), content)

    async def keep(self, tenant_id: TenantId, file: BinaryIO) -> Kept:
        """Keep a file of this machine, in bounded memory."""
        kept = await self._objects.keep(str(tenant_id), _pieces(file))
        await self.name(tenant_id, kept)
        if await self._objects.size(key_of(tenant_id, kept.digest)) is None:  # removed just before it was named
            file.seek(0)
            await self._objects.keep(str(tenant_id), _pieces(file))
        return kept

    async def name(self, tenant_id: TenantId, kept: Kept, stream_id: UUID | None = None) -> None:
        """Have what is in store, or will be in a moment, stay for a day, and as long as the log that names it."""
        async with self._database.open() as connection:
            await connection.execute(TOUCH, tenant_id, kept.digest, kept.size_bytes, stream_id)

    async def get(self, tenant_id: TenantId, digest: str) -> bytes:
        """The bytes, at once. Raises NotFound, StoreAway."""
        return await self._objects.get(key_of(tenant_id, digest))

    def pieces(self, tenant_id: TenantId, digest: str) -> AsyncGenerator[bytes]:
        """The bytes, piece by piece. Raises NotFound, StoreAway."""
        return self._objects.read(key_of(tenant_id, digest))


def key_of(tenant_id: UUID, digest: str) -> str:
    """The object that holds them."""
    return f"{tenant_id}/{digest}"


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece
