"""What starts by itself: next, on the home page, and of one agent, on its own."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api.engine import Engine
from api.pages.formats import Viewer
from api.pages.schedule_views import ScheduleRow, schedule_row
from windlass.core.calendars import in_words
from windlass.core.callers import Caller
from windlass.core.permissions import Permission

LOOKED_AT = 200
SHOWN = 4
OF_AGENT = 20


@dataclass(frozen=True, slots=True)
class Coming:
    """The next due time of a schedule."""

    id: UUID
    name: str
    words: str
    at: datetime
    when: str


async def next_to_start(engine: Engine, caller: Caller, seen: Viewer) -> tuple[Coming, ...]:
    """The schedules that are due first, each once."""
    if not caller.may(Permission.SCHEDULES_READ):
        return ()
    schedules = await engine.schedules.newest(caller, limit=LOOKED_AT)
    going = (each for each in schedules if each.paused_at is None and each.ended_at is None)
    due = [(at, each) for each in going if (at := each.timing.next_after(seen.now)) is not None]
    first = sorted(due, key=lambda pair: pair[0])[:SHOWN]
    return tuple(Coming(each.id, each.name, in_words(each.timing), at, seen.when(at)) for at, each in first)


async def schedules_of(engine: Engine, caller: Caller, agent: str, seen: Viewer) -> tuple[ScheduleRow, ...]:
    """The newest schedules that start an agent."""
    if not caller.may(Permission.SCHEDULES_READ):
        return ()
    found = await engine.schedules.of_agent(caller, agent, limit=OF_AGENT)
    return tuple(schedule_row(each, (), seen) for each in found)
