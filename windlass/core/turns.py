"""Turns of sessions, as those who work on them see them: begin one, add what it brings, end it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from windlass.contracts.events import NewEvent, Payload
from windlass.contracts.ids import SessionId, TenantId
from windlass.contracts.questions import TOPIC as NEEDS
from windlass.contracts.sessions import TOPIC, SealInput, SessionSettings, Turn
from windlass.core.database import Database
from windlass.core.events import storable
from windlass.core.executions import Stored
from windlass.core.wakeup import Wakeup
from windlass.core.workspaces import WorkspaceTooLarge

UNHEARD = """
select distinct on (s.id) s.id, s.tenant_id, s.title, m.id as message_id, m.place
from session s join session_message m on m.session_id = s.id
where m.turn is null and m.withdrawn_at is null and m.at < clock_timestamp() - make_interval(secs => $1)
  and s.status = 'idle' and s.archived_at is null and s.deleted_at is null
order by s.id, m.place limit 200
"""
UNDECIDED = """
select s.id, s.tenant_id, s.title, q.id as message_id, 0 as place from question q join session s on s.id = q.session_id
where q.unsettled and q.state = 'answered' and q.answered_at < clock_timestamp() - make_interval(secs => $1)
  and s.status in ('running', 'awaiting') and s.deleted_at is null limit 200
"""
UNTOLD = """
select s.id, s.tenant_id, s.title, s.id as message_id, 0 as place from session s
where s.status = 'awaiting' and s.deleted_at is null and (s.interrupted >= s.turn
  or coalesce((s.settings->>'budget_usd')::float, 'infinity') > coalesce(s.cost_usd, 0) and exists (
    select from question q where q.session_id = s.id and q.state = 'open' and q.key like s.turn || '-budget-%'))
union select s.id, s.tenant_id, s.title, s.id, 0 from session_execution x join session s on s.id = x.session_id
where s.deleted_at is not null and exists (select from question q where q.session_id = s.id and q.state = 'open')
limit 200
"""  # whoever changed it died before saying so, or Temporal was away: nothing else wakes a turn that waits
AT_WORK = """
select id, tenant_id, title, id as message_id, 0 as place from session
where status in ('running', 'awaiting') and deleted_at is null and began_at < clock_timestamp() - interval '10 seconds'
order by random() limit $1
"""
LEFT = """
update session_execution e set looked_at = clock_timestamp() from (
  select x.id from session_execution x join session s on s.id = x.session_id
  where s.status in ('idle', 'archived') and s.active_at < clock_timestamp() - make_interval(secs => $1)
    and x.looked_at < clock_timestamp() - make_interval(secs => $1) order by x.looked_at limit $2
  for update of x skip locked
) due where e.id = due.id returning e.id, e.session_id, e.tenant_id
"""  # whoever is killed with some in hand leaves them to the next who looks, as long after


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a session stands in the middle of a turn; an unknown cost is none."""

    settings: SessionSettings
    is_interrupted: bool
    cost_usd: float | None
    age_s: float
    owner: UUID
    owner_name: str
    is_awaiting: bool = False
    is_steered: bool = False
    """Something was said to the turn that it has not taken up."""


@dataclass(frozen=True, slots=True)
class Calling:
    """A session whose workflow must hear of a message."""

    id: SessionId
    tenant_id: TenantId
    title: str
    message_id: UUID
    place: int


@dataclass(frozen=True, slots=True)
class Execution:
    """What a workflow of a session has left in Temporal, under an id of Temporal's."""

    id: UUID
    session_id: SessionId
    tenant_id: TenantId


