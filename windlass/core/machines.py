"""The machines that hold desktops: what workers and workflows write, and what they know of every tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts import queues
from windlass.contracts.agents import MAX_ACTIONS
from windlass.contracts.desktops import (
    Claim,
    DesktopStatus,
    Ended,
    Orders,
    Placed,
    Prompted,
    Recorded,
    Step,
    Template,
    Wish,
)
from windlass.contracts.ids import DesktopId, TenantId
from windlass.core.database import Database, Row
from windlass.core.wakeup import DESKTOPS, Wakeup

MEET = """
insert into desktop_machine (node, boot, engine, problem, places) values ($1, $2, $3, $4, $5)
on conflict (node) do update set boot = excluded.boot, engine = excluded.engine, problem = excluded.problem,
  places = excluded.places, changed_at = clock_timestamp()
"""
KNOWN = """
select id, tenant_id, generation, status, deleted_at is not null as is_deleted,
  case when expires_at < clock_timestamp() - interval '1 minute' then 'its time was over' else home_said end as said,
  coalesce(expires_at < clock_timestamp() - interval '1 minute', false) as is_over,
  coalesce(deleted_at < clock_timestamp() - interval '30 seconds', false) as is_overdue
from desktop where node = $1 and (removed_at is null or removed_at > clock_timestamp() - interval '1 hour')
"""
BUSY = """
select exists (select from desktop where node = $1 and removed_at is null and (status = 'busy' or holder is not null))
"""
SAID = "select home_said from desktop where id = $1"
BEFORE = """
select count(*) from desktop mine join desktop d on d.changed_at < mine.changed_at
where mine.id = $1 and d.status = 'starting' and d.reason like 'waits for a machine%'
"""
MADE_OF = "select made_of from desktop where id = $1"
PROMPTED = """
select d.id::text as desktop_id, d.generation, d.template, coalesce((r.inputs->>'max_actions')::int, $2) as max_actions
from run r join desktop d on d.id = r.desktop_id where r.id = $1 and r.inputs->>'prompt' <> ''
"""
UNHEARD = """
select id, tenant_id, name, generation from desktop
where heard < revision and removed_at is null and changed_at < clock_timestamp() - make_interval(secs => $1)
order by changed_at limit 200
"""
LAPSED = """
select id, tenant_id, name, generation from desktop where holder is not null and held_until < clock_timestamp()
order by held_until limit $1
"""
OPEN = """
select id, tenant_id, name, generation from desktop
where removed_at is null and (desktop_has_container(status) or heard < revision or wish = 'gone')
order by random() limit $1
"""
ALONE = """
select d.id, d.tenant_id, d.name, d.generation from desktop d
where d.removed_at is null and d.status in ('idle', 'busy', 'paused') and d.node is not null
  and not exists (select from worker w where w.node = d.node and w.role = 'desktops'
                  and w.seen_at > clock_timestamp() - make_interval(secs => $1))
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine and its engine; `boot` changes when the machine starts anew, `problem` says what is missing."""

    node: str
    boot: str
    engine: str = ""
    problem: str | None = None
    places: int = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What the record says about a desktop of this machine."""

    id: DesktopId
    tenant_id: TenantId
    generation: int
    status: DesktopStatus
    is_deleted: bool
    is_overdue: bool = False  # its workflow should have removed it by now
    is_over: bool = False  # its workflow should have shut it down by now
    said: str = ""  # why its container was ended, where that was on purpose

    @property
    def has_container(self) -> bool:
        """Whether a container of this generation is somebody's."""
        return not self.is_deleted and (self.status.has_container or self.status is DesktopStatus.LOST)


@dataclass(frozen=True, slots=True)
class Hand:
    """A person at the screen of a desktop: their name while they have it, when they last had, and what they said."""

    holder: str | None = None
    handed_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """A desktop whose workflow must hear something."""

    id: DesktopId
    tenant_id: TenantId
    name: str
    generation: int


