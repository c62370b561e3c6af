"""What people attach to messages of a session: pictures, PDFs and texts, checked as they come in, kept by content."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId, new_id
from windlass.core.contents import Contents
from windlass.core.database import Connection, Database
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.media import kind_of

MOST_PER_MESSAGE, MOST_PER_SESSION = 10, 200
MOST_BYTES_PER_SESSION = 512 << 20


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a message; its bytes are the object `{tenant}/{digest}`."""

    id: UUID
    name: str
    media_type: str
    digest: str
    size_bytes: int

    def to_json(self) -> Payload:
        """The attachment as a message's event names it."""
        return {**asdict(self), "id": str(self.id)}


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """A file that somebody sends: what they call it, what they say it is, and its bytes."""

    name: str
    declared: str
    content: bytes


FULL = (
    f"A session has at most {MOST_PER_SESSION} attachments, with {MOST_BYTES_PER_SESSION >> 20} MiB altogether."
    " Nothing was kept."
)
COLUMNS = ", ".join(each.name for each in fields(Attachment))
KNOWN = "select true from session_attachment where session_id = $1 and digest = $2 and name = $3"
HAS_ROOM = """
select count(*) < $3 and coalesce(sum(size_bytes), 0) + $2 <= $4 from session_attachment where session_id = $1
"""
KEEP = f"""
insert into session_attachment as a (id, tenant_id, session_id, name, media_type, digest, size_bytes)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (session_id, digest, name) do update set at = a.at returning {COLUMNS}
"""  # noqa: S608 - column names are constants
LOCK = "select pg_advisory_xact_lock(hashtextextended('attachments:' || $1, 0))"
FIND = f"select {COLUMNS} from session_attachment where session_id = $1 and id = any ($2)"  # noqa: S608 - constants


class Attachments:
    """The files beside the messages of a tenant's sessions. Who may see a session is asked before."""

    def __init__(self, database: Database, contents: Contents) -> None:
        self._database, self._contents = database, contents

    async def keep(self, tenant_id: TenantId, session_id: UUID, wish: NewAttachment) -> Attachment:
        """Keep a file, for a message to name. The second time it is the same one. Raises Invalid, Conflict."""
        media_type, digest = await asyncio.to_thread(_examined, wish)
        async with self._database.tenant(tenant_id) as connection:
            await _check_room(connection, session_id, wish, digest)
        await self._contents.put(tenant_id, digest, wish.content)  # bytes first: a row always has its bytes
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(LOCK, str(session_id))  # one after the other, so that the limit is one
            await _check_room(connection, session_id, wish, digest)
            facts = (session_id, wish.name, media_type, digest, len(wish.content))
            row = await connection.fetchrow(KEEP, new_id(), tenant_id, *facts)
        assert row is not None  # noqa: S101 - the statement always answers one row
        return Attachment(**row)

    async def get(self, tenant_id: TenantId, session_id: UUID, attachment_id: UUID) -> Attachment:
        """One attachment. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(FIND, session_id, [attachment_id])
        if row is None:
            raise NotFound("attachment", attachment_id)
        return Attachment(**row)

    async def content(self, tenant_id: TenantId, digest: str) -> bytes:
        """The bytes of one. Raises NotFound, StoreAway."""
        return await self._contents.get(tenant_id, digest)


async def _check_room(connection: Connection, session_id: UUID, wish: NewAttachment, digest: str) -> None:
    """Raises Conflict where the session is full; what it has already may come again."""
    is_known = await connection.fetchval(KNOWN, session_id, digest, wish.name)
    limits = (MOST_PER_SESSION, MOST_BYTES_PER_SESSION)
    if not is_known and not await connection.fetchval(HAS_ROOM, session_id, len(wish.content), *limits):
        raise Conflict(FULL)


def _examined(wish: NewAttachment) -> tuple[str, str]:
    """What it is, and the name of its content. Raises Invalid."""
    return kind_of(wish.content, wish.name, wish.declared), hashlib.sha256(wish.content).hexdigest()


async def find_attachments(connection: Connection, session_id: UUID, ids: Sequence[UUID]) -> list[Attachment]:
    """The attachments that a message names, in its order. Raises Invalid: there is no such one in this session."""
    if not ids:
        return []
    rows = await connection.fetch(FIND, session_id, list(ids))
    found = {row["id"]: Attachment(**row) for row in rows}
    if missing := [str(each) for each in ids if each not in found]:
        wrong = FieldError("attachments", f"there is no attachment {', '.join(missing)} in this session")
        raise Invalid("Nothing was said.", (wrong,))
    return [found[each] for each in ids]


def attachments_of(said: Payload) -> tuple[Attachment, ...]:
    """What a message's event names."""
    named: Sequence[dict[str, Any]] = said.get("attachments") or ()
    return tuple(
        Attachment(UUID(each["id"]), each["name"], each["media_type"], each["digest"], each["size_bytes"])
        for each in named
    )
