"""Deciding about a due time: one transaction writes the firing's row, its event, and the run it starts."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from windlass.contracts.events import EventKind
from windlass.contracts.firings import Decision, Overlap
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.contracts.runs import RunStatus
from windlass.core.agenda import Lost
from windlass.core.agents import find_agent
from windlass.core.beginnings import Beginning
from windlass.core.calendars import surplus_reason
from windlass.core.callers import Caller, member
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.form_secrets import FormSecrets
from windlass.core.live_runs import LIVE_STATUSES
from windlass.core.parameters import values_of
from windlass.core.permissions import Permission
from windlass.core.runs import RUN_COLUMNS, Run, record_run, run_of, run_row
from windlass.core.schedules import SCHEDULES, Schedule, schedule_of
from windlass.core.tasks import find, opened, previous, wish
from windlass.core.templates import Variables, fill_in
from windlass.core.vault import SecretSealed
from windlass.core.wakeup import Wakeup

ON_TIME = timedelta(seconds=5)
LOST = "everything was down for more than a day; backfill what is still wanted"

OTHERS = f"""
select r.id, r.title, r.status, r.held, r.created_at from task_run o join run r on r.root_id = o.root_id
where o.schedule_id = $1 and r.status in {LIVE_STATUSES}
  and ($2::uuid is null or r.created_at < (select own.created_at from run own where own.id = $2)) order by r.created_at
"""  # noqa: S608 - constants
FAILED_SINCE = """
select r.id, r.ended_at from task_run o join run r on r.root_id = o.root_id
where o.schedule_id = $1 and r.status = 'failed' and r.ended_at > coalesce($2::timestamptz, '-infinity')
order by r.ended_at desc limit 1
"""
DECIDED = """
insert into firing (id, tenant_id, schedule_id, kind, scheduled_at, decided_at, decision, reason, run_id)
values ($1, $2, $3, 'due', $4, $5, $6, $7, $8)
on conflict (id) do update set decided_at = excluded.decided_at, decision = excluded.decision, reason = excluded.reason,
  run_id = excluded.run_id
