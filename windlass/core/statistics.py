"""What runs came to: how many ended how, and what they used, by hour and by agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import FieldError, Invalid
from windlass.core.permissions import Permission
from windlass.core.sums import COUNTED, ORIGIN, summed_until

LONGEST = timedelta(days=31)
DAYS, SAMPLE = 30, 100  # so many of an agent's newest runs say what is usual
AT_WORK = """
select (select count(*) from session where deleted_at is null and ($1::uuid is null or owner = $1)
          and status in ('running', 'awaiting')) as sessions,
       (select count(*) from desktop where deleted_at is null and ($2::uuid is null or owner = $2)
          and status = 'busy') as desktops
"""
OF_AGENTS = f"""
select agent, sum(finished)::bigint as finished, array_agg(finished + failed + cancelled) as ended,
  array_agg((extract(epoch from at - $2) / 86400)::int) as days
from ({COUNTED}) counted group by agent
"""  # noqa: S608 - constants
USUAL = """
select wanted.agent, sampled.* from unnest($3::text[]) wanted (agent) cross join lateral (
  select percentile_cont(0.5) within group (order by ran) as took_s,
    percentile_disc(0.5) within group (order by cost_usd) as cost_usd
  from (select extract(epoch from ended_at - started_at)::double precision as ran, cost_usd from run
        where agent = wanted.agent and status = 'finished' and ended_at >= $2 and ($1::uuid is null or created_by = $1)
        order by ended_at desc limit $4) newest) sampled
"""
SILENT = """
select min(last.at) from run r
cross join lateral (select e.at from event e where e.stream_id = r.id order by e.seq desc limit 1) last
where r.status in ('starting', 'running') and r.archived_at is null and ($1::uuid is null or r.created_by = $1)
  and not exists (select from step s where s.run_id = r.id and s.state = 'started' and s.until > clock_timestamp())
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs that ended, by how; those that still live; and what all of them used. An unknown cost is None."""

    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    live: int = 0
    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.finished + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class HourTally:
    """The runs of one hour."""

    hour: datetime
    tally: Tally


@dataclass(frozen=True, slots=True)
class AgentTally:
    """The runs of one agent."""

    agent: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class Record:
    """How an agent has done: runs that ended, the middle of what a finished one took and cost, and how many a day."""

    ended: int = 0
    finished: int = 0
    took_s: float | None = None
    cost_usd: Decimal | None = None
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """The runs of a time: all, by hour (those with runs), and by agent (the dearest first, at most 200)."""

    since: datetime
    until: datetime
    total: Tally
    hours: Sequence[HourTally]
    agents: Sequence[AgentTally]


@dataclass(frozen=True, slots=True)
class AtWork:
    """What is at work besides runs: sessions with a turn under way, and desktops with a task."""

    sessions: int
    desktops: int


class Statistics:
    """Figures about what a caller may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_runs(self, caller: Caller, since: datetime, until: datetime) -> RunStatistics:
        """Count the runs that ended from `since` to before `until`, and those that live. Raises Invalid."""
        if not timedelta() < until - since <= LONGEST:
            raise Invalid("Nothing was counted.", (FieldError("since", "must lie before until, by at most 31 days"),))
        owner = None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id
        query = "select * from run_statistics($1, $2, $3, $4)"
        async with self._database.open() as connection:
            rows = await connection.fetch(query, caller.tenant_id, owner, since, until)
        hours = [HourTally(row["hour"], _tally(row)) for row in rows if row["agent"] is None]
        agents = [AgentTally(row["agent"], _tally(row)) for row in rows if row["agent"] is not None]
        return RunStatistics(since, until, _sum([hour.tally for hour in hours]), hours, agents)

    async def at_work(self, caller: Caller) -> AtWork:
        """Count the sessions and desktops at work that the caller may see."""
        persons = [
            None if permission in caller.permissions else caller.person_id
            for permission in (Permission.SESSIONS_READ_ALL, Permission.DESKTOPS_READ_ALL)
        ]
        async with self._database.tenant(caller.tenant_id) as connection:
            (row,) = await connection.fetch(AT_WORK, *persons)
        return AtWork(row["sessions"], row["desktops"])

    async def of_agents(self, caller: Caller, now: datetime) -> dict[str, Record]:
        """How every agent did in the last 30 days, today the last of them; an agent without runs is left out.

        What is usual is said by its newest 100 runs that finished.
        """
        owner = None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        first = midnight - timedelta(days=DAYS - 1)
        parts = (now + timedelta(minutes=1), timedelta(days=1), ORIGIN)
        async with self._database.tenant(caller.tenant_id) as connection:
            summed = await summed_until(connection, caller.tenant_id, first)
            rows = await connection.fetch(OF_AGENTS, owner, first, *parts, summed)
            usual = await connection.fetch(USUAL, owner, first, [row["agent"] for row in rows], SAMPLE)
        times = {row["agent"]: (row["took_s"], row["cost_usd"]) for row in usual}
        return {row["agent"]: _record(row, *times[row["agent"]]) for row in rows}

    async def silent_since(self, caller: Caller) -> datetime | None:
        """When the run that is silent for longest has last written; None when none is at work.

        What sleeps is not silent, nor is what waits for people.
        """
        owner = None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetchval(SILENT, owner)


def _record(row: Row, took_s: float | None, cost_usd: Decimal | None) -> Record:
    """How an agent did, of its counts by day and of what is usual."""
    days = [0] * DAYS
    for day, ended in zip(row["days"], row["ended"], strict=True):
        days[min(day, DAYS - 1)] += ended
    return Record(sum(days), row["finished"], took_s, cost_usd, tuple(days))


def _tally(row: Row) -> Tally:
    return Tally(**{name: value for name, value in row.items() if name not in ("hour", "agent")})


def _sum(tallies: Sequence[Tally]) -> Tally:
    costs = [each.cost_usd for each in tallies if each.cost_usd is not None]
    return Tally(
        finished=sum(each.finished for each in tallies),
        failed=sum(each.failed for each in tallies),
        cancelled=sum(each.cancelled for each in tallies),
        live=sum(each.live for each in tallies),
        model_calls=sum(each.model_calls for each in tallies),
        input_tokens=sum(each.input_tokens for each in tallies),
        output_tokens=sum(each.output_tokens for each in tallies),
        cost_usd=sum(costs, Decimal()) if costs else None,
    )
