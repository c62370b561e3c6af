"""Sessions as the people of a tenant see them: open one, say something, read what was said, put it away."""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import SessionId, TenantId, new_id
from windlass.contracts.sessions import (
    CHANNEL,
    CLAUDE,
    TOPIC,
    Budget,
    Said,
    SessionSettings,
    SessionStatus,
)
from windlass.core.artifacts import Artifacts
from windlass.core.attachments import find_attachments
from windlass.core.audit import record
from windlass.core.callers import Caller, member
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.letters import Kept, Letter, Letters, NewMessage, Share
from windlass.core.permissions import Permission
from windlass.core.saved_agents import find_saved, require_budget, require_price, tool_errors
from windlass.core.server_uses import require_servers
from windlass.core.transcripts import Message, SavedFile, ToolCall, Transcripts
from windlass.core.wakeup import Wakeup

UNTITLED = "New session"
TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class NewSession:
    """The wish for a session; `id`: a wish that is repeated under it is one session.

    With the name of a saved `agent` that one's newest version says what it is opened with; a `budget` stands for its.
    `workspace`: another session, whose files it begins with as they are then.
    """

    settings: SessionSettings = field(default_factory=SessionSettings)
    title: str | None = None
    metadata: Payload = field(default_factory=dict[str, Any])
    agent: str | None = None
    id: UUID | None = None
    workspace: UUID | None = None
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One session as it stands; `error` is of its last turn, an unknown cost is none."""

    id: SessionId
    title: str
    driver: str
    agent: str | None
    agent_version: int | None
    settings: SessionSettings
    metadata: Payload
    status: SessionStatus
    turn: int
    said: int
    error: Payload | None
    standin: bool
    owner: UUID
    owner_name: str
    model_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    context_tokens: int
    cost_usd: float | None
    created_at: datetime
    active_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions a list shows; every condition is optional."""

    status: tuple[SessionStatus, ...] = ()
    text: str | None = None


class Courier(Protocol):
    """Carries messages to the session's workflow, at once where it can; the record is what counts."""

    def said(self, tenant_id: TenantId, session: Session, said: Said) -> None:
        """A message waits."""
        ...

    def changed(self, tenant_id: TenantId, session: Session) -> None:
        """There is something to look at in the record."""
        ...


COLUMNS = ", ".join(each.name for each in fields(Session))
VISIBLE = "deleted_at is null and ($1::uuid is null or owner = $1)"
LIST = f"""
select {COLUMNS} from session where {VISIBLE} and (cardinality($2::text[]) = 0 or status = any ($2))
  and ($3::text is null or strpos(lower(title), lower($3)) > 0)
  and ($4::timestamptz is null or (created_at, id) < ($4, $5)) order by created_at desc, id desc limit $6
"""  # noqa: S608 - column names are constants
CHANGE = f"""
update session set title = coalesce($3, title), metadata = coalesce($4, metadata),
  settings = settings || coalesce($5, '{{}}'::jsonb)
where {VISIBLE} and id = $2 returning {COLUMNS}
"""  # noqa: S608 - column names are constants
IS_NEW = "select xmin = pg_current_xact_id()::xid from session where id = $1"  # this transaction has made it
BEGIN_WITH = """
insert into session_file (session_id, path, tenant_id, digest, size_bytes, turn)
select $1, path, tenant_id, digest, size_bytes, 0 from session_file
where session_id = $2 and not exists (select from session_file where session_id = $1)
"""  # a wish that is repeated adds nothing to what it began with


