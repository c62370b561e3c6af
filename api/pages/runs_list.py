"""The list of runs: which ones, as rows, and the way to the others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import Field

from api.engine import Engine
from api.pages.formats import Clock, Viewer, at_least, money, short_id, took
from api.pages.start_form import as_id
from api.pages.strip import Strip, draw_strip
from api.paging import Cursors, ListQuery
from api.routes.runs import RunQuery
from windlass.contracts.agents import CLAUDE
from windlass.contracts.runs import LIVE, TERMINAL, RunStatus
from windlass.core.callers import Caller
from windlass.core.run_steps import Step
from windlass.core.run_tallies import MOST_COUNTED
from windlass.core.runs import Run, RunFilter

MOST_FOLLOWED = 60  # rows a page keeps true by itself: their ids stand in one address
ENDED = tuple(TERMINAL)
WAITING = "waiting"  # runs with an open question, whatever else they do
GROUPS: Mapping[str, tuple[RunStatus, ...]] = {
    "live": LIVE,
    "failed": (RunStatus.FAILED,),
    "finished": (RunStatus.FINISHED,),
    "cancelled": (RunStatus.CANCELLED,),
}
PERIODS = {"today": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
PERIOD_NAMES = {"": "Any time", "today": "Today", "week": "This week", "month": "This month"}
VIEWS: Mapping[str, Mapping[str, str]] = {
    "Today": {"since": "today"},
    "Mine": {"owner": "me"},
    "Failed this week": {"status": "failed", "since": "week"},
    "Over $5": {"over": "5"},
}
SHAPES = {WAITING: "awaiting", "live": "running", "failed": "failed", "finished": "finished", "cancelled": "cancelled"}


class RunsQuery(ListQuery):
    """The filters of the list, as they stand in the address."""

    status: str = Field("", max_length=20)
    agent: str = Field("", max_length=200)
    tag: str = Field("", max_length=100)
    q: str = Field("", max_length=200)
    since: str = Field("", max_length=10)
    task: str = Field("", max_length=36)
    owner: str = Field("", max_length=2)
    over: str = Field("", max_length=10)

    def wanted(self, caller: Caller, now: datetime) -> RunFilter:
        """The filter of the API that the words of the address stand for, as the core asks for it."""
        period = PERIODS.get(self.since)
        query = RunQuery(
            limit=self.limit,
            after=None,
            status=list(GROUPS.get(self.status, ())),
            agent=self.agent or None,
            tag=self.tag or None,
            q=self.q or None,
            since=None if period is None else now.replace(second=0, microsecond=0) - period,
            task=as_id(self.task) if self.task else None,
            mine=self.owner == "me",
            cost_above_usd=self.least_cost,
            waiting=self.status == WAITING,
        )
        return query.wanted(caller)

    @property
    def least_cost(self) -> Decimal | None:
        """What a run must have cost more than; what is no amount narrows nothing."""
        return Decimal(self.over) if re.fullmatch(r"\d{1,6}(\.\d{1,2})?", self.over, re.ASCII) else None

    def url(self, path: str = "/runs", **changes: str) -> str:
        """The address of the list with some filters changed; the place in the list is given up."""
        text = urlencode({name: each for name, each in (self.filters() | changes).items() if each})
        return f"{path}?{text}" if text else path

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the list."""
        return any(self.filters().values())


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a list."""

    id: UUID
    short_id: str
    title: str
    agent: str
    status: str
    is_live: bool
    tries: str
    strip: Strip
    what_now: str
    asks: bool
    took: Clock
    cost: str
    started_at: datetime
    started: str
    started_by: str
    standin: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the list a page ends."""

    key: tuple[datetime, UUID]
    is_live: bool

    @classmethod
    def read(cls, cursor: Sequence[Any] | None) -> "Spot | None":
        """The same from a cursor; None without one."""
        return None if cursor is None else cls((datetime.fromisoformat(cursor[0]), UUID(cursor[1])), cursor[2])


@dataclass(frozen=True, slots=True)
class View:
    """A choice of filters with a name."""

    name: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """One group of states with its number."""

    name: str
    shape: str
    count: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """The values of `runs.html`."""

    rows: tuple[RunRow, ...]
    views: tuple[View, ...]
    segments: tuple[Segment, ...]
    query: RunsQuery
    older: str
    is_first: bool

    @classmethod
    async def load(
        cls, engine: Engine, caller: Caller, cursors: Cursors, query: RunsQuery, viewer: Viewer
    ) -> "ListPage":
        """Read one page of the list."""
        cursor = cursors.read(caller, "pages/runs", query)
        wanted = query.wanted(caller, viewer.now)
        found = await active_first(engine, caller, wanted, query.limit + 1, Spot.read(cursor))
        items, following = cursors.page(caller, "pages/runs", query, found, place)
        counts = await engine.tallies.counts(caller)
        older = f"{query.url()}{'&' if query.is_filtered else '?'}after={following}" if following else ""
        rows = await load_rows(engine, caller, items, viewer)
        asking = len(await engine.questions.asking(caller))
        return cls(rows, views(query), segments(query, counts, asking), query, older, cursor is None)

    @property
    def stream_view(self) -> str:
        """What the stream must know to keep the rows true."""
        rows = ".".join(row.id.hex for row in self.rows[:MOST_FOLLOWED])
        newest = {"newest": "1", "back": self.address} if self.is_first and not self.query.is_filtered else {}
        return urlencode({"rows": rows, **newest})

    @property
    def address(self) -> str:
        """The address of exactly this view."""
        return self.query.url()

    @property
    def periods(self) -> tuple[View, ...]:
        """Since when, to choose from."""
        return tuple(
            View(name, self.query.url(since=since), self.query.since == since) for since, name in PERIOD_NAMES.items()
        )

    @property
    def period(self) -> str:
        """Since when, in words."""
        return PERIOD_NAMES.get(self.query.since, PERIOD_NAMES[""])