class Machines:
    """The record behind the curtain: tenants' rows one at a time, the machines' own across tenants."""

    def __init__(self, database: Database, jobs: Database, wakeup: Wakeup) -> None:
        self._database, self._jobs, self._wakeup = database, jobs, wakeup

    async def look(self, tenant_id: TenantId, desktop_id: UUID) -> Orders | None:
        """What is wanted of a desktop and where it is. None: nothing is left of it."""
        async with self._database.open() as connection:
            found = await connection.fetchval("select look_at_desktop($1, $2)", tenant_id, desktop_id)
        if found is None:
            return None
        return Orders(
            wish=Wish(found["wish"]),
            revision=found["revision"],
            heard=found["heard"],
            status=DesktopStatus(found["status"]),
            generation=found["generation"],
            queue=queues.desktops(found["node"], found["boot"]) if found["node"] else "",
            template=found["template"],
            left_s=found["left_s"],
            next_task=found["next_task"] or "",
            steady_s=found["steady_s"],
            idle_s=found["idle_s"],
        )

    async def made_of(self, tenant_id: TenantId, desktop_id: UUID) -> Template:
        """What the desktop's container of now is made of."""
        async with self._database.tenant(tenant_id) as connection:
            return Template.of(await connection.fetchval(MADE_OF, desktop_id) or {})

    async def place(self, tenant_id: TenantId, desktop_id: UUID) -> Placed:
        """Give a desktop a machine, what it is made of, and the number of its next container.

        The second time that number is higher.
        """
        async with self._jobs.open() as connection, connection.transaction():
            found = await connection.fetchval("select place_desktop($1, $2)", tenant_id, desktop_id)
            if found is not None and "node" not in found:
                before = await connection.fetchval(BEFORE, desktop_id)
                asked = f"; {before} asked before it" if before else ""
                return Placed(reason=f"{found['reason'].rstrip('.')}{asked}. It starts by itself.")
        if found is None:
            return Placed(reason="deleted")
        return Placed(queues.desktops(found["node"], found["boot"]), found["generation"])

    async def record(self, change: Recorded) -> None:
        """Write down how a desktop is, with an event. The second time nothing changes."""
        tenant_id, desktop_id = TenantId(UUID(change.tenant_id)), UUID(change.desktop_id)
        async with self._database.open() as connection:
            seq = await connection.fetchval("select record_desktop($1, $2, $3)", tenant_id, desktop_id, asdict(change))
        if seq is not None:
            self._wakeup.poke(tenant_id, desktop_id, seq)
            self._wakeup.touch(DESKTOPS, tenant_id)

    async def lose(self, tenant_id: TenantId, desktop_id: UUID, what: Ended) -> bool:
        """Write down that its container has ended; False: that is known, was wished, or another one is on its way."""
        query = "select lose_desktop($1, $2, $3, $4)"
        async with self._database.open() as connection:
            seq = await connection.fetchval(query, tenant_id, desktop_id, what.generation, what.reason)
        if seq is not None:
            self._wakeup.poke(tenant_id, desktop_id, seq)
            self._wakeup.touch(DESKTOPS, tenant_id)
        return seq is not None

    async def step(self, tenant_id: TenantId, desktop_id: UUID, generation: int, step: Step) -> None:
        """Write down what a desktop that starts has come to. The second time only its time changes."""
        query = "select step_desktop($1, $2, $3, $4)"
        async with self._database.open() as connection:
            if await connection.fetchval(query, tenant_id, desktop_id, generation, step):
                self._wakeup.touch(DESKTOPS, tenant_id)

    async def claim(self, tenant_id: TenantId, run_id: UUID) -> Claim:
        """Take its desktop for a run whose turn it is. The second time the answer is the same."""
        async with self._database.open() as connection:
            found = await connection.fetchval("select claim_desktop($1, $2)", tenant_id, run_id)
        self._wakeup.touch(DESKTOPS, tenant_id)
        if "node" in found:
            queue = queues.desktops(found["node"], found["boot"])
            return Claim(queue, prompted=await self._prompted(tenant_id, run_id))
        return Claim(reason=found["reason"], is_gone=found.get("gone", False))

    async def _prompted(self, tenant_id: TenantId, run_id: UUID) -> Prompted | None:
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(PROMPTED, run_id, MAX_ACTIONS)
        return None if row is None else Prompted(**row)

    async def hand(self, tenant_id: TenantId, desktop_id: UUID) -> Hand:
        """Who has the screen of a desktop in hand, and until when somebody had it."""
        async with self._database.open() as connection:
            row = await connection.fetchrow("select * from desktop_hand($1, $2)", tenant_id, desktop_id)
        return Hand() if row is None else Hand(**row)

    async def release(self, tenant_id: TenantId, run_id: UUID) -> str:
        """Give the desktop of a run back; answers the run whose turn it is now, if there is one."""
        async with self._database.open() as connection:
            following = await connection.fetchval("select release_desktop($1, $2)", tenant_id, run_id)
        self._wakeup.touch(DESKTOPS, tenant_id)
        return str(following or "")

    async def meet(self, machine: Machine) -> None:
        """Write down what this machine can do."""
        async with self._database.open() as connection:
            await connection.execute(MEET, *asdict(machine).values())

    async def installation(self) -> str:
        """The name of this installation, on everything it makes in an engine."""
        async with self._jobs.open() as connection:
            return str(await connection.fetchval("select value from installation where key = 'id'"))

    async def known(self, node: str) -> dict[DesktopId, Known]:
        """Every desktop of any tenant that may have left something on this machine."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(KNOWN, node)
        return {row["id"]: _known(row) for row in rows}

    async def weighed(self, node: str, homes: Mapping[UUID, int]) -> Sequence[Called]:
        """Write down what the homes of a machine have; answers the desktops that have more than they may."""
        query = "select * from weigh_homes($1, $2, $3)"
        async with self._jobs.open() as connection:
            rows = await connection.fetch(query, node, list(homes), list(homes.values()))
        return [Called(*(row[each.name] for each in fields(Called))) for row in rows if row["said"]]

    async def is_busy(self, node: str) -> bool:
        """Whether somebody is at work in any desktop of the machine."""
        async with self._jobs.open() as connection:
            return bool(await connection.fetchval(BUSY, node))

    async def why(self, tenant_id: TenantId, desktop_id: UUID) -> str:
        """Why the container of a desktop was ended, where that was on purpose; empty where it was not."""
        async with self._database.tenant(tenant_id) as connection:
            return str(await connection.fetchval(SAID, desktop_id) or "")

    async def unheard(self, older_than_s: float) -> Sequence[Called]:
        """Desktops whose last wish their workflow did not take up yet."""
        return await self._called(UNHEARD, older_than_s)

    async def open(self, limit: int) -> Sequence[Called]:
        """Some desktops that should have a workflow."""
        return await self._called(OPEN, limit)

    async def alone(self, silent_s: float) -> Sequence[Called]:
        """Desktops whose machine has been silent for so long."""
        return await self._called(ALONE, silent_s)

    async def lapsed(self, limit: int) -> Sequence[Called]:
        """Desktops whose screen somebody had, who has gone away."""
        return await self._called(LAPSED, limit)

    async def lapse(self, tenant_id: TenantId, desktop_id: UUID) -> None:
        """End the lease of whoever has gone away, with an event. The second time nothing changes."""
        async with self._database.open() as connection:
            seq = await connection.fetchval("select lapse_desktop($1, $2)", tenant_id, desktop_id)
        if seq is not None:
            self._wakeup.poke(tenant_id, desktop_id, seq)
            self._wakeup.touch(DESKTOPS, tenant_id)

    async def _called(self, query: str, argument: float) -> Sequence[Called]:
        async with self._jobs.open() as connection:
            return [Called(**row) for row in await connection.fetch(query, argument)]


def _known(row: Row) -> Known:
    values: dict[str, Any] = {**row, "status": DesktopStatus(row["status"])}
    return Known(**values)
