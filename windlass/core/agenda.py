"""The agenda: what Temporal must know of the schedules of all tenants, and what it was found to know."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from windlass.contracts.ids import FiringId, ScheduleId, TenantId
from windlass.core.calendars import Timing
from windlass.core.calendars.timing import known_timing
from windlass.core.database import Connection, Database, Row
from windlass.core.live_runs import LIVE_STATUSES
from windlass.core.timings import timing_id

NEVER = datetime.max.replace(tzinfo=UTC)
MOST_COUNTED, MOST_UNHEARD = 10_000, 1_000
PLAN = (
    "id, tenant_id, timing, time_zone, start_at, end_at, jitter_s, revision, "
    "coalesce(deleted_at, ended_at) as over_at, applied = 0 and applied_at is not null as is_again"
)
WAITING = f"select {PLAN} from schedule where applied < revision order by updated_at limit $1"  # noqa: S608 - constants
LIVE = f"select {PLAN} from schedule where deleted_at is null and ended_at is null"  # noqa: S608 - constants
APPLIED = """
update schedule set applied = greatest(applied, $2), applied_at = clock_timestamp() where id = $1
"""
OVER = "update schedule set ended_at = clock_timestamp() where id = $1 and revision = $2 and ended_at is null"
ASKED = """
select id, tenant_id, schedule_id from firing where decision is null and kind in ('trigger', 'backfill')
order by created_at, scheduled_at limit $1
"""
TENANTS = "select distinct tenant_id from schedule"
AGAIN = "update schedule set applied = 0 where id = any ($1)"
OLD = """
update schedule set applied = 0
where deleted_at is null and ended_at is null and applied_at < $1 and applied >= revision
"""
QUIET = f"""
select {PLAN}, greatest(updated_at, last.at) as quiet_since from schedule s
cross join lateral (select greatest(
  (select max(f.scheduled_at) from firing f where f.schedule_id = s.id and f.kind = 'due'),
  (select max(f.until) from firing f where f.schedule_id = s.id and f.kind = 'lost')) as at) last
where deleted_at is null and ended_at is null and greatest(updated_at, last.at) < $1 order by s.id
"""  # noqa: S608 - column names are constants
UNHEARD = f"""
select {PLAN}, greatest(updated_at, $1) as since, array(
  select f.scheduled_at from firing f where f.schedule_id = s.id and f.kind = 'due' and f.scheduled_at > $1) as decided
