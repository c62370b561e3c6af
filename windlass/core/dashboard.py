"""The dashboard: what works now, what failed, what was slow, and how every agent did over a day, a week or a month.

Counts are of all runs of the span: of the quarters of a day that are over they are taken from sums. Percentiles are of
samples that are bounded, so that a busy tenant waits no longer: of an agent its newest `SAMPLE` runs of the span, of a
part of the span its newest `SAMPLE` runs. What does not wait for one another is asked at once, on several connections.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import RunId
from windlass.contracts.runs import LIVE, RunStatus
from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.permissions import Permission
from windlass.core.sums import COUNTED, ENDS, ORIGIN, SUMMED, summed_until

SAMPLE = 500  # runs whose times make a percentile
MOST_AGENTS, MOST_ERRORS, MOST_ROWS = 50, 20, 10
FAILURES = 5000  # the newest ones are grouped
LOOKS = 2  # at once: each takes three of the ten connections that everybody shares
ENOUGH = 5  # finished runs from which on an agent's usual time is known
SLOW = 2.0  # times the usual, and above the 95th percentile

MINE = "ended_at >= $2 and ended_at < $3 and ($1::uuid is null or created_by = $1)"
TIMES = (
    "date_part('epoch', started_at - created_at) as queued, date_part('epoch', ended_at - started_at) as ran, status"
)
PERCENTILES = """
  percentile_cont(array[0.5, 0.95]) within group (order by queued) as queued,
  percentile_cont(array[0.5, 0.95]) within group (order by ran) filter (where status = 'finished') as ran
"""
COUNTS = f"""
with fine as materialized ({COUNTED})
select agent, at, {SUMMED} from fine group by grouping sets ((agent), (at))
"""  # noqa: S608 - constants
OF_AGENTS = f"""
select wanted.agent, sampled.* from unnest($4::text[]) wanted (agent) cross join lateral (
  select {PERCENTILES}, count(*) filter (where status = 'finished') as known from (
    select {TIMES} from run where agent = wanted.agent and {MINE} order by ended_at desc limit $5) newest) sampled
"""  # noqa: S608 - constants
OF_PARTS = f"""
with sample as materialized (
  select part.at, newest.* from generate_series(date_bin($4, $2, $6), $3, $4) part (at) cross join lateral (
    select {TIMES} from run where ended_at >= part.at and ended_at < part.at + $4 and {MINE}
    order by ended_at desc limit $5) newest)
select at, {PERCENTILES} from sample group by grouping sets ((at), ())
"""  # noqa: S608 - constants
BRIEF = "id, title, agent, status, created_by_name, created_at, started_at, ended_at, error"
LIVE_COUNTS = """
select status, count(*) as n from run
where status = any ($2) and archived_at is null and ($1::uuid is null or created_by = $1) group by status
"""
LONGEST = f"""
select {BRIEF} from unnest($2::text[]) kind (name) cross join lateral (
  select {BRIEF} from run where status = kind.name and archived_at is null and ($1::uuid is null or created_by = $1)
  order by created_at limit $3) oldest
order by created_at limit $3
"""  # noqa: S608 - constants
FAILED = f"""
select {BRIEF} from run where status = 'failed' and archived_at is null and {MINE} order by ended_at desc limit $4
"""  # noqa: S608 - constants
ERRORS = f"""
select error_group, count(*) as n, (array_agg(distinct agent))[1:5] as agents, min(ended_at) as first_at,
  max(ended_at) as last_at, (array_agg(id order by ended_at desc))[1] as run_id
from (select error_group, agent, ended_at, id from run where status = 'failed' and {MINE}
      order by ended_at desc limit $4) newest
group by error_group order by n desc, last_at desc limit $5
"""  # noqa: S608 - constants
SLOWEST = f"""
select run.id, title, run.agent, status, created_by_name, created_at, started_at, ended_at, error
from (
  select newest.id from unnest($4::text[], $5::float8[], $6::float8[]) wanted (agent, usual, least) cross join lateral (
    select id, date_part('epoch', ended_at - started_at) as ran from run where agent = wanted.agent and {MINE}
    order by ended_at desc limit $7) newest
  where newest.ran > wanted.least order by newest.ran / wanted.usual desc limit $8) slow
