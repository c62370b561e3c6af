"""Firings: what became of every due time of a schedule, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from windlass.contracts.firings import Decision, Overlap
from windlass.contracts.ids import FiringId, RunId, ScheduleId, new_id
from windlass.contracts.runs import RunStatus
from windlass.core.audit import record
from windlass.core.calendars import Due, due_times
from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.history import History
from windlass.core.runs import owner
from windlass.core.schedules import CHANGED_CHANNEL, Schedule, Schedules
from windlass.core.wakeup import Wakeup

MOST_AT_ONCE = 1000
RAN = (str(Decision.STARTED), str(Decision.LATE), str(Decision.BUFFERED))


@dataclass(frozen=True, slots=True)
class Firing:
    """One due time (or trigger, or lost span) and what was decided about it; without a decision it is on its way."""

    id: FiringId
    schedule_id: ScheduleId
    kind: str
    scheduled_at: datetime
    until: datetime | None
    count: int
    asked_by_name: str
    decided_at: datetime | None
    decision: Decision | None
    reason: str
    run_id: RunId | None
    run_status: RunStatus | None
    run_took_s: float | None
    run_cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Planned:
    """One time of a backfill: `would_start` is false for what ran already."""

    at: datetime
    would_start: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill would do, and what it would probably cost."""

    times: tuple[Planned, ...]
    count: int
    estimated_cost_usd: float | None
    estimated_s: float | None


@dataclass(frozen=True, slots=True)
class Hour:
    """How many due times of an hour, counted from the beginning of a span, one decision was made about."""

    number: int
    decision: str | None
    count: int
    names: tuple[str, ...]


LIST = """
select f.id, f.schedule_id, f.kind, f.scheduled_at, f.until, f.count, f.asked_by_name, f.decided_at, f.decision,
  f.reason, f.run_id, r.status as run_status, extract(epoch from r.ended_at - r.started_at)::float as run_took_s,
  r.cost_usd::float as run_cost_usd
from firing f left join run r on r.id = f.run_id and ($6::uuid is null or r.created_by = $6)
where f.schedule_id = $1 and (cardinality($2::text[]) = 0 or f.decision = any ($2))
  and ($3::timestamptz is null or (f.scheduled_at, f.id) < ($3, $4)) order by f.scheduled_at desc, f.id desc limit $5
"""
LAST = """
select f.id, f.schedule_id, f.kind, f.scheduled_at, f.until, f.count, f.asked_by_name, f.decided_at, f.decision,
  f.reason, f.run_id, r.status as run_status, extract(epoch from r.ended_at - r.started_at)::float as run_took_s,
  r.cost_usd::float as run_cost_usd
from unnest($1::uuid[]) wanted(id)
cross join lateral (select * from firing where schedule_id = wanted.id order by scheduled_at desc, id desc limit 7) f
left join run r on r.id = f.run_id and ($2::uuid is null or r.created_by = $2) order by f.scheduled_at desc
"""
HOURS = """
select floor(extract(epoch from f.scheduled_at - $1) / 3600)::int as hour, f.decision, sum(f.count)::int as number,
  (array_agg(distinct s.name))[:$3] as names
from firing f join schedule s on s.id = f.schedule_id
where f.scheduled_at >= $1 and f.scheduled_at < $2 group by 1, 2 order by 1
"""
ADD = """
insert into firing (id, tenant_id, schedule_id, kind, scheduled_at, overlap, asked_by_name)
select i, $2, $3, $4, a, $7, $8 from unnest($1::uuid[], $5::timestamptz[]) with ordinality u(i, a, n) where n <= $6
on conflict (id) do nothing
"""
TAKEN = """
select scheduled_at from firing where schedule_id = $1 and scheduled_at between $2 and $3
  and kind in ('due', 'backfill') and (decision is null or decision = any ($4))
"""