class Conversations:
    """The sessions of a tenant; their workflows answer what is said here."""

    def __init__(
        self, database: Database, wakeup: Wakeup, artifacts: Artifacts, courier: Courier, share: Share
    ) -> None:
        self._database, self._wakeup = database, wakeup
        self._courier, self._letters, self._at_once = courier, Letters(artifacts, share), share.at_once
        self._transcripts = Transcripts(database, artifacts)

    async def open(self, caller: Caller, wish: NewSession) -> Session:
        """Record a session; nothing runs until somebody says something. Raises NotFound, Invalid, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            session = await _opened(connection, caller, wish)
        self._wakeup.touch(TOPIC, caller.tenant_id)
        return session

    async def newest(
        self, caller: Caller, wanted: SessionFilter, *, limit: int = 50, after: tuple[datetime, UUID] | None = None
    ) -> list[Session]:
        """The newest sessions first, those after the given place."""
        statuses = [str(status) for status in wanted.status]
        place = after or (None, None)
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, _owner(caller), statuses, wanted.text or None, *place, limit)
        return [_whole(row) for row in rows]

    async def get(self, caller: Caller, session_id: UUID) -> Session:
        """The session, unless it is not yours to see. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _get(connection, caller, session_id)

    async def change(
        self, caller: Caller, session_id: UUID, *, title: str | None, metadata: Payload | None, budget: Budget | None
    ) -> Session:
        """Give it another title, metadata or budget; what is none stays. Raises NotFound, Conflict, Invalid."""
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await _get(connection, caller, session_id)
            require_budget(budget, before.settings.model, before.cost_usd or 0)
            limited = None if budget is None else {"budget_usd": budget.usd}
            row = await connection.fetchrow(CHANGE, _owner(caller), session_id, title, metadata, limited)
            if row is None:
                raise NotFound("session", session_id)
            after = _whole(row)
            was, now = ({"title": it.title, "budget_usd": it.settings.budget_usd} for it in (before, after))
            await record(connection, caller, "session.change", f"session:{session_id}", before=was, after=now)
        if budget is not None:
            self._courier.changed(caller.tenant_id, after)  # a turn may wait for it
        self._wakeup.touch(TOPIC, caller.tenant_id)
        return after

    async def begin(self, caller: Caller, wish: NewSession, content: str) -> tuple[Session, Message]:
        """Open a session with its first message, which has its id; without the one there is not the other.

        Raises NotFound (agent), Invalid, MessageRefused, TooManyMessages.
        """
        wish = replace(wish, id=wish.id or new_id())
        letter = await self._letters.write(caller, NewMessage(content, id=wish.id))
        async with self._database.tenant(caller.tenant_id) as connection:
            session = await _opened(connection, caller, wish)
            kept = await self._keep(connection, caller, session, letter)
        return session, self._sent(caller, session, letter, kept)

    async def say(self, caller: Caller, session_id: UUID, message: NewMessage) -> Message:
        """Keep a message for the next turn. Under one id it is kept once, and counted once.

        Raises NotFound, Invalid, MessageRefused, TooManyMessages.
        """
        session = await self.get(caller, session_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            attached = await find_attachments(connection, session_id, message.attachments)
        letter = await self._letters.write(caller, message, tuple(attached))
        async with self._database.tenant(caller.tenant_id) as connection:
            kept = await self._keep(connection, caller, session, letter)
        return self._sent(caller, session, letter, kept)

    async def withdraw(self, caller: Caller, session_id: UUID, message_id: UUID) -> None:
        """Take back a message that still waits. Raises NotFound, Conflict."""
        await self.get(caller, session_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            query = "select withdraw_message($1, $2, $3, $4)"
            if not await connection.fetchval(query, caller.tenant_id, session_id, message_id, caller.name):
                raise Conflict("No such message waits: a turn has taken it up, or it was taken back before.")
        await self._touched(caller, session_id)

    async def messages(self, caller: Caller, session_id: UUID, after: int, limit: int) -> list[Message]:
        """What was said after a seq, by people and by the model. Raises NotFound."""
        await self.get(caller, session_id)
        return await self._transcripts.messages(caller.tenant_id, session_id, after, limit)

    async def latest(self, caller: Caller, session_id: UUID, limit: int) -> list[Message]:
        """What was said last, in its order. Raises NotFound."""
        await self.get(caller, session_id)
        return await self._transcripts.latest(caller.tenant_id, session_id, limit)

    async def tool_calls(self, caller: Caller, session_id: UUID, after: int, limit: int) -> list[ToolCall]:
        """What was done after a seq, and what came of it. Raises NotFound."""
        await self.get(caller, session_id)
        return await self._transcripts.tool_calls(caller.tenant_id, session_id, after, limit)

    async def saved(self, caller: Caller, session_id: UUID, after: int, limit: int) -> list[SavedFile]:
        """The files that were kept as results after a seq. Raises NotFound."""
        await self.get(caller, session_id)
        return await self._transcripts.saved(caller.tenant_id, session_id, after, limit)

    async def saved_file(self, caller: Caller, session_id: UUID, saved_id: int) -> SavedFile:
        """One of them. Raises NotFound."""
        await self.get(caller, session_id)
        found = await self._transcripts.saved(caller.tenant_id, session_id, 0, 1, saved_id)
        if not found:
            raise NotFound("artifact", saved_id)
        return found[0]

    async def interrupt(self, caller: Caller, session_id: UUID) -> Session:
        """End the turn under way; what was said stays. Without one nothing changes. Raises NotFound."""
        session = await self.get(caller, session_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            query = "select interrupt_session($1, $2, $3)"
            if await connection.fetchval(query, caller.tenant_id, session_id, caller.name):
                await record(connection, caller, "session.interrupt", f"session:{session_id}")
        return await self._told(caller, session)

    async def archive(self, caller: Caller, session_id: UUID) -> Session:
        """Put it away; a turn under way is interrupted. The second time nothing changes. Raises NotFound."""
        return await self._set_archived(caller, session_id, archived=True)

    async def resume(self, caller: Caller, session_id: UUID) -> Session:
        """Take it up again, with all that was said. The second time nothing changes. Raises NotFound."""
        return await self._set_archived(caller, session_id, archived=False)

    async def hand_over(self, caller: Caller, session_id: UUID, person_id: UUID) -> Session:
        """Make it another member's, turn under way and all. The second time nothing changes.

        What it is then is the answer, also where the caller may not see it any more. Raises NotFound, Conflict.
        """
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("select from stream where id = $1 for no key update", session_id)
            before = await _get(connection, caller, session_id)  # only now: of two at once the later sees what came
            heir = await member(connection, caller.tenant_id, person_id)
            if heir is None:
                raise NotFound("person", person_id)
            if not heir.may(Permission.SESSIONS_WRITE):
                raise Conflict(f"{heir.name} may only look at sessions. Nothing was changed.")
            query, told = "select hand_session_over($1, $2, $3, $4, $5, $6)", (heir.name, caller.name, self._at_once)
            came = await connection.fetchval(query, caller.tenant_id, session_id, person_id, *told)
            if came == "many":
                most = f"{self._at_once} sessions of {heir.name} are at work already, and more may not be at once"
                raise Conflict(f"{most}. It can be handed over when one of them has come to rest; nothing was changed.")
            if came == "done":
                was, now = ({"owner": str(each)} for each in (before.owner, person_id))
                await record(connection, caller, "session.hand-over", f"session:{session_id}", before=was, after=now)
            session = await _get(connection, heir, session_id)
        await self._touched(caller, session_id)
        return session

    async def remove(self, caller: Caller, session_id: UUID) -> None:
        """Delete it; a turn under way ends. Raises NotFound."""
        session = await self.get(caller, session_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            if not await connection.fetchval("select delete_session($1, $2)", caller.tenant_id, session_id):
                raise NotFound("session", session_id)
            before = {"title": session.title}
            await record(connection, caller, "session.delete", f"session:{session_id}", before=before)
        self._courier.changed(caller.tenant_id, session)
        await self._touched(caller, session_id)

    async def _keep(self, connection: Connection, caller: Caller, session: Session, letter: Letter) -> Kept:
        """Keep what is said; the first words of a session that has no title are its title."""
        kept = await self._letters.keep(connection, caller, session.id, letter)
        if kept.is_new and session.said == 0 and session.title == UNTITLED:
            title = " ".join(letter.message.content.split())[:TITLE_CHARACTERS] or UNTITLED
            await connection.execute("update session set title = $2 where id = $1", session.id, title)
        return kept

    def _sent(self, caller: Caller, session: Session, letter: Letter, kept: Kept) -> Message:
        """Tell whoever watches, and whoever should answer."""
        row = kept.row
        self._wakeup.poke(caller.tenant_id, session.id, row["seq"])
        self._wakeup.touch(TOPIC, caller.tenant_id)
        if row["turn"] is None and row["withdrawn_at"] is None:
            self._courier.said(caller.tenant_id, session, Said(letter.id, row["place"]))
        at = datetime.fromisoformat(row["at"])
        facts = (letter.id, row["seq"], "user", letter.message.content, row["turn"], at, caller.name)
        return Message(*facts, attachments=letter.attached, allowances=kept.left)

    async def _set_archived(self, caller: Caller, session_id: UUID, *, archived: bool) -> Session:
        await self.get(caller, session_id)
        action = "session.archive" if archived else "session.resume"
        async with self._database.tenant(caller.tenant_id) as connection:
            query = f"select {COLUMNS} from archive_session($1, $2, $3, $4)"  # noqa: S608 - constants
            row = await connection.fetchrow(query, caller.tenant_id, session_id, archived, caller.name)
            if row is None:
                raise NotFound("session", session_id)
            await record(connection, caller, action, f"session:{session_id}")
        return await self._told(caller, _whole(row))

    async def _told(self, caller: Caller, session: Session) -> Session:
        """Have whoever works on it look."""
        self._courier.changed(caller.tenant_id, session)
        await self._touched(caller, session.id)
        return await self.get(caller, session.id)

    async def _touched(self, caller: Caller, session_id: UUID) -> None:
        self._wakeup.send(CHANNEL, str(session_id))
        async with self._database.tenant(caller.tenant_id) as connection:
            seq = await connection.fetchval("select last_seq from stream where id = $1", session_id)
        self._wakeup.poke(caller.tenant_id, session_id, seq or 0)
        self._wakeup.touch(TOPIC, caller.tenant_id)


async def _opened(connection: Connection, caller: Caller, wish: NewSession) -> Session:
    """The session, recorded. The second time it is the same one.

    Raises NotFound (agent, workspace), Invalid, Conflict.
    """
    if wish.workspace is not None:
        await _get(connection, caller, wish.workspace)
    row: Payload = {
        "id": str(wish.id or new_id()),
        "owner": str(caller.person_id),
        "owner_name": caller.name,
        "driver": CLAUDE,
        "title": wish.title or UNTITLED,
        "metadata": wish.metadata,
    }
    row |= await _opened_with(connection, wish)
    query = f"select {COLUMNS}, deleted_at from open_session($1, $2)"  # noqa: S608 - constants
    created = await connection.fetchrow(query, caller.tenant_id, row)
    if created is None:
        raise Conflict("That id is taken. Nothing was made.")
    if created["deleted_at"] is not None:
        raise Conflict("The session that this request opened was deleted. Nothing was made: send it as a new one.")
    if wish.workspace is not None and created["said"] == 0:
        await connection.execute(BEGIN_WITH, created["id"], wish.workspace)
    if await connection.fetchval(IS_NEW, created["id"]):
        after = {name: created[name] for name in ("title", "agent", "agent_version")}
        await record(connection, caller, "session.create", f"session:{created['id']}", after=after)
    return _whole(created)


async def _opened_with(connection: Connection, wish: NewSession) -> Payload:
    """What the session is opened with: the newest version of an agent, pinned by being copied, or the wish itself."""
    if wish.agent is None:
        if wrong := tool_errors(wish.settings.tools or ()):
            raise Invalid("The session cannot be used like this; nothing was saved.", tuple(wrong))
        require_price(wish.settings.model, wish.settings.budget_usd)
        await require_servers(connection, wish.settings.mcp_servers, "session")
        return {"settings": wish.settings.to_json()}
    agent = await find_saved(connection, wish.agent)
    settings = SessionSettings.of(agent.profile)
    if wish.budget is not None:
        require_price(settings.model, wish.budget.usd)
        settings = replace(settings, budget_usd=wish.budget.usd)
    settings = replace(settings, limits=wish.settings.limits)
    return {"settings": settings.to_json(), "agent": agent.name, "agent_version": agent.version}


def _owner(caller: Caller) -> UUID | None:
    """Whose sessions the caller may see: None means everybody's."""
    return None if Permission.SESSIONS_READ_ALL in caller.permissions else caller.person_id


async def _get(connection: Connection, caller: Caller, session_id: UUID) -> Session:
    query = f"select {COLUMNS} from session where {VISIBLE} and id = $2"  # noqa: S608 - constants
    row = await connection.fetchrow(query, _owner(caller), session_id)
    if row is None:
        raise NotFound("session", session_id)
    return _whole(row)


def _whole(row: Row) -> Session:
    """The session of a row with all its columns."""
    values: dict[str, Any] = {each.name: row[each.name] for each in fields(Session)}
    values["settings"] = SessionSettings.from_json(values["settings"])
    values["status"] = SessionStatus(values["status"])
    values["cost_usd"] = None if values["cost_usd"] is None else float(values["cost_usd"])
    return Session(**values)