join run on run.id = slow.id where archived_at is null
"""  # noqa: S608 - constants


class Span(StrEnum):
    """How far back one looks."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length(self) -> timedelta:
        """The whole of it."""
        return timedelta(days={"24h": 1, "7d": 7, "30d": 30}[self])

    @property
    def part(self) -> timedelta:
        """What one bar of it stands for."""
        return timedelta(hours={"24h": 1, "7d": 6, "30d": 24}[self])


@dataclass(frozen=True, slots=True)
class Times:
    """The middle and the 95th percentile of some durations (seconds); None when none is known."""

    p50_s: float | None = None
    p95_s: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Runs that ended, by how; how long they had waited to begin, and how long those that finished took from there."""

    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    queue: Times = Times()
    run: Times = Times()

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.finished + self.failed + self.cancelled

    @property
    def success_rate(self) -> float | None:
        """The share that finished of those that nobody cancelled; None when there is none."""
        decided = self.finished + self.failed
        return self.finished / decided if decided else None


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """How one agent did."""

    agent: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class PartFigures:
    """What ended in the part of the span that begins at `at`."""

    at: datetime
    figures: Figures


@dataclass(frozen=True, slots=True)
class Glance:
    """A run in a few words; `usual_s` is what its agent usually takes, where that is known."""

    id: RunId
    title: str
    agent: str
    status: RunStatus
    created_by_name: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    ran_s: float | None
    usual_s: float | None
    is_slow: bool


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failures that say the same but for ids, numbers and what is quoted; `run_id` is the newest of them."""

    message: str
    count: int
    agents: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    run_id: RunId


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The runs of a span, and those that live."""

    span: Span
    since: datetime
    until: datetime
    live: Mapping[RunStatus, int]
    total: Figures
    parts: Sequence[PartFigures]
    agents: Sequence[AgentFigures]
    running: Sequence[Glance]
    failed: Sequence[Glance]
    slow: Sequence[Glance]
    errors: Sequence[ErrorGroup]


@dataclass(frozen=True, slots=True)
class _Usual:
    """What an agent usually takes, and more than what is slow (seconds)."""

    usual_s: float
    least_s: float


@dataclass(frozen=True, slots=True)
class _Query:
    """What to ask the database."""

    text: str
    arguments: Sequence[Any]


class Dashboards:
    """The dashboard as each caller may see it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks = asyncio.Semaphore(LOOKS)

    async def of(self, caller: Caller, span: Span, now: datetime) -> Dashboard:
        """Count the runs of the span until now: everybody's, or the caller's own."""
        owner = None if Permission.RUNS_READ_ALL in caller.permissions else caller.person_id
        since, until = begin_of(span, now), now + timedelta(minutes=1)  # what ends this moment counts
        mine, live = (owner, since, until), [str(each) for each in LIVE]
        of_parts = _Query(OF_PARTS, (*mine, span.part, SAMPLE, ORIGIN))
        at_hand = _Query(LIVE_COUNTS, (owner, live)), _Query(LONGEST, (owner, live, MOST_ROWS))
        gone_wrong = _Query(FAILED, (*mine, MOST_ROWS)), _Query(ERRORS, (*mine, FAILURES, MOST_ERRORS))
        async with self._looks:
            by_agent, (parts,), (lived, running, failed, errors) = await asyncio.gather(
                self._by_agent(caller, span, mine),
                self._ask(caller, of_parts),
                self._ask(caller, *at_hand, *gone_wrong),
            )
        counted, usual = by_agent.counted, by_agent.usual
        return Dashboard(
            span,
            since,
            until,
            live={RunStatus(row["status"]): row["n"] for row in lived},
            total=counted.total(parts),
            parts=counted.parts(parts, span, since),
            agents=[AgentFigures(row["agent"], counted.of_agent(row)) for row in by_agent.timed],
            running=[_glance(row, usual, now) for row in running],
            failed=[_glance(row, usual, now) for row in failed],
            slow=sorted((_glance(row, usual, now) for row in by_agent.slow), key=_how_slow, reverse=True),
            errors=[_group(row) for row in errors],
        )

    async def _by_agent(self, caller: Caller, span: Span, mine: tuple[UUID | None, datetime, datetime]) -> "_ByAgent":
        """What ended, how the busiest agents did, and which of their runs were slow: each needs what was before it."""
        async with self._database.tenant(caller.tenant_id) as connection:
            since = mine[1]
            summed = since if span is Span.DAY else await summed_until(connection, caller.tenant_id, since)
            counted = _Counted(await connection.fetch(COUNTS, *mine, span.part, ORIGIN, summed))
            timed = await connection.fetch(OF_AGENTS, *mine, counted.agents, SAMPLE)
            usual = {row["agent"]: found for row in timed if (found := _usual(row)) is not None}
            slow = await connection.fetch(SLOWEST, *mine, *_thresholds(usual), SAMPLE, MOST_ROWS)
        return _ByAgent(counted, timed, usual, slow)

    async def _ask(self, caller: Caller, *queries: _Query) -> list[Sequence[Row]]:
        """Some queries, one after the other."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [await connection.fetch(query.text, *query.arguments) for query in queries]


@dataclass(frozen=True, slots=True)
class _ByAgent:
    """What comes of agents."""

    counted: "_Counted"
    timed: Sequence[Row]
    usual: Mapping[str, _Usual]
    slow: Sequence[Row]


def begin_of(span: Span, now: datetime) -> datetime:
    """Where the first of the span's whole parts begins; the one it is now is the last."""
    return now - (now - ORIGIN) % span.part - span.length + span.part


