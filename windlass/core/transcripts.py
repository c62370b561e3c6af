"""What was said and done in a session, as its log holds it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.core.allowances import Allowance
from windlass.core.artifacts import Artifacts
from windlass.core.attachments import Attachment, attachments_of
from windlass.core.database import Database, Row


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a session; `turn` is none while it waits. `allowances`: what its sender may still say then."""

    id: str
    seq: int
    role: str
    content: str
    turn: int | None
    created_at: datetime
    name: str = ""
    is_withdrawn: bool = False
    stop_reason: str | None = None
    attachments: tuple[Attachment, ...] = ()
    allowances: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One use of a tool; without an `outcome` it is under way. `files`: what it changed."""

    id: str
    seq: int
    turn: int
    name: str
    input: Payload
    outcome: str | None
    text: str
    files: tuple[str, ...]
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that was kept as a result, as it was then; `id` is its place in the log."""

    id: int
    name: str
    description: str
    path: str
    digest: str
    size_bytes: int
    turn: int
    saved_at: datetime


MESSAGES = """
select e.seq, e.at, e.payload, m.turn, m.withdrawn_at is not null as is_withdrawn
from event e left join session_message m on m.session_id = e.stream_id and m.seq = e.seq
where e.stream_id = $1 and e.seq > $2 and e.kind = 'message' order by e.seq limit $3
"""
LATEST = f"select * from ({MESSAGES.replace('order by e.seq', 'order by e.seq desc')}) m order by seq"  # noqa: S608 - constants
TOOL_CALLS = """
select c.seq, c.at, c.payload, r.at as ended_at, r.payload as result from event c
left join event r on r.stream_id = c.stream_id and r.producer = c.producer and r.pseq = c.pseq + 1
where c.stream_id = $1 and c.seq > $2 and c.kind = 'tool.call' order by c.seq limit $3
"""

SAVED = """
select seq, at, payload from event where stream_id = $1 and kind = 'artifact' and seq > $2
  and ($4::bigint is null or seq = $4) order by seq limit $3
"""


class Transcripts:
    """The logs of a tenant's sessions as conversations. Who may read one is asked before."""

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database, self._artifacts = database, artifacts

    async def messages(self, tenant_id: TenantId, session_id: UUID, after: int, limit: int) -> list[Message]:
        """What was said after a seq, by people and by the model."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(MESSAGES, session_id, after, limit)
        return [await self._message(tenant_id, row) for row in rows]

    async def latest(self, tenant_id: TenantId, session_id: UUID, limit: int) -> list[Message]:
        """What was said last, in its order."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(LATEST, session_id, 0, limit)
        return [await self._message(tenant_id, row) for row in rows]

    async def tool_calls(self, tenant_id: TenantId, session_id: UUID, after: int, limit: int) -> list[ToolCall]:
        """What was done after a seq, and what came of it."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(TOOL_CALLS, session_id, after, limit)
        return [await self._tool_call(tenant_id, row) for row in rows]

    async def saved(
        self, tenant_id: TenantId, session_id: UUID, after: int, limit: int, only: int | None = None
    ) -> list[SavedFile]:
        """The files that were kept after a seq, or the one of a seq."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(SAVED, session_id, after, limit, only)
        return [_saved(row) for row in rows]

    async def _message(self, tenant_id: TenantId, row: Row) -> Message:
        said = await self._artifacts.whole(tenant_id, row["payload"])
        return Message(
            id=str(said.get("id") or said.get("item")),
            seq=row["seq"],
            role=said["role"],
            content=str(said.get("text") or ""),
            turn=row["turn"] if said["role"] == "user" else said.get("turn"),
            created_at=row["at"],
            name=str(said.get("name") or said.get("model") or ""),
            is_withdrawn=row["is_withdrawn"],
            stop_reason=said.get("stop_reason"),
            attachments=attachments_of(said),
        )

    async def _tool_call(self, tenant_id: TenantId, row: Row) -> ToolCall:
        call = await self._artifacts.whole(tenant_id, row["payload"])
        result = await self._artifacts.whole(tenant_id, row["result"] or {})
        return ToolCall(
            id=str(call["id"]),
            seq=row["seq"],
            turn=call["turn"],
            name=str(call["name"]),
            input=call["input"],
            outcome=result.get("outcome"),
            text=str(result.get("text") or ""),
            files=tuple(result.get("files") or ()),
            created_at=row["at"],
            ended_at=row["ended_at"],
        )


def _saved(row: Row) -> SavedFile:
    said: Payload = row["payload"]
    facts = (str(said["name"]), str(said["description"]), str(said["path"]), str(said["digest"]))
    return SavedFile(row["seq"], *facts, int(said["size_bytes"]), int(said["turn"]), row["at"])
