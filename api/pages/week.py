"""The week of all schedules: hour by hour what became of due times, and what is to come."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import page, viewer
from api.pages.schedule_views import SHAPES
from api.pages.shell import Place
from api.routes.schedules import ScheduleReader
from windlass.contracts.firings import Decision
from windlass.core.calendars.spans import by_hour
from windlass.core.calendars.timing import YEARS
from windlass.core.callers import Caller
from windlass.core.schedules import SharedTiming

router = APIRouter(include_in_schema=False)

MOST_TIMINGS, NAMED, BREATH = 2000, 3, 50
ORDER = ("failed", "lost", "skipped", "queued", "starting", "finished", "ahead")
HOUR = timedelta(hours=1)

Marks = dict[datetime, "Cell"]


@dataclass(slots=True)
class Cell:
    """One hour: how many due times, by the shape of their state, and whose they are."""

    counts: Counter[str]
    names: list[str]

    def name(self, names: Sequence[str]) -> None:
        """Name some of whose they are."""
        self.names += [name for name in names if name not in self.names][: NAMED - len(self.names)]

    def add(self, other: "Cell") -> None:
        """Take in what another one counted."""
        self.counts.update(other.counts)
        self.name(other.names)

    @property
    def shown(self) -> list[tuple[str, int]]:
        """The shapes with their numbers, what needs eyes first."""
        return [(shape, self.counts[shape]) for shape in ORDER if self.counts[shape]]

    @property
    def said(self) -> str:
        """The cell in words."""
        words = [f"{number} {'to come' if shape == 'ahead' else shape}" for shape, number in self.shown]
        return f"{', '.join(words)}: {', '.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Day:
    """One column."""

    name: str
    is_today: bool
    cells: tuple[Cell | None, ...]


@router.get("/schedules/week")
async def week(request: Request, caller: ScheduleReader, engine: EngineDep) -> Response:
    """A week from Monday to Sunday, in the zone of the viewer."""
    seen = viewer(request)
    monday = monday_of(request.query_params.get("from", ""), seen.now.astimezone(seen.zone))
    marks = await load(engine, caller, monday, seen.now)
    values = {
        "days": [day_of(monday + timedelta(days=day), marks, seen.now) for day in range(7)],
        "hours": [f"{hour:02d}" for hour in range(24)],
        "name": f"{monday.day} {monday:%B} to {(monday + timedelta(days=6)).day} {monday + timedelta(days=6):%B %Y}",
        "before": (monday - timedelta(days=7)).date().isoformat(),
        "after": (monday + timedelta(days=7)).date().isoformat(),
        "is_empty": not marks,
        "title": "Week",
    }
    place = Place("Schedules", (("Schedules", "/schedules"), ("Week", "")))
    return await page(request, caller, "schedule_week.html", place, values)


async def load(engine: Engine, caller: Caller, monday: datetime, now: datetime) -> Marks:
    """Every hour of the week that has something in it, by its beginning in the viewer's zone."""
    begin, until = (monday + timedelta(days=days) for days in (0, 7))
    begin, until = begin.astimezone(UTC), until.astimezone(UTC)
    cells: dict[int, Cell] = {}
    for hour in await engine.firings.hours(caller, begin, until, NAMED):
        shape = "starting" if hour.decision is None else SHAPES[Decision(hour.decision)]
        mark(cells, hour.number, shape, hour.count, hour.names)
    if until > now:
        ahead = await engine.schedules.timings(caller, limit=MOST_TIMINGS, named=NAMED)
        await count_ahead(cells, ahead, begin, until, now)
    return placed(cells, begin, monday.tzinfo)


async def count_ahead(
    cells: dict[int, Cell], shared: Sequence[SharedTiming], begin: datetime, until: datetime, now: datetime
) -> None:
    """What will be due. Other requests are answered in between: in a week in which clocks are put it takes longer."""
    for number, each in enumerate(shared):
        if number % BREATH == BREATH - 1:
            await asyncio.sleep(0)
        for hour, count in enumerate(by_hour(each.timing, begin, (until - begin) // HOUR, now)):
            if count:
                mark(cells, hour, "ahead", count * each.count, each.names)


def placed(cells: Mapping[int, Cell], begin: datetime, zone: tzinfo | None) -> Marks:
    """The cells by the hour that the clock shows; one it shows twice has both."""
    marks: Marks = {}
    for number in sorted(cells):
        hour = (begin + number * HOUR).astimezone(zone).replace(minute=0)
        if hour in marks:
            marks[hour].add(cells[number])
        else:
            marks[hour] = cells[number]
    return marks


def mark(cells: dict[int, Cell], hour: int, shape: str, count: int, names: Sequence[str]) -> None:
    """Count something in its hour."""
    cell = cells.get(hour)
    if cell is None:
        cell = cells[hour] = Cell(Counter(), [])
    cell.counts[shape] += count
    if len(cell.names) < NAMED:
        cell.name(names)


def day_of(day: datetime, marks: Marks, now: datetime) -> Day:
    """One column of the week."""
    cells = tuple(marks.get(day.replace(hour=hour)) for hour in range(24))
    return Day(f"{day:%a} {day.day}", day.date() == now.astimezone(day.tzinfo).date(), cells)


def monday_of(text: str, today: datetime) -> datetime:
    """The Monday of the week that the address names, else of this one."""
    try:
        wanted = datetime.fromisoformat(text[:10]).date()
    except ValueError:
        wanted = today.date()
    if wanted.year not in YEARS:
        wanted = today.date()
    zone = today.tzinfo if isinstance(today.tzinfo, ZoneInfo) else ZoneInfo("UTC")
    first = wanted - timedelta(days=wanted.weekday())
    return datetime(first.year, first.month, first.day, tzinfo=zone)