class Turns:
    """The record of turns; every call is one round trip and repeatable."""

    def __init__(self, database: Database, wakeup: Wakeup) -> None:
        self._database, self._wakeup = database, wakeup

    async def begin(self, tenant_id: TenantId, session_id: UUID, execution: str | None = None) -> Turn:
        """The turn to work on, with every message that waits. The second time it is the same one.

        The execution of a workflow that works on it is noted, so that Temporal lets go of it later.
        """
        async with self._database.open() as connection:
            found = await connection.fetchval("select begin_turn($1, $2, $3)", tenant_id, session_id, execution)
        self._wakeup.poke(tenant_id, session_id, found["seq"] or 0)
        self._wakeup.touch(TOPIC, tenant_id)
        return Turn(found["number"], found["taken"])

    async def look(self, tenant_id: TenantId, session_id: UUID, turn: int) -> Standing | None:
        """What a turn needs to know. None: its session was deleted or has moved on."""
        async with self._database.open() as connection:
            found: Payload | None = await connection.fetchval(
                "select look_at_turn($1, $2, $3)", tenant_id, session_id, turn
            )
        if found is None:
            return None
        owner = UUID(found["owner"])
        return Standing(
            settings=SessionSettings.from_json(found["settings"]),
            is_interrupted=found["is_interrupted"],
            cost_usd=found["cost_usd"],
            age_s=found["age_s"],
            owner=owner,
            owner_name=found["owner_name"],
            is_awaiting=found["is_awaiting"],
            is_steered=found["is_steered"],
        )

    async def take_steering(self, tenant_id: TenantId, session_id: UUID, turn: int) -> bool:
        """Take up what was said to the turn; whether there was something. The second time there is nothing."""
        return await self._tell("select take_steering($1, $2, $3)", tenant_id, session_id, turn) > 0

    async def ask_no_more(self, tenant_id: TenantId, session_id: UUID, turn: int) -> None:
        """Take back what the turn asks people. The second time nothing changes."""
        await self._tell("select withdraw_session_questions($1, $2, $3)", tenant_id, session_id, turn)
        self._wakeup.touch(NEEDS, tenant_id)

    async def raise_budget(self, tenant_id: TenantId, session_id: UUID, budget_usd: float) -> None:
        """Let the session cost so much. The second time, or if it may already, nothing changes."""
        await self._tell("select raise_session_budget($1, $2, $3)", tenant_id, session_id, budget_usd)

    async def _tell(self, query: str, tenant_id: TenantId, session_id: UUID, fact: float) -> Any:
        async with self._database.open() as connection:
            answer = await connection.fetchval(query, tenant_id, session_id, fact)
            head = await connection.fetchrow("select last_seq from stream_head($1, $2)", tenant_id, session_id)
        self._wakeup.poke(tenant_id, session_id, head["last_seq"] if head else 0)
        self._wakeup.touch(TOPIC, tenant_id)
        return answer

    async def append(self, tenant_id: TenantId, session_id: UUID, events: Sequence[NewEvent]) -> dict[int, Stored]:
        """Append; answers by place in `events`. A missing place was refused: the session was deleted."""
        async with self._database.open() as connection:
            rows = await connection.fetch(
                "select * from session_append($1, $2, $3, $4, $5, $6)",
                tenant_id,
                session_id,
                [event.producer for event in events],
                [event.pseq for event in events],
                [str(event.kind) for event in events],
                [storable(event.payload) for event in events],
            )
        stored = {row["n"] - 1: Stored(row["seq"], row["same"], row["fresh"]) for row in rows}
        if stored:
            self._wakeup.poke(tenant_id, session_id, max(place.seq for place in stored.values()))
        return stored

    async def record(
        self, tenant_id: TenantId, session_id: UUID, event: NewEvent, files: Sequence[Payload], quota_bytes: int
    ) -> bool:
        """Append the result of a tool with the files it changed; answers whether this result is the one that stands.

        Raises WorkspaceTooLarge. The second time nothing changes, nor once the session was deleted.
        """
        facts = (event.payload["turn"], event.pseq, storable(event.payload), list(files), quota_bytes)
        query = "select seq, fresh from record_tool($1, $2, $3, $4, $5, $6, $7)"
        try:
            async with self._database.open() as connection:
                stored = await connection.fetchrow(query, tenant_id, session_id, *facts)
        except asyncpg.ProgramLimitExceededError as error:
            raise WorkspaceTooLarge(f"{str(error).capitalize()}.") from error
        if stored is None:
            return False
        self._wakeup.poke(tenant_id, session_id, stored["seq"])
        return stored["fresh"]

    async def seal(self, request: SealInput) -> None:
        """Write down how a turn ended. The second time nothing changes."""
        tenant_id, session_id = TenantId(UUID(request.tenant_id)), UUID(request.session_id)
        error: dict[str, Any] | None = None
        if request.error_type:
            error = {"type": request.error_type, "message": request.error_message}
        query = "select seal_turn($1, $2, $3, $4, $5)"
        async with self._database.open() as connection:
            seq = await connection.fetchval(query, tenant_id, session_id, request.turn, str(request.end), error)
        if seq is not None:
            self._wakeup.poke(tenant_id, session_id, seq)
            self._wakeup.touch(TOPIC, tenant_id)


class SessionWorkflows:
    """Which sessions of any tenant need their workflow, as the gateways' sweeps see them."""

    def __init__(self, jobs: Database) -> None:
        self._jobs = jobs

    async def unheard(self, older_than_s: float) -> Sequence[Calling]:
        """Idle sessions in which a message has waited for so long."""
        return await self._calling(UNHEARD, older_than_s)

    async def decided(self, older_than_s: float) -> Sequence[Calling]:
        """Sessions whose turn has not heard for so long that somebody decided."""
        return await self._calling(UNDECIDED, older_than_s)

    async def untold(self) -> Sequence[Calling]:
        """Sessions whose turn waits for people and need not any more: interrupted, deleted, or allowed more."""
        async with self._jobs.open() as connection:
            return [Calling(**row) for row in await connection.fetch(UNTOLD)]

    async def at_work(self, limit: int) -> Sequence[Calling]:
        """Some sessions with a turn under way."""
        return await self._calling(AT_WORK, limit)

    async def left(self, quiet_s: float, limit: int) -> Sequence[Execution]:
        """What sessions have left in Temporal that are at rest for so long; the same is not told again for as long."""
        async with self._jobs.open() as connection:
            return [Execution(**row) for row in await connection.fetch(LEFT, quiet_s, limit)]

    async def let_go(self, execution: Execution) -> None:
        """Temporal holds it no more. The second time nothing changes."""
        async with self._jobs.open() as connection:
            await connection.execute("delete from session_execution where id = $1", execution.id)

    async def _calling(self, query: str, argument: float) -> Sequence[Calling]:
        async with self._jobs.open() as connection:
            return [Calling(**row) for row in await connection.fetch(query, argument)]