def place(run: Run) -> tuple[Any, ...]:
    """Where a run stands in the list."""
    return run.created_at.isoformat(), str(run.id), run.is_live


async def active_first(
    engine: Engine, caller: Caller, wanted: RunFilter, limit: int, after: Spot | None = None
) -> list[Run]:
    """The runs that live, then those that have ended, each the newest first; chosen states keep to the time alone."""
    newest = engine.runs.newest
    if wanted.status:
        return await newest(caller, wanted, limit=limit, after=after and after.key)
    live: list[Run] = []
    if after is None or after.is_live:
        live = await newest(caller, replace(wanted, status=LIVE), limit=limit, after=after and after.key)
    ended_after = None if after is None or after.is_live else after.key
    room = limit - len(live)
    ended = await newest(caller, replace(wanted, status=ENDED), limit=room, after=ended_after) if room else []
    return live + ended


def views(query: RunsQuery) -> tuple[View, ...]:
    """The usual choices; the one that is shown is left by choosing it again."""
    shown = {name: text for name, text in query.filters().items() if text}
    return tuple(
        View(name, "/runs" if shown == chosen else RunsQuery.model_validate(chosen).url(), shown == chosen)
        for name, chosen in VIEWS.items()
    )


def segments(query: RunsQuery, counts: Mapping[RunStatus, int], asking: int) -> tuple[Segment, ...]:
    """All, those that wait for people, and each group of states."""
    groups = [("", "All", list(counts.values())), (WAITING, "Waiting", [asking])]
    groups += [(name, name.capitalize(), [counts.get(each, 0) for each in kinds]) for name, kinds in GROUPS.items()]
    return tuple(
        Segment(
            title, SHAPES.get(name, ""), at_least(numbers, MOST_COUNTED), query.url(status=name), query.status == name
        )
        for name, title, numbers in groups
    )


async def load_rows(engine: Engine, caller: Caller, runs: Sequence[Run], viewer: Viewer) -> tuple[RunRow, ...]:
    """The runs as rows, with their steps."""
    if not runs:
        return ()
    ids = [run.id for run in runs]
    steps, asking = await engine.runs.steps(caller, ids), await engine.questions.asking(caller, ids)
    return tuple(row(run, steps[run.id], viewer, asks=run.id in asking) for run in runs)


def row(run: Run, steps: Sequence[Step], viewer: Viewer, *, width: int = 168, asks: bool = False) -> RunRow:
    """One run as a row."""
    return RunRow(
        id=run.id,
        short_id=short_id(run.id),
        title=run.title,
        agent=run.agent,
        status=str(run.status),
        is_live=run.is_live,
        tries=f"try {run.try_}" if run.try_ > 1 else "",
        strip=draw_strip(steps, str(run.status), model=asks_model(run), width=width),
        what_now=what_now(run, steps),
        asks=asks and run.status != RunStatus.AWAITING,
        took=took(run.created_at, run.ended_at, viewer.now),
        cost=money(None if run.cost_usd is None else Decimal(str(run.cost_usd))),
        started_at=run.created_at,
        started=viewer.when(run.created_at),
        started_by=run.created_by_name,
        standin=run.standin,
    )


def asks_model(run: Run) -> bool:
    """Whether a model answers in it, or will."""
    return run.model_calls > 0 or run.agent == CLAUDE or run.pin is not None


def what_now(run: Run, steps: Sequence[Step]) -> str:
    """What a run does at the moment, or where it broke."""
    if run.status == RunStatus.FAILED:
        broken = next((step.name for step in reversed(steps) if step.state in ("failed", "unknown")), "")
        said = str((run.error or {}).get("message") or (run.error or {}).get("type") or "failed").split("\n")[0]
        return f"{broken}: {said}" if broken else said
    going = [step.name for step in steps if step.state == "started"]
    if not run.is_live or not going:
        return {"queued": "waits for a worker", "starting": "is getting ready"}.get(str(run.status), "")
    return going[-1] if len(going) == 1 else f"{going[-1]} and {len(going) - 1} more"