class Firings:
    """The firings of a tenant's schedules: to be read, and to be asked for by hand."""

    def __init__(self, database: Database, wakeup: Wakeup, schedules: Schedules, history: History) -> None:
        self._database = database
        self._wakeup = wakeup
        self._schedules = schedules
        self._history = history

    async def newest(
        self,
        caller: Caller,
        schedule_id: UUID,
        decisions: Sequence[Decision] = (),
        *,
        limit: int = 50,
        after: tuple[datetime, UUID] | None = None,
    ) -> list[Firing]:
        """The firings of a schedule, the newest due time first. Raises NotFound."""
        await self._schedules.get(caller, schedule_id)
        wanted = [str(each) for each in decisions]
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, schedule_id, wanted, *(after or (None, None)), limit, owner(caller))
        return [_firing(row) for row in rows]

    async def last(self, caller: Caller, schedule_ids: Sequence[UUID]) -> dict[UUID, list[Firing]]:
        """The newest seven firings of each schedule, the newest first."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LAST, list(schedule_ids), owner(caller))
        found: dict[UUID, list[Firing]] = {schedule_id: [] for schedule_id in schedule_ids}
        for row in rows:
            found[row["schedule_id"]].append(_firing(row))
        return found

    async def hours(self, caller: Caller, since: datetime, until: datetime, named: int) -> list[Hour]:
        """What became of due times in a span, hour by hour, with the names of a few schedules."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(HOURS, since, until, named)
        return [Hour(row["hour"], row["decision"], row["number"], tuple(row["names"])) for row in rows]

    async def log(self, caller: Caller, tenant_id: UUID) -> None:
        """Open the log of the caller's own organisation, in which every firing is said. Raises NotFound."""
        if tenant_id != caller.tenant_id:
            raise NotFound("tenant", tenant_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("select open_stream($1, $1, 'tenant')", caller.tenant_id)

    async def trigger(self, caller: Caller, schedule_id: UUID, id: UUID | None = None) -> FiringId:
        """Have it fire now, also while it is paused; the answer is the row that says what came of it."""
        await self._schedules.mine(caller, schedule_id)
        firing_id = FiringId(id or new_id())
        await self._ask(caller, schedule_id, "trigger", [(firing_id, datetime.now(UTC))], None)
        return firing_id

    async def plan(self, caller: Caller, schedule_id: UUID, since: datetime, until: datetime) -> Plan:
        """What a backfill of a past span would start, with what it would take. Raises Invalid."""
        schedule = await self._schedules.mine(caller, schedule_id)
        times = _times(schedule, since, until, datetime.now(UTC))
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(TAKEN, schedule_id, since, until, list(RAN))
        taken = {row["scheduled_at"] for row in rows}
        planned = tuple(_planned(due, taken) for due in times)
        count = sum(each.would_start for each in planned)
        usual = await self._history.of_task(caller, schedule.task_id)
        cost = None if usual.usual_cost_usd is None else usual.usual_cost_usd * count
        took = None if usual.took_p50_s is None else usual.took_p50_s * count
        return Plan(planned, count, cost, took)

    async def backfill(
        self, caller: Caller, schedule_id: UUID, since: datetime, until: datetime, confirmed: int, overlap: Overlap
    ) -> Plan:
        """Make up for a past span, if it still is `confirmed` times. The second time nothing is left to start."""
        plan = await self.plan(caller, schedule_id, since, until)
        if plan.count != confirmed:
            raise Conflict(
                f"It would start {plan.count} runs now, not {confirmed}. Look at the plan again; nothing was started."
            )
        asked = [(FiringId(new_id()), each.at) for each in plan.times if each.would_start]
        if asked:
            await self._ask(caller, schedule_id, "backfill", asked, overlap)
        return plan

    async def _ask(
        self,
        caller: Caller,
        schedule_id: UUID,
        kind: str,
        asked: Sequence[tuple[FiringId, datetime]],
        overlap: Overlap | None,
    ) -> None:
        ids, times = [each for each, _ in asked], [at for _, at in asked]
        facts = (kind, times, MOST_AT_ONCE, overlap and str(overlap), caller.name)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(ADD, ids, caller.tenant_id, schedule_id, *facts)
            after = {"count": len(asked)} if kind == "backfill" else None
            await record(connection, caller, f"schedule.{kind}", f"schedule:{schedule_id}", after=after)
        self._wakeup.send(CHANGED_CHANNEL, str(schedule_id))


def _times(schedule: Schedule, since: datetime, until: datetime, now: datetime) -> list[Due]:
    if until <= since:
        raise _refused("until", "must be after since")
    if until > now:
        raise _refused("until", "must be in the past: what is still to come will fire by itself")
    begin = since - timedelta(seconds=1)
    found = [due for due in due_times(schedule.timing, begin, MOST_AT_ONCE + 1) if due.at <= until]
    if len(found) > MOST_AT_ONCE:
        raise _refused("since", f"is more than {MOST_AT_ONCE:,} due times before until; ask for a shorter span")
    return found


def _planned(due: Due, taken: set[datetime]) -> Planned:
    if due.at in taken:
        return Planned(due.at, would_start=False, note="it ran already")
    return Planned(due.at, would_start=not due.skipped, note=due.skipped or due.note)


def _refused(field: str, message: str) -> Invalid:
    return Invalid("This span cannot be made up for; nothing was started.", (FieldError(field, message),))


def _firing(row: Row) -> Firing:
    values: dict[str, Any] = {column.name: row[column.name] for column in fields(Firing)}
    values["decision"] = values["decision"] and Decision(values["decision"])
    values["run_status"] = values["run_status"] and RunStatus(values["run_status"])
    return Firing(**values)
