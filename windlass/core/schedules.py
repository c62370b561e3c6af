"""Schedules: when a task starts by itself. The rows are the truth; Temporal's schedules follow them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from windlass.contracts.events import Payload
from windlass.contracts.firings import Overlap
from windlass.contracts.ids import ScheduleId, TaskId, new_id
from windlass.core.audit import record
from windlass.core.calendars import Timing, read_timing
from windlass.core.calendars.timing import known_timing
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, Forbidden, Invalid, NotFound
from windlass.core.parameters import values_of
from windlass.core.permissions import Permission
from windlass.core.tasks import Tasks, find
from windlass.core.wakeup import Wakeup

CHANGED_CHANNEL = "schedules"  # tells the runs workers to look
TIMING = ("cron", "interval_s", "offset_s", "calendar", "at")
BOUNDS = ("time_zone", "start_at", "end_at")


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done at a due time: when an earlier run goes on, when it is late, when something failed."""

    jitter_s: int = 0
    overlap: Overlap = Overlap.SKIP
    catch_up_s: int = 600
    pause_on_failure: bool = False
    remaining: int | None = None
    parameters: Payload = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Schedule:
    """A task, when it is due, and what is done then."""

    id: ScheduleId
    name: str
    task_id: TaskId
    task_name: str
    agent: str
    timing: Timing
    policy: Policy
    paused_at: datetime | None
    paused_by_name: str
    pause_reason: str
    resumed_at: datetime | None
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    changed_by_name: str
    ended_at: datetime | None
    deleted_at: datetime | None
    is_applied: bool

    @property
    def state(self) -> str:
        """Whether it is `on`, `paused` or `ended`."""
        if self.ended_at is not None or self.timing.next_after(datetime.now(UTC)) is None:
            return "ended"
        return "paused" if self.paused_at is not None else "on"


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """The wish for a schedule; `timing` is one of `cron`, `interval_s`, `calendar`, `at`, with its bounds."""

    name: str
    task_id: UUID
    timing: Payload
    policy: Policy = field(default_factory=Policy)
    paused: bool = False
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SharedTiming:
    """A timing, how many schedules are due by it, and the names of a few of them."""

    timing: Timing
    count: int
    names: tuple[str, ...]


PLAIN = [column.name for column in fields(Policy)]
FACTS = "paused_at paused_by_name pause_reason resumed_at created_by created_by_name created_at updated_at"
OWN = ["id", "name", "task_id", *FACTS.split(), "changed_by_name", "ended_at", "deleted_at", *PLAIN]
SCHEDULES = f"""
select {", ".join(f"s.{name}" for name in OWN)}, s.timing, s.time_zone, s.start_at, s.end_at,
  s.applied >= s.revision as is_applied, t.name as task_name, v.agent from schedule s join task t on t.id = s.task_id
  join task_version v on v.task_id = t.id and v.version = t.version
"""  # noqa: S608 - column names are constants
LIST = f"""
{SCHEDULES} where s.deleted_at is null and ($1::uuid is null or s.task_id = $1)
  and ($2::text is null or strpos(lower(concat_ws(' ', s.name, t.name, v.agent)), lower($2)) > 0)
  and ($3::timestamptz is null or (s.created_at, s.id) < ($3, $4)) order by s.created_at desc, s.id desc limit $5
"""
ADD = """
insert into schedule (id, tenant_id, name, task_id, timing, time_zone, start_at, end_at, jitter_s, overlap, catch_up_s,
  pause_on_failure, remaining, parameters, created_by, created_by_name, changed_by_name, paused_at, paused_by_name)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16,
  case when $17 then clock_timestamp() end, case when $17 then $16 else '' end)
"""
CHANGE = """
update schedule set name = $2, task_id = $3, timing = $4, time_zone = $5, start_at = $6, end_at = $7, jitter_s = $8,
  overlap = $9, catch_up_s = $10, pause_on_failure = $11, remaining = $12, parameters = $13, changed_by_name = $14,
  timed_at = case when (timing, time_zone, start_at, end_at, ended_at) is not distinct from ($4, $5, $6, $7, null)
    then timed_at else clock_timestamp() end,
  ended_at = null, revision = revision + 1, updated_at = clock_timestamp() where id = $1
"""
PAUSE = """
update schedule set paused_at = clock_timestamp(), paused_by_name = $2, pause_reason = $3 where id = $1
"""
RESUME = """
update schedule set paused_at = null, paused_by_name = '', pause_reason = '', resumed_at = clock_timestamp()
where id = $1
"""
DELETE = """
update schedule set deleted_at = clock_timestamp(), revision = revision + 1, updated_at = clock_timestamp()
where id = $1
"""


