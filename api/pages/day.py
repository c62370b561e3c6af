"""The last 24 hours on the home page: what ended, what was spent, hour by hour and agent by agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from api.engine import Engine
from api.pages.formats import Viewer, counted, money
from windlass.core.callers import Caller
from windlass.core.statistics import AgentTally, RunStatistics, Tally

HOURS = 24
HIGH = 54.0  # pixels of the highest bar
LOWEST = 2.0  # of an hour with a run
STEP = 100 / HOURS  # percent
LABEL_EVERY = 8  # hours
AGENTS = 4
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of one hour's column: how it looks, where it begins (percent), and from where how far up (pixels)."""

    look: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Hour:
    """One line of the chart's table."""

    at: datetime
    clock: str
    tally: Tally
    spent: str


@dataclass(frozen=True, slots=True)
class Spender:
    """What one agent, or all others, has cost; `share` is its part of the dearest, in percent."""

    name: str
    agent: str
    cost: str
    share: float


@dataclass(frozen=True, slots=True)
class Day:
    """The two panels of the home page."""

    total: Tally
    failed_share: str
    spent: str
    bars: tuple[Bar, ...]
    labels: tuple[tuple[float, str], ...]
    hours: tuple[Hour, ...]
    text: str
    spenders: tuple[Spender, ...]

    @classmethod
    async def load(cls, engine: Engine, caller: Caller, viewer: Viewer) -> "Day":
        """Count the last 24 hours, the one it is now included."""
        first = viewer.now.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * HOUR
        return draw_day(await engine.statistics.of_runs(caller, first, first + HOURS * HOUR), viewer)


def draw_day(found: RunStatistics, viewer: Viewer) -> Day:
    """Put the figures of 24 hours in their place."""
    by_hour = {each.hour: each.tally for each in found.hours}
    times = [found.since + place * HOUR for place in range(HOURS)]
    tallies = [by_hour.get(at, Tally()) for at in times]
    scale = HIGH / max(1, *(tally.ended for tally in tallies))
    bars = [bar for place, tally in enumerate(tallies) for bar in column(place, tally, scale)]
    clocks = [f"{at.astimezone(viewer.zone):%H:%M}" for at in times]
    labels = [(round(place * STEP, 2), clocks[place]) for place in range(0, HOURS - 2, LABEL_EVERY)]
    total = found.total
    table = zip(times, clocks, tallies, strict=True)
    hours = tuple(Hour(at, clock, tally, spent(tally)) for at, clock, tally in table if tally != Tally())
    return Day(
        total=total,
        failed_share=f"{100 * total.failed / total.ended:.1f}%" if total.failed else "",
        spent=spent(total),
        bars=tuple(bars),
        labels=tuple(labels),
        hours=hours,
        text=f"{counted(total.finished, 'run')} finished and {total.failed:,} failed in the last 24 hours",
        spenders=spenders(found.agents),
    )


def column(place: int, tally: Tally, scale: float) -> list[Bar]:
    """The pieces of one hour from the bottom up: finished, cancelled, failed."""
    looks = (("now" if place == HOURS - 1 else "done", tally.finished), ("stopped", tally.cancelled))
    counts = [each for each in (*looks, ("bad", tally.failed)) if each[1]]
    tops = [0.0]
    for _, count in counts:
        tops.append(tops[-1] + max(LOWEST, count * scale))
    x = round(place * STEP, 2)
    pieces = zip(counts, pairwise(tops), strict=True)
    return [Bar(look, x, round(HIGH - top, 1), round(top - low, 1)) for (look, _), (low, top) in pieces]


def spent(tally: Tally) -> str:
    """The money of some runs: nothing when no model was asked, unknown when one was and has no price."""
    return money(Decimal() if tally.cost_usd is None and not tally.model_calls else tally.cost_usd)


def spenders(agents: Sequence[AgentTally]) -> tuple[Spender, ...]:
    """The dearest agents, and the others as one."""
    paid = [(each.agent, each.tally.cost_usd) for each in agents if each.tally.cost_usd]
    shown = paid if len(paid) <= AGENTS + 1 else paid[:AGENTS]
    rest = paid[len(shown) :]
    named = [(name, name, cost) for name, cost in shown]
    if rest:
        named.append((f"{len(rest)} others", "", sum((cost for _, cost in rest), Decimal())))
    dearest = max((cost for *_, cost in named), default=Decimal(1))
    return tuple(
        Spender(name, agent, money(cost), round(float(100 * cost / dearest), 1)) for name, agent, cost in named
    )