class _Counted:
    """The runs that ended, by agent and by part of the span."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._agents: dict[str, Row] = {row["agent"]: row for row in rows if row["agent"] is not None}
        self._parts: dict[datetime, Row] = {row["at"]: row for row in rows if row["agent"] is None}

    @property
    def agents(self) -> list[str]:
        """Those with the most runs, the busiest first."""
        ended = {name: sum(row[status] for status in ENDS) for name, row in self._agents.items()}
        return sorted(ended, key=lambda name: (-ended[name], name))[:MOST_AGENTS]

    def of_agent(self, timed: Row) -> Figures:
        """One agent's figures."""
        return _figures(self._agents[timed["agent"]], timed)

    def parts(self, timed: Sequence[Row], span: Span, since: datetime) -> list[PartFigures]:
        """Every part of the span, those without a run too."""
        known = {row["at"]: row for row in timed if row["at"] is not None}
        starts = [since + place * span.part for place in range(span.length // span.part)]
        return [PartFigures(at, _figures(self._parts.get(at, {}), known.get(at))) for at in starts]

    def total(self, timed: Sequence[Row]) -> Figures:
        """All of them."""
        summed = {status: sum(row[status] for row in self._parts.values()) for status in ENDS}
        return _figures(summed, next((row for row in timed if row["at"] is None), None))


def _figures(counts: Mapping[str, int], timed: Row | None) -> Figures:
    queue, run = (Times(), Times()) if timed is None else (Times(*timed["queued"] or ()), Times(*timed["ran"] or ()))
    return Figures(**{status: counts.get(status, 0) for status in ENDS}, queue=queue, run=run)


def _usual(timed: Row) -> _Usual | None:
    """What an agent usually takes; None while too few of its runs have finished."""
    if timed["known"] < ENOUGH:
        return None
    usual, late = timed["ran"]
    return _Usual(usual, max(late, usual * SLOW))


def _thresholds(usual: Mapping[str, _Usual]) -> tuple[list[str], list[float], list[float]]:
    known = usual.values()
    return list(usual), [max(each.usual_s, 0.001) for each in known], [each.least_s for each in known]


def _glance(row: Row, usual: Mapping[str, _Usual], now: datetime) -> Glance:
    known, began = usual.get(row["agent"]), row["started_at"]
    ran_s = None if began is None else ((row["ended_at"] or now) - began).total_seconds()
    said: Payload = row["error"] or {}
    return Glance(
        **{
            name: row[name]
            for name in ("id", "title", "agent", "created_by_name", "created_at", "started_at", "ended_at")
        },
        status=RunStatus(row["status"]),
        error=": ".join(str(said[name]).split("\n")[0][:300] for name in ("type", "message") if said.get(name)),
        ran_s=ran_s,
        usual_s=known and known.usual_s,
        is_slow=known is not None and ran_s is not None and ran_s > known.least_s,
    )


def _how_slow(run: Glance) -> float:
    return (run.ran_s or 0) / max(run.usual_s or 0, 0.001)


def _group(row: Row) -> ErrorGroup:
    times = (row["first_at"], row["last_at"])
    return ErrorGroup(row["error_group"] or "", row["n"], tuple(row["agents"]), *times, RunId(row["run_id"]))