TIMINGS = """
select timing, time_zone, start_at, end_at, count(*)::int as count,
  (array_agg(name order by created_at desc))[:$2] as names
from schedule where deleted_at is null and ended_at is null and paused_at is null
group by 1, 2, 3, 4 order by max(created_at) desc limit $1
"""
OF_AGENT = f"""
{SCHEDULES} where s.deleted_at is null and v.agent = $1 order by s.created_at desc, s.id desc limit $2
"""


class Schedules:
    """The schedules of a tenant: everybody reads them, their maker and those who may change all change them."""

    def __init__(self, database: Database, wakeup: Wakeup, tasks: Tasks) -> None:
        self._database = database
        self._wakeup = wakeup
        self._tasks = tasks

    async def create(self, caller: Caller, wish: NewSchedule) -> Schedule:
        """Record a schedule; it is due from now on. Raises Invalid, NotFound (task), Conflict (name)."""
        timing = read_timing(wish.timing, datetime.now(UTC))
        schedule_id = ScheduleId(wish.id or new_id())
        facts = (caller.person_id, caller.name, wish.paused)
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await _check_parameters(connection, wish.task_id, wish.policy)
                values = columns(wish.name, wish.task_id, timing, wish.policy)
                await connection.execute(ADD, schedule_id, caller.tenant_id, *values, *facts)
                await record(connection, caller, "schedule.create", f"schedule:{schedule_id}", after=_shown(wish))
        except asyncpg.UniqueViolationError as error:
            return await self._again(caller, schedule_id, wish.name, error)
        self._wakeup.send(CHANGED_CHANNEL, str(schedule_id))
        return await self.get(caller, schedule_id)

    async def get(self, caller: Caller, schedule_id: UUID) -> Schedule:
        """The schedule. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await find_schedule(connection, schedule_id)

    async def newest(
        self,
        caller: Caller,
        text: str | None = None,
        task_id: UUID | None = None,
        *,
        limit: int = 50,
        after: tuple[datetime, UUID] | None = None,
    ) -> list[Schedule]:
        """The newest schedules first, those whose words contain `text`, those of a task."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, task_id, text or None, *(after or (None, None)), limit)
        return [schedule_of(row) for row in rows]

    async def timings(self, caller: Caller, *, limit: int, named: int) -> list[SharedTiming]:
        """When those are due that are on, the newest first; schedules of the same timing are one."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(TIMINGS, limit, named)
        bounds = ("timing", "time_zone", "start_at", "end_at")
        return [
            SharedTiming(known_timing(*(row[name] for name in bounds)), row["count"], tuple(row["names"]))
            for row in rows
        ]

    async def of_agent(self, caller: Caller, agent: str, *, limit: int = 50) -> list[Schedule]:
        """The newest schedules whose task starts an agent."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(OF_AGENT, agent, limit)
        return [schedule_of(row) for row in rows]

    async def change(self, caller: Caller, schedule_id: UUID, changes: Mapping[str, Any]) -> Schedule:
        """Change its name, task, timing or policy. Raises Invalid, NotFound, Conflict, Forbidden."""
        name = str(changes.get("name", ""))
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await connection.execute("select from schedule where id = $1 for no key update", schedule_id)
                old = _own(caller, await find_schedule(connection, schedule_id))  # only now: with what just changed
                timing = _changed_timing(old.timing, changes)
                policy = replace(old.policy, **{each: changes[each] for each in PLAIN if each in changes})
                name, task_id = name or old.name, changes.get("task_id", old.task_id)
                await _check_parameters(connection, task_id, policy)
                await connection.execute(CHANGE, schedule_id, *columns(name, task_id, timing, policy), caller.name)
                before, after = _shown(old), _shown(NewSchedule(name, task_id, timing.source, policy))
                await record(
                    connection, caller, "schedule.change", f"schedule:{schedule_id}", before=before, after=after
                )
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"There is already a schedule {name}. Nothing was changed.") from error
        self._wakeup.send(CHANGED_CHANNEL, str(schedule_id))
        return await self.get(caller, schedule_id)

    async def pause(self, caller: Caller, schedule_id: UUID, reason: str = "") -> Schedule:
        """Let its due times pass without a run until it is resumed; each leaves its row. Raises Conflict."""
        schedule = await self._mine(caller, schedule_id)
        if schedule.paused_at is not None:
            raise Conflict(f"It is paused already, by {schedule.paused_by_name}. Nothing was changed.")
        return await self._set(caller, schedule_id, "schedule.pause", PAUSE, caller.name, reason)

    async def resume(self, caller: Caller, schedule_id: UUID) -> Schedule:
        """Go on; what was due meanwhile is not made up for: that is a backfill. Raises Conflict."""
        schedule = await self._mine(caller, schedule_id)
        if schedule.paused_at is None:
            raise Conflict("It is not paused. Nothing was changed.")
        return await self._set(caller, schedule_id, "schedule.resume", RESUME)

    async def delete(self, caller: Caller, schedule_id: UUID) -> None:
        """Delete a schedule: it is never due again; its firings and runs stay on record. Raises NotFound, Forbidden."""
        schedule = await self._mine(caller, schedule_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(DELETE, schedule_id)
            await record(
                connection, caller, "schedule.delete", f"schedule:{schedule_id}", before={"name": schedule.name}
            )
        self._wakeup.send(CHANGED_CHANNEL, str(schedule_id))

    async def mine(self, caller: Caller, schedule_id: UUID) -> Schedule:
        """A schedule that the caller may have fire. Raises NotFound, Forbidden."""
        return await self._mine(caller, schedule_id)

    async def _set(self, caller: Caller, schedule_id: UUID, action: str, query: str, *facts: str) -> Schedule:
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(query, schedule_id, *facts)
            after = {"reason": facts[1]} if len(facts) > 1 and facts[1] else None
            await record(connection, caller, action, f"schedule:{schedule_id}", after=after)
        return await self.get(caller, schedule_id)

    async def _mine(self, caller: Caller, schedule_id: UUID) -> Schedule:
        return _own(caller, await self.get(caller, schedule_id))

    async def _again(self, caller: Caller, schedule_id: ScheduleId, name: str, error: Exception) -> Schedule:
        try:
            return await self.get(caller, schedule_id)
        except NotFound:
            raise Conflict(f"There is already a schedule {name}. It was not changed.") from error


def may_change(caller: Caller, schedule: Schedule) -> bool:
    """Whether the schedule is the caller's to change."""
    is_own = schedule.created_by == caller.person_id and caller.may(Permission.SCHEDULES_WRITE)
    return is_own or (caller.may(Permission.SCHEDULES_WRITE) and caller.may(Permission.TASKS_WRITE_ALL))


def _own(caller: Caller, schedule: Schedule) -> Schedule:
    """The schedule again, if it is the caller's to change. Raises Forbidden."""
    if not may_change(caller, schedule):
        raise Forbidden(f"{schedule.name} is {schedule.created_by_name}'s. Make one of your own over its task.")
    return schedule


async def find_schedule(connection: Connection, schedule_id: UUID) -> Schedule:
    """The schedule, in a transaction that sees its tenant. Raises NotFound."""
    row = await connection.fetchrow(f"{SCHEDULES} where s.id = $1 and s.deleted_at is null", schedule_id)
    if row is None:
        raise NotFound("schedule", schedule_id)
    return schedule_of(row)


def schedule_of(row: Row) -> Schedule:
    """The schedule in a row."""
    names = (column.name for column in fields(Schedule) if column.name not in ("timing", "policy"))
    facts: dict[str, Any] = {name: row[name] for name in names}
    rules: dict[str, Any] = {name: row[name] for name in PLAIN}
    policy = replace(Policy(**rules), overlap=Overlap(row["overlap"]))
    timing = known_timing(row["timing"], row["time_zone"], row["start_at"], row["end_at"])
    return Schedule(timing=timing, policy=policy, **facts)


def columns(name: str, task_id: UUID, timing: Timing, policy: Policy) -> tuple[Any, ...]:
    """What is written of a schedule, in the order of the statements above."""
    rules = [policy.jitter_s, str(policy.overlap), policy.catch_up_s, policy.pause_on_failure, policy.remaining]
    return (
        name, task_id, timing.source, timing.time_zone, timing.start_at, timing.end_at, *rules, policy.parameters
    )  # fmt: skip


def _changed_timing(old: Timing, changes: Mapping[str, Any]) -> Timing:
    """The timing with what is to change; an old end that has passed may stay."""
    bounds: Payload = {"time_zone": old.time_zone, "start_at": old.start_at, "end_at": old.end_at}
    given = {name: changes[name] for name in (*TIMING, *BOUNDS) if name in changes}
    if not given:
        return old
    kept = {} if any(given.get(name) is not None for name in TIMING if name != "offset_s") else old.source
    return read_timing({**kept, **bounds, **given}, datetime.now(UTC))


async def _check_parameters(connection: Connection, task_id: UUID, policy: Policy) -> None:
    """The task takes these parameters. Raises NotFound, Invalid."""
    task = await find(connection, task_id)
    _, errors = values_of(task.recipe.parameters, policy.parameters)
    if errors:
        raise Invalid("The schedule cannot be used like this; nothing was saved.", tuple(errors))


def _shown(it: NewSchedule | Schedule) -> Payload:
    timing = it.timing if isinstance(it, NewSchedule) else it.timing.source
    shown = {name: str(value) if isinstance(value, datetime | timedelta) else value for name, value in timing.items()}
    return {"name": it.name, "task_id": str(it.task_id), "timing": shown, "overlap": str(it.policy.overlap)}
