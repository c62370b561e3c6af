"""Boots: all services of a tenant brought up together, or taken down, as one thing that can be followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from windlass.contracts.boot import BootService, line
from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.ids import ServiceId, TenantId
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, NotFound
from windlass.core.events import Events
from windlass.core.services import CHANGED_CHANNEL
from windlass.core.wakeup import Wakeup

GATEWAY, WORKFLOW = "gateway", "boot"  # who says something in the stream of a boot
BEGUN, ENDED = 1, 9_000_000  # places of what is said once
MOST_MESSAGES = 500
MOST_SERVICES = 500
IN_PROGRESS = "Boot already in progress. Use force=true to override."


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot, or one shutdown, and how it stands."""

    id: UUID
    number: int
    kind: str
    status: str
    up: int
    failed: int
    asked_by_name: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_running(self) -> bool:
        """Whether it still goes on."""
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Ailing:
    """How a replica is that did not come up: `running`, where its host from before goes on."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the keeper of a service has come with what a boot asks of it."""

    state: str
    reason: str
    generation: int
    wanted: int
    progress: Payload
    began_at: datetime
    flows: tuple[str, ...]
    before: tuple[str, ...]
    replicas: int = 1
    serving: frozenset[int] = frozenset()  # replicas with a host of this generation
    ailing: Mapping[int, Ailing] = field(default_factory=dict[int, "Ailing"])

    @property
    def late(self) -> tuple[int, ...]:
        """Replicas beside the first of which nothing has shown yet."""
        return tuple(n for n in range(2, self.replicas + 1) if n not in {*self.serving, *self.ailing})

    @property
    def is_due(self) -> bool:
        """Whether the progress is about this boot's generation, or a later one."""
        return int(self.progress.get("generation", 0)) >= self.wanted

    @property
    def is_up(self) -> bool:
        """Whether a host of this generation serves."""
        return self.is_due and self.progress.get("end") == "up"

    @property
    def has_failed(self) -> bool:
        """Whether it was tried and did not come up."""
        return self.is_due and self.progress.get("end") == "failed"

    @property
    def failure(self) -> dict[str, str]:
        """In which phase it failed, and why."""
        return self.progress.get("failure") or {}


class Carrier(Protocol):
    """Has a boot's workflow started, at once where it can; the row is what counts."""

    def booted(self, tenant_id: TenantId, boot_id: UUID) -> None:
        """A boot was asked for."""
        ...


COLUMNS = ", ".join(column.name for column in fields(Boot))
TURN = "select pg_advisory_xact_lock(hashtextextended('boots:' || $1::uuid, 0))"  # who asks at once comes after
LATEST = f"select {COLUMNS} from boot where ($1::uuid is null or id = $1) order by number desc limit $2"  # noqa: S608 - constants
NEW = f"""
insert into boot (id, tenant_id, number, kind, asked_by, asked_by_name)
values ($1, $2, coalesce((select max(number) from boot), 0) + 1, $3, $4, $5) returning {COLUMNS}
"""  # noqa: S608 - constants
END = f"""
update boot set ended_at = clock_timestamp(), status = $2, up = $3, failed = $4 where id = $1 and ended_at is null
returning {COLUMNS}
"""  # noqa: S608 - constants
RAISE = """
with raised as (
  update service set generation = generation + 1, stopped = false, updated_at = now(),
    state = case when state = 'running' then state else 'deploying' end, reason = null
  where id = $2 and enabled and state <> 'draft' and url = ''
    and not exists (select from boot_service where boot_id = $1 and service_id = $2)
  returning id, tenant_id, name, generation)
insert into boot_service (boot_id, tenant_id, service_id, name, generation, flows)
select $1, tenant_id, id, name, generation, array(select f.name from flow f where f.service_id = id order by f.position)
from raised on conflict do nothing
"""
STANDING = """
select s.state, coalesce(s.reason, '') as reason, s.generation, b.generation as wanted, s.progress, b.began_at,
  array(select f.name from flow f where f.service_id = s.id order by f.position) as flows, b.flows as before,
  s.replicas, array(select h.replica from host h where h.service_id = s.id and h.generation >= b.generation
    and h.up_at is not null and h.ended_at is null) as serving,
  (select jsonb_object_agg(r.n, jsonb_build_object('state', r.state, 'reason', r.reason)) from replica r
    where r.service_id = s.id and r.failed >= b.generation) as ailing
from boot_service b join service s on s.id = b.service_id
where b.boot_id = $1 and b.service_id = $2 and s.enabled and not s.stopped
"""
STOP = """
update service set stopped = true, state = 'dead', reason = null, updated_at = now()
where enabled and not stopped and state <> 'draft' and url = '' returning name
"""


