"""Workspaces: the files of a session, as rows that name objects. They are on no machine; every worker sees them."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.errors import Conflict, NotFound
from windlass.core.storage import Kept

FILES = "select path, digest, size_bytes, turn, changed_at from session_file where session_id = $1 order by path"


@dataclass(frozen=True, slots=True)
class WorkspaceFile:
    """One file; its bytes are the object `{tenant}/{digest}`."""

    path: str
    digest: str
    size_bytes: int
    turn: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What a file is to be: these bytes, in store already. `digest` none: it is to be gone."""

    path: str
    digest: str | None
    size_bytes: int = 0


class WorkspaceTooLarge(Conflict):
    """The files of the session would be more than its quota. Nothing was changed."""


class Workspaces:
    """The files of a tenant's sessions. They change together with the record of the tool that changed them."""

    def __init__(self, database: Database, contents: Contents) -> None:
        self._database, self._contents = database, contents

    async def files(self, tenant_id: TenantId, session_id: UUID) -> Mapping[str, WorkspaceFile]:
        """Every file of a session by its path."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(FILES, session_id)
        return {row["path"]: WorkspaceFile(**row) for row in rows}

    async def read(self, tenant_id: TenantId, digest: str) -> bytes:
        """The bytes of a file. Raises NotFound."""
        return await self._contents.get(tenant_id, digest)

    async def content(self, tenant_id: TenantId, session_id: UUID, path: str) -> bytes:
        """What a file of a session holds. Raises NotFound."""
        query = "select digest from session_file where session_id = $1 and path = $2"
        async with self._database.tenant(tenant_id) as connection:
            digest = await connection.fetchval(query, session_id, path)
        if digest is None:
            raise NotFound("file", path)
        return await self.read(tenant_id, digest)

    def pieces(self, tenant_id: TenantId, digest: str) -> AsyncGenerator[bytes]:
        """The bytes of a file, piece by piece. Raises NotFound."""
        return self._contents.pieces(tenant_id, digest)

    async def keep_file(self, tenant_id: TenantId, path: str, file: BinaryIO) -> Change:
        """As `keep`, from a file of this machine, in bounded memory."""
        kept = await self._contents.keep(tenant_id, file)
        return Change(path, kept.digest, kept.size_bytes)

    async def keep(self, tenant_id: TenantId, path: str, content: bytes) -> Change:
        """Put the bytes in store; they are a file once the change is recorded. The second time nothing changes."""
        digest = hashlib.sha256(content).hexdigest()
        await self._contents.put(tenant_id, digest, content)
        return Change(path, digest, len(content))

    async def save(self, tenant_id: TenantId, session_id: UUID, file: WorkspaceFile) -> None:
        """Have what is in a file now stay as long as the log of the session, whatever becomes of the file."""
        await self._contents.name(tenant_id, Kept(file.digest, file.size_bytes), session_id)
