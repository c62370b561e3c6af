"""The week of all schedules: hour by hour what became of due times, and what is to come."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from windlass.core.calendars.spans import between
from windlass.core.callers import Caller
from windlass.core.schedules import Schedule

router = APIRouter(include_in_schema=False)

MOST_SCHEDULES, MOST_EACH, NAMED = 2000, 200, 3
ORDER = ("failed", "lost", "skipped", "queued", "starting", "finished", "ahead")
HOUR = timedelta(hours=1)

Marks = dict[datetime, "Cell"]


@dataclass(slots=True)
class Cell:
    """One hour: how many due times, by the shape of their state, and whose they are."""

    counts: Counter[str]
    names: list[str]

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
    sunday, marks = monday + timedelta(days=7), Marks()
    for hour, decision, name, count in await engine.firings.hours(caller, monday, sunday):
        shape = "starting" if decision is None else SHAPES[Decision(decision)]
        mark(marks, hour.astimezone(monday.tzinfo), shape, name, count)
    if sunday > now:
        for schedule in await engine.schedules.newest(caller, limit=MOST_SCHEDULES):
            ahead(marks, schedule, max(monday, now), sunday)
    return marks


def ahead(marks: Marks, schedule: Schedule, since: datetime, until: datetime) -> None:
    """What a schedule will do."""
    if schedule.paused_at is None and schedule.ended_at is None:
        for at in between(schedule.timing, since, until, MOST_EACH):
            mark(marks, at.astimezone(until.tzinfo), "ahead", schedule.name, 1)


def mark(marks: Marks, at: datetime, shape: str, name: str, count: int) -> None:
    """Count something in its hour."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    cell = marks.get(hour)
    if cell is None:
        cell = marks[hour] = Cell(Counter(), [])
    cell.counts[shape] += count
    if name not in cell.names and len(cell.names) < NAMED:
        cell.names.append(name)


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
    zone = today.tzinfo if isinstance(today.tzinfo, ZoneInfo) else ZoneInfo("UTC")
    first = wanted - timedelta(days=wanted.weekday())
    return datetime(first.year, first.month, first.day, tzinfo=zone)