"""

EARLIEST = """
select f.id from firing own join firing f on f.schedule_id = own.schedule_id and f.scheduled_at < own.scheduled_at
where own.id = $1 and own.kind = 'backfill' and own.decision is null and f.kind = 'backfill' and f.decision is null
order by f.scheduled_at limit 1
"""
ADD_LOST = """
insert into firing (id, tenant_id, schedule_id, kind, scheduled_at, until, count, decided_at, decision, reason)
values ($1, $2, $3, 'lost', $4, $5, $6, $7, 'unknown', $8) on conflict (id) do nothing returning true
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A due time to be decided about; or, with the row of a trigger or a backfill, that one."""

    tenant_id: TenantId
    schedule_id: UUID
    scheduled_at: datetime
    firing_id: UUID | None = None
    kind: str = "due"
    overlap: Overlap | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided. `waits`: its run is held until another one has ended."""

    decision: Decision
    reason: str
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided, with the run that was recorded; `run` is None when nothing is to be started now."""

    firing_id: UUID
    decision: Decision
    reason: str
    run: Run | None = None
    stopped: tuple[RunId, ...] = ()
    seq: int = 0  # of its event in the tenant's own log


class Decisions:
    """What becomes of due times."""

    def __init__(self, database: Database, wakeup: Wakeup, secrets: FormSecrets) -> None:
        self._database, self._wakeup, self._secrets = database, wakeup, secrets

    async def decide(self, asked: Asked, now: datetime) -> Decided:
        """Decide, record, end the other runs where that is meant. Whoever asks again gets the first answer.

        What is made up for is decided about in the order of its due times: whoever comes decides about the earliest
        one that is open, until its own is.
        """
        while (decided := await self._decide(asked, now)) is None:
            pass
        return decided

    async def _decide(self, wanted: Asked, now: datetime) -> Decided | None:
        """Decide about what is wanted; None: about an earlier one, so come again."""
        asked = wanted
        async with self._database.tenant(asked.tenant_id) as connection:
            row = await connection.fetchrow(f"{SCHEDULES} where s.id = $1 for update of s", asked.schedule_id)
            if row is None:
                return Decided(new_id(), Decision.REFUSED, "the schedule is gone")
            earliest = asked.firing_id and await connection.fetchval(EARLIEST, asked.firing_id)
            if earliest:
                asked = replace(asked, firing_id=earliest)
            known = await _known(connection, asked)
            asked = _completed(asked, known)
            if known is not None and known["decision"] is not None:
                decided = await _again(connection, known)
            else:
                decided = await self._judge_and_record(connection, asked, schedule_of(row), now)
        self._wakeup.poke(asked.tenant_id, asked.tenant_id, decided.seq)
        if decided.run is not None:
            self._wakeup.poke(asked.tenant_id, decided.run.id, 1, changed=True)
        stop = asked.overlap or Overlap(row["overlap"])
        done = await self._stop_others(asked, decided, stop)
        return None if earliest else done

    async def note_lost(self, lost: Lost, now: datetime) -> bool:
        """Record due times nobody can decide about any more, as one line. The second time nothing happens."""
        firing_id = uuid5(lost.schedule_id, lost.first.isoformat())
        payload: dict[str, Any] = {"id": str(firing_id), "schedule": {"id": str(lost.schedule_id)}, "kind": "lost"}
        payload |= {"scheduled_at": lost.first.isoformat(), "until": lost.last.isoformat(), "count": lost.count}
        payload |= {"decision": str(Decision.UNKNOWN), "reason": LOST, "run_id": None}
        facts = (lost.schedule_id, lost.first, lost.last, lost.count, now, LOST)
        async with self._database.tenant(lost.tenant_id) as connection:
            added = await connection.fetchval(ADD_LOST, firing_id, lost.tenant_id, *facts)
            if added:
                await _append(connection, lost.tenant_id, firing_id, payload)
        return added is not None

    async def _judge_and_record(
        self, connection: Connection, asked: Asked, schedule: Schedule, now: datetime
    ) -> Decided:
        verdict = await self._verdict(connection, asked, schedule, now)
        run: Run | None = None
        if verdict.decision in (Decision.STARTED, Decision.LATE, Decision.BUFFERED):
            try:
                async with connection.transaction():
                    run = await self._record_run(connection, asked, schedule, now, held=verdict.waits)
            except (Conflict, Invalid, NotFound, SecretSealed) as error:
                verdict = Verdict(*_failure(error))
        firing_id = asked.firing_id or new_id()
        facts = (asked.scheduled_at, now, str(verdict.decision), verdict.reason, run and run.id)
        await connection.execute(DECIDED, firing_id, asked.tenant_id, asked.schedule_id, *facts)
        if run is not None and schedule.policy.remaining is not None:
            await _count_down(connection, schedule)
        seq = await _tell(connection, asked, schedule, firing_id, verdict, run)
        return Decided(firing_id, verdict.decision, verdict.reason, None if verdict.waits else run, seq=seq)

    async def _verdict(self, connection: Connection, asked: Asked, schedule: Schedule, now: datetime) -> Verdict:
        """What becomes of it, before a run is made; `started` may still turn out to be refused or failed."""
        refusal = await _refusal(connection, asked, schedule)
        if refusal:
            return Verdict(Decision.REFUSED, refusal)
        late = now - asked.scheduled_at - timedelta(seconds=schedule.policy.jitter_s)
        if asked.kind == "due":
            skipped = await _skipped(connection, asked, schedule, late)
            if skipped:
                return Verdict(Decision.SKIPPED, skipped)
        started = _started(asked, late)
        others = await connection.fetch(OTHERS, schedule.id, None)
        return started if not others else _overlapping(asked.overlap or schedule.policy.overlap, started, others)

    async def _record_run(
        self, connection: Connection, asked: Asked, schedule: Schedule, now: datetime, *, held: bool
    ) -> Run:
        """Fill the task in and record its run. Raises Invalid, NotFound, Conflict (its agent runs elsewhere)."""
        task = await find(connection, schedule.task_id)
        values, errors = values_of(task.recipe.parameters, schedule.policy.parameters)
        if errors:
            raise Invalid("The parameters of the schedule do not fit its task any more.", tuple(errors))
        caller = await _owner(connection, asked, schedule)
        zone = schedule.timing.clock.zone
        kept = opened(self._secrets, caller.tenant_id, task.recipe)
        variables = Variables(
            now.astimezone(zone),
            asked.scheduled_at.astimezone(zone),
            await previous(connection, caller, task.id, kept.inputs),
            values,
        )
        inputs = await fill_in(kept.inputs, variables)
        agent = (await find_agent(connection, task.recipe.agent)).of_ours()
        wanted = wish(task, replace(kept, inputs=inputs), values, None)
        assert wanted.origin is not None  # noqa: S101 - a task's wish has one
        origin = replace(wanted.origin, schedule_id=schedule.id, firing_id=asked.firing_id)
        row, beginning = run_row(caller, agent, wanted), Beginning(origin=origin, typed_by=wanted.typed_by)
        run = await record_run(connection, caller, *self._secrets.cover(caller, agent.elements, row, beginning))
        if held:
            await connection.execute("delete from outbox where run_id = $1", run.id)
            await connection.execute("update run set held = true where id = $1", run.id)
        return run

    async def _stop_others(self, asked: Asked, decided: Decided, overlap: Overlap) -> Decided:
        """End the runs before its own, each in a transaction of its own. The second time they have ended."""
        started = decided.decision in (Decision.STARTED, Decision.LATE)
        if overlap not in (Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER) or not started:
            return decided
        query = "select run_id from firing where id = $1"
        async with self._database.tenant(asked.tenant_id) as connection:
            own = await connection.fetchval(query, decided.firing_id)
            others = [row["id"] for row in await connection.fetch(OTHERS, asked.schedule_id, own)]
        for other in others:
            await self._stop(asked.tenant_id, other, overlap)
        return replace(decided, stopped=tuple(others))

    async def _stop(self, tenant_id: TenantId, run_id: UUID, overlap: Overlap) -> None:
        reason = "the next run of its schedule was due"
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute("select from stream where id = $1 for no key update", run_id)  # as every writer
            await connection.execute("select from cancel_run($1, $2, $3)", tenant_id, run_id, reason)
            if overlap is Overlap.TERMINATE_OTHER:
                payload = {"status": str(RunStatus.CANCELLED), "reason": reason}
                facts = (None, ["schedule"], [1], [str(EventKind.STATUS)], [payload])
                await connection.execute(
                    "select from run_append($1, $2, $3, $4, $5, $6, $7)", tenant_id, run_id, *facts
                )
        self._wakeup.poke(tenant_id, run_id, 0, changed=True)


async def _known(connection: Connection, asked: Asked) -> Row | None:
    """The firing's row, if there is one."""
    if asked.firing_id is not None:
        return await connection.fetchrow("select * from firing where id = $1", asked.firing_id)
    query = "select * from firing where schedule_id = $1 and scheduled_at = $2 and kind = 'due'"
    return await connection.fetchrow(query, asked.schedule_id, asked.scheduled_at)