class Boots:
    """The boots of a tenant; their workflows do what is asked for here."""

    def __init__(self, database: Database, wakeup: Wakeup, carrier: Carrier) -> None:
        self._database, self._wakeup, self._carrier = database, wakeup, carrier
        self._events = Events(database, wakeup)

    async def start(self, caller: Caller, boot_id: UUID, *, force: bool = False) -> Boot:
        """Bring all enabled services up anew. Raises Conflict while a boot goes on, unless `force` ends that one."""
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await connection.execute(TURN, caller.tenant_id)
                cancelled = await _cancel(connection, caller.tenant_id) if force else None
                boot = await _record(connection, caller, boot_id, "boot")
                began = f"Boot started at {boot.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
                await _say(connection, caller.tenant_id, boot_id, [message("info", began)])
        except asyncpg.UniqueViolationError as error:
            known = await self._latest(caller, boot_id)
            if known:
                return known[0]  # the same wish again: the answer to the first was lost
            raise Conflict(IN_PROGRESS) from error
        self._tell(caller.tenant_id, boot_id, cancelled)
        self._carrier.booted(caller.tenant_id, boot.id)
        return boot

    async def stop(self, caller: Caller, boot_id: UUID) -> Boot:
        """End a boot that goes on, and take all services down until the next one; their runs wait."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(TURN, caller.tenant_id)
            cancelled = await _cancel(connection, caller.tenant_id)
            await _record(connection, caller, boot_id, "shutdown")
            names = sorted(row["name"] for row in await connection.fetch(STOP))
            said = [message("activity", "Set state to DEAD", target=name) for name in names]
            said = [message("start", "Shutting down", step="prepare"), *said, message("complete", "Shutdown complete")]
            await _say(connection, caller.tenant_id, boot_id, said, "finished")
            ended = await connection.fetchrow(END, boot_id, "finished", 0, 0)
        assert ended is not None  # noqa: S101 - it was just recorded
        self._tell(caller.tenant_id, boot_id, cancelled)
        self._wakeup.send(CHANGED_CHANNEL, "*")
        return _boot(ended)

    async def latest(self, caller: Caller, limit: int = 1) -> list[Boot]:
        """The newest boots."""
        return await self._latest(caller, None, limit)

    async def get(self, caller: Caller, boot_id: UUID | None = None) -> Boot:
        """A boot, or the newest one. Raises NotFound."""
        found = await self._latest(caller, boot_id)
        if not found:
            raise NotFound("boot", boot_id or "the newest")
        return found[0]

    async def messages(self, caller: Caller, boot_id: UUID, after: int = 0) -> list[Event]:
        """What was said in a boot, at most 500 messages after a seq."""
        return await self._events.read(caller.tenant_id, boot_id, after, MOST_MESSAGES, [EventKind.BOOT])

    async def _latest(self, caller: Caller, boot_id: UUID | None, limit: int = 1) -> list[Boot]:
        async with self._database.tenant(caller.tenant_id) as connection:
            return [_boot(row) for row in await connection.fetch(LATEST, boot_id, limit)]

    def _tell(self, tenant_id: TenantId, *boots: UUID | None) -> None:
        for boot_id in boots:
            if boot_id is not None:
                self._wakeup.poke(tenant_id, boot_id, MOST_SERVICES + ENDED)


class BootRecords:
    """What a boot's workflow writes and reads; all of it may be repeated."""

    def __init__(self, database: Database, jobs: Database, wakeup: Wakeup) -> None:
        self._database, self._jobs, self._wakeup = database, jobs, wakeup
        self._events = Events(database, wakeup)

    async def waiting(self, late_s: float, limit: int) -> list[tuple[TenantId, UUID]]:
        """Open boots that no workflow has taken up, or that have been going on for so long that one may be lost."""
        query = (
            "select tenant_id, id from boot where ended_at is null and kind = 'boot' and "
            "(begun_at is null or begun_at < clock_timestamp() - interval '60 seconds') "
            "and created_at < clock_timestamp() - make_interval(secs => $1) order by created_at limit $2"
        )
        async with self._jobs.open() as connection:
            return [(row["tenant_id"], row["id"]) for row in await connection.fetch(query, late_s, limit)]

    async def begin(self, tenant_id: TenantId, boot_id: UUID) -> tuple[BootService, ...] | None:
        """The services to bring up; None when the boot is over."""
        async with self._database.tenant(tenant_id) as connection:
            query = (
                "update boot set begun_at = coalesce(begun_at, clock_timestamp()) where id = $1 and ended_at is null"
            )
            if await connection.execute(query, boot_id) == "UPDATE 0":
                return None
            rows = await connection.fetch(
                "select id, name from service where enabled and state <> 'draft' and url = '' order by name limit $1",
                MOST_SERVICES,
            )
        return tuple(BootService(str(row["id"]), row["name"]) for row in rows)

    async def is_over(self, tenant_id: TenantId, boot_id: UUID) -> bool:
        """Whether the boot has ended, as by force."""
        async with self._database.tenant(tenant_id) as connection:
            return (
                await connection.fetchval("select ended_at is not null from boot where id = $1", boot_id) is not False
            )

    async def ask_for(self, tenant_id: TenantId, boot_id: UUID, service_id: ServiceId) -> None:
        """Want the service anew, once in a boot; who keeps it up looks at once."""
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(RAISE, boot_id, service_id)
        self._wakeup.send(CHANGED_CHANNEL, str(service_id))

    async def standing(self, tenant_id: TenantId, boot_id: UUID, service_id: ServiceId) -> Standing | None:
        """How far the service is; None when it was deleted, switched off or taken down meanwhile."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(STANDING, boot_id, service_id)
        return None if row is None else _standing(row)

    async def members(self, tenant_id: TenantId, boot_id: UUID) -> list[tuple[str, ServiceId]]:
        """The services that were asked for, by name."""
        query = "select name, service_id from boot_service where boot_id = $1 order by name"
        async with self._database.tenant(tenant_id) as connection:
            return [(row["name"], row["service_id"]) for row in await connection.fetch(query, boot_id)]

    async def created_at(self, tenant_id: TenantId, boot_id: UUID) -> datetime:
        """When the boot was asked for."""
        async with self._database.tenant(tenant_id) as connection:
            return await connection.fetchval("select created_at from boot where id = $1", boot_id)

    async def say(self, tenant_id: TenantId, boot_id: UUID, who: str, said: Mapping[int, Payload]) -> None:
        """Say something at its places. The second time nothing changes; after the end nothing is said."""
        events = [NewEvent(EventKind.BOOT, each, f"{WORKFLOW}:{who}", place) for place, each in said.items()]
        if events:
            await self._events.append(tenant_id, boot_id, events)

    async def end(self, tenant_id: TenantId, boot_id: UUID, up: int, failed: int) -> None:
        """Record the end: `failed` when nothing came up that should have."""
        status = "failed" if failed and not up else "finished"
        await end_boot(self._database, self._events, tenant_id, boot_id, status, counts=(up, failed))


async def _record(connection: Connection, caller: Caller, boot_id: UUID, kind: str) -> Boot:
    row = await connection.fetchrow(NEW, boot_id, caller.tenant_id, kind, caller.person_id, caller.name)
    assert row is not None  # noqa: S101 - it was just inserted
    await connection.execute("select open_stream($1, $2, 'boot')", caller.tenant_id, boot_id)
    await record(connection, caller, f"service.{kind}", f"boot:{boot_id}")
    return _boot(row)


async def _cancel(connection: Connection, tenant_id: TenantId) -> UUID | None:
    """End the boot that goes on, if one does; answers which."""
    query = "update boot set ended_at = clock_timestamp(), status = 'cancelled' where ended_at is null returning id"
    boot_id = await connection.fetchval(query)
    if boot_id is not None:
        await _say(connection, tenant_id, boot_id, [message("error", "Boot cancelled")], "cancelled", ENDED)
    return boot_id


async def _say(
    connection: Connection,
    tenant_id: TenantId,
    boot_id: UUID,
    said: Sequence[Payload],
    end: str = "",
    first: int = BEGUN,
) -> None:
    """Say something in the transaction in which it becomes true, with the end of the stream if it is one."""
    payloads = [*said, *([{"status": end}] if end else [])]
    kinds = [*(EventKind.BOOT.value for _ in said), *([EventKind.STATUS.value] if end else [])]
    places = list(range(first, first + len(payloads)))
    query = "select from append_events($1, $2, null, $3, $4, $5, $6)"
    await connection.execute(query, tenant_id, boot_id, [GATEWAY] * len(payloads), places, kinds, payloads)


async def end_boot(
    database: Database,
    events: Events,
    tenant_id: TenantId,
    boot_id: UUID,
    status: str,
    *,
    counts: tuple[int, int] = (0, 0),
) -> Boot:
    """Close the stream, then the row: who dies in between does both again. The first end stands."""
    await events.append(tenant_id, boot_id, [NewEvent(EventKind.STATUS, {"status": status}, "end", 1)])
    async with database.tenant(tenant_id) as connection:
        row = await connection.fetchrow(END, boot_id, status, *counts)
        row = row or await connection.fetchrow(LATEST, boot_id, 1)
    assert row is not None  # noqa: S101 - rows of boots are never deleted
    return _boot(row)


def message(kind: str, text: str, **more: Any) -> Payload:
    """What is said in a boot: `step target result s detail` where they are known."""
    return {"type": kind, "message": text, **{name: each for name, each in more.items() if each is not None}}


def text_of(events: Sequence[Event]) -> list[str]:
    """Messages as lines."""
    return [text for event in events if (text := line(event.payload))]


def _boot(row: Row) -> Boot:
    values: dict[str, Any] = {column.name: row[column.name] for column in fields(Boot)}
    return Boot(**values)


def _standing(row: Row) -> Standing:
    values: dict[str, Any] = {**row, "flows": tuple(row["flows"]), "before": tuple(row["before"])}
    ailing: dict[str, dict[str, str | None]] = row["ailing"] or {}
    values["serving"] = frozenset(row["serving"])
    values["ailing"] = {int(n): Ailing(each["state"] or "", each["reason"] or "") for n, each in ailing.items()}
    return Standing(**values)