from schedule s where deleted_at is null and ended_at is null and updated_at < $2 order by s.id
"""  # noqa: S608 - column names are constants
STUCK = f"""
select distinct o.tenant_id, o.schedule_id from task_run o join run w on w.id = o.root_id where w.held
  and not exists (select from task_run p join run r on r.root_id = p.root_id
                  where p.schedule_id = o.schedule_id and not r.held
                    and r.status in {LIVE_STATUSES})
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule as Temporal must have it, with all of the same timing as one; `is_over`: not at all.

    `is_again`: Temporal had it once and is to have it as it should be, whatever it has.
    """

    id: ScheduleId
    tenant_id: TenantId
    timing: Timing
    jitter_s: int
    revision: int
    is_over: bool
    is_again: bool = False

    @property
    def timing_id(self) -> UUID:
        """The id of its timing."""
        return timing_id(self.tenant_id, self.id, self.timing, self.jitter_s)


@dataclass(frozen=True, slots=True)
class Lost:
    """Due times of a schedule that nobody decided about, and nobody will: more than a day has passed."""

    tenant_id: TenantId
    schedule_id: ScheduleId
    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Unheard:
    """A due time that has left no firing yet."""

    tenant_id: TenantId
    schedule_id: ScheduleId
    timing_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class AskedFiring:
    """A trigger or backfill whose decision is on its way."""

    id: FiringId
    tenant_id: TenantId
    schedule_id: ScheduleId


class Agenda:
    """Schedules and firings as the one who speaks to Temporal sees them, across tenants."""

    def __init__(self, jobs: Database) -> None:
        self._jobs = jobs
        self._next_due: dict[tuple[UUID, int], datetime] = {}  # by id and revision: to read a timing takes 0.5 ms

    async def waiting(self, limit: int = 100) -> list[Plan]:
        """Schedules whose newest revision Temporal does not have."""
        async with self._jobs.open() as connection:
            return [_plan(row) for row in await connection.fetch(WAITING, limit)]

    async def applied(self, plan: Plan) -> None:
        """Temporal has this revision."""
        async with self._jobs.open() as connection:
            await connection.execute(APPLIED, plan.id, plan.revision)

    async def over(self, plan: Plan) -> None:
        """Nothing of this is due any more: unless it was changed meanwhile, it has ended."""
        async with self._jobs.open() as connection:
            await connection.execute(OVER, plan.id, plan.revision)

    async def asked(self, limit: int = 200) -> list[AskedFiring]:
        """Triggers and backfills that nobody has decided about, the oldest first."""
        async with self._jobs.open() as connection:
            return [AskedFiring(**row) for row in await connection.fetch(ASKED, limit)]

    async def live(self, tenant_id: TenantId | None = None) -> list[Plan]:
        """Every schedule that Temporal must have; those of a tenant."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(f"{LIVE} and ($1::uuid is null or tenant_id = $1)", tenant_id)
        return [_plan(row) for row in rows]

    async def tenants(self) -> set[UUID]:
        """The tenants that have or had schedules."""
        async with self._jobs.open() as connection:
            return {row["tenant_id"] for row in await connection.fetch(TENANTS)}

    async def again(self, schedule_ids: Sequence[UUID]) -> None:
        """Have these written to Temporal again."""
        async with self._jobs.open() as connection:
            await connection.execute(AGAIN, list(schedule_ids))

    async def renew(self, before: datetime) -> None:
        """Have those written again that were last written before: what was added for the clocks runs out."""
        async with self._jobs.open() as connection:
            await connection.execute(OLD, before)

    async def lost(self, before: datetime) -> list[Lost]:
        """What was due before a moment, more than a day ago, and has left no firing: an outage was longer than that."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(QUIET, before)
        found = (_lost(_plan(row), row["quiet_since"], before) for row in rows)
        return [each for each in found if each is not None]

    async def unheard(self, since: datetime, before: datetime) -> list[Unheard]:
        """What was due in between and has left no firing; of one schedule at most 1,000, the oldest first."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(UNHEARD, since, before)
        known, self._next_due = self._next_due, {}
        found: list[Unheard] = []
        for row in rows:
            key = row["id"], row["revision"]
            at, more = known.get(key), list[Unheard]()
            if at is None or at < before:
                more, at = _unheard(_plan(row), row["since"], before, set(row["decided"]))
                found += more
            if not more:  # else it is looked at again, until they are decided
                self._next_due[key] = at
        return found

    async def release_stuck(self) -> int:
        """Let held runs go that nobody is left to let go; answers how many."""
        async with self._jobs.open() as connection:
            return await _release(connection)


async def _release(connection: Connection) -> int:
    stuck = await connection.fetch(STUCK)
    for row in stuck:
        await connection.fetchval("select release_held($1)", row["schedule_id"])
    return len(stuck)


def _lost(plan: Plan, since: datetime, before: datetime) -> Lost | None:
    first = last = at = plan.timing.next_after(since)
    count = 0
    while at is not None and at < before and count < MOST_COUNTED:
        last, count = at, count + 1
        at = plan.timing.next_after(at)
    if first is None or last is None or not count:
        return None
    return Lost(plan.tenant_id, plan.id, first, last, count)


def _unheard(plan: Plan, since: datetime, before: datetime, decided: Set[datetime]) -> tuple[list[Unheard], datetime]:
    """What is unheard of, and the first due time that was not looked at."""
    found: list[Unheard] = []
    at = plan.timing.next_after(since)
    while at is not None and at < before and len(found) < MOST_UNHEARD:
        if at not in decided:
            found.append(Unheard(plan.tenant_id, plan.id, plan.timing_id, at))
        at = plan.timing.next_after(at)
    return found, at or NEVER


def _plan(row: Row) -> Plan:
    timing = known_timing(row["timing"], row["time_zone"], row["start_at"], row["end_at"])
    facts: dict[str, Any] = {name: row[name] for name in ("id", "tenant_id", "jitter_s", "revision", "is_again")}
    return Plan(timing=timing, is_over=row["over_at"] is not None, **facts)