def _completed(asked: Asked, known: Row | None) -> Asked:
    """What was asked with what its row says."""
    if known is None:
        return replace(asked, firing_id=new_id())
    overlap = Overlap(known["overlap"]) if known["overlap"] else None
    facts: dict[str, Any] = {"kind": known["kind"], "overlap": overlap, "by": known["asked_by_name"]}
    return replace(asked, firing_id=known["id"], scheduled_at=known["scheduled_at"], **facts)


async def _again(connection: Connection, known: Row) -> Decided:
    """The first answer once more; a run that waits or has ended is not started by it."""
    query = f"select {RUN_COLUMNS} from run where id = $1 and not held and not is_terminal(status)"  # noqa: S608 - constant
    row = await connection.fetchrow(query, known["run_id"])
    run = None if row is None else run_of(row)
    return Decided(known["id"], Decision(known["decision"]), known["reason"], run)


async def _refusal(connection: Connection, asked: Asked, schedule: Schedule) -> str:
    """Why nothing may start: what is gone or was taken away is never revived."""
    if schedule.deleted_at is not None:
        return "the schedule was deleted"
    if schedule.ended_at is not None and asked.kind == "due":
        return "the schedule has ended"
    if await connection.fetchval("select deleted_at is not null from task where id = $1", schedule.task_id):
        return f"the task {schedule.task_name} was deleted"
    owner = None if schedule.created_by is None else await member(connection, asked.tenant_id, schedule.created_by)
    if owner is None:
        return f"{schedule.created_by_name}, who made it, is not in the organisation any more"
    if not owner.may(Permission.RUNS_START):
        return f"{schedule.created_by_name}, who made it, may not start runs any more"
    return ""


async def _skipped(connection: Connection, asked: Asked, schedule: Schedule, late: timedelta) -> str:
    """Why a due time passes without a run, whatever else goes on."""
    if schedule.paused_at is not None:
        because = f": {schedule.pause_reason}" if schedule.pause_reason else ""
        return f"paused by {schedule.paused_by_name}{because}"
    if schedule.policy.pause_on_failure:
        failed = await connection.fetchrow(FAILED_SINCE, schedule.id, schedule.resumed_at)
        if failed is not None:
            await _pause(connection, schedule, failed)
            return f"paused: a run of it failed at {failed['ended_at']:%H:%M} UTC"
    surplus = surplus_reason(schedule.timing, asked.scheduled_at)
    if surplus:
        return surplus
    if late > timedelta(seconds=schedule.policy.catch_up_s):
        return f"{span(late)} late; at most {span(timedelta(seconds=schedule.policy.catch_up_s))} are made up for"
    return ""


