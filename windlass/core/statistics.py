"""What runs came to: how many ended how, and what they used, by hour and by agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import FieldError, Invalid
from windlass.core.permissions import Permission

LONGEST = timedelta(days=31)
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
class RunStatistics:
    """The runs of a time: all, by hour (those with runs), and by agent (the dearest first, at most 200)."""

    since: datetime
    until: datetime
    total: Tally
    hours: Sequence[HourTally]
    agents: Sequence[AgentTally]


class Statistics:
    """Figures about the runs a caller may see."""

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

    async def silent_since(self, caller: Caller) -> datetime | None:
        """When the run that is silent for longest has last written; None when none is at work.

        What sleeps is not silent, nor is what waits for people.
        """
        owner = None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetchval(SILENT, owner)


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