async def _pause(connection: Connection, schedule: Schedule, failed: Row) -> None:
    query = """
    update schedule set paused_at = clock_timestamp(), paused_by_name = 'Windlass', pause_reason = $2 where id = $1
    """
    await connection.execute(query, schedule.id, f"a run of it failed at {failed['ended_at']:%Y-%m-%d %H:%M} UTC")


def _started(asked: Asked, late: timedelta) -> Verdict:
    if asked.kind == "trigger":
        return Verdict(Decision.STARTED, f"triggered by {asked.by}")
    if asked.kind == "backfill":
        return Verdict(Decision.STARTED, f"made up for by {asked.by}")
    if late <= ON_TIME:
        return Verdict(Decision.STARTED, f"on time, +{max(late.total_seconds(), 0):.1f}s")
    return Verdict(Decision.LATE, f"{span(late)} late, within what is made up for")


def _overlapping(overlap: Overlap, started: Verdict, others: Any) -> Verdict:
    """What becomes of it when runs of the schedule are live."""
    first = others[0]
    going = f"the run of {first['created_at']:%Y-%m-%d %H:%M} UTC still goes on ({first['status']})"
    match overlap:
        case Overlap.ALLOW_ALL:
            return replace(started, reason=f"{started.reason}; {going} beside it")
        case Overlap.BUFFER_ALL:
            return Verdict(Decision.BUFFERED, f"{going}; it starts when that ends", waits=True)
        case Overlap.BUFFER_ONE if not any(other["held"] for other in others):
            return Verdict(Decision.BUFFERED, f"{going}; it starts when that ends", waits=True)
        case Overlap.BUFFER_ONE:
            return Verdict(Decision.SKIPPED, f"{going}, and one waits already")
        case Overlap.CANCEL_OTHER:
            reason = f"{started.reason}; {going} and was cancelled for it"
            return replace(started, reason=reason, waits=True)
        case Overlap.TERMINATE_OTHER:
            return replace(started, reason=f"{started.reason}; {going} and was ended for it")
        case _:
            return Verdict(Decision.SKIPPED, going)


def _failure(error: Conflict | Invalid | NotFound | SecretSealed) -> tuple[Decision, str]:
    """A run that could not be made: what is not there, or not here, is refused, what does not fit has failed."""
    if isinstance(error, NotFound):
        return Decision.REFUSED, f"{error.detail.rstrip('.')} any more"
    if isinstance(error, Conflict):
        return Decision.REFUSED, error.detail[:1000]
    found = error.errors if isinstance(error, Invalid) else ()
    fields = "; ".join(f"{each.field} {each.message}" for each in found[:5])
    return Decision.FAILED, f"{error.detail} {fields}".strip()[:1000]


async def _owner(connection: Connection, asked: Asked, schedule: Schedule) -> Caller:
    """Whoever made the schedule, with what their role allows now: its runs are theirs."""
    owner = None if schedule.created_by is None else await member(connection, asked.tenant_id, schedule.created_by)
    if owner is None:
        raise NotFound("owner of the schedule", schedule.created_by_name)
    return owner


async def _count_down(connection: Connection, schedule: Schedule) -> None:
    """One firing less; with the last one the schedule ends."""
    query = """
    update schedule set remaining = greatest(remaining - 1, 0),
      ended_at = case when remaining <= 1 then clock_timestamp() else ended_at end,
      revision = revision + (remaining <= 1)::int where id = $1
    """
    await connection.execute(query, schedule.id)


async def _tell(
    connection: Connection, asked: Asked, schedule: Schedule, firing_id: UUID, verdict: Verdict, run: Run | None
) -> int:
    """Say it in the tenant's own log; answers its seq."""
    payload: dict[str, Any] = {
        "id": str(firing_id),
        "schedule": {"id": str(schedule.id), "name": schedule.name},
        "kind": asked.kind,
        "scheduled_at": asked.scheduled_at.isoformat(),
        "decision": str(verdict.decision),
        "reason": verdict.reason,
        "run_id": run and str(run.id),
    }
    return await _append(connection, asked.tenant_id, firing_id, payload)


async def _append(connection: Connection, tenant_id: TenantId, firing_id: UUID, payload: dict[str, Any]) -> int:
    await connection.execute("select open_stream($1, $1, 'tenant')", tenant_id)
    facts = ([f"firing:{firing_id}"], [1], [str(EventKind.FIRING)], [payload])
    return await connection.fetchval("select seq from append_events($1, $1, null, $2, $3, $4, $5)", tenant_id, *facts)


def span(length: timedelta) -> str:
    """A length of time, short: `12s`, `3m 05s`, `1h 04m`, `2d 3h`."""
    seconds = int(length.total_seconds())
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{minutes}m {seconds % 60:02d}s"
    return f"{hours}h {minutes % 60:02d}m" if days == 0 else f"{days}d {hours % 24}h"
