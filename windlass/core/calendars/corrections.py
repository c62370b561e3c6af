"""Where the server's due times are not what people mean: times the clocks leave out, and times they show twice.

For one time of day: on the day the clocks leave it out it is due at the first valid moment, on the day they show it
twice the second time. What the server lacks is added to its spec, what it has too much is skipped with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from windlass.core.calendars.clock import Change, Clock
from windlass.core.calendars.fields import Calendar
from windlass.core.calendars.timing import Timing

AHEAD = timedelta(days=5 * 366)
AROUND = timedelta(days=2)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Due:
    """A due time; with `skipped` it starts nothing, and `note` says what the clocks do around it."""

    at: datetime
    skipped: str = ""
    note: str = ""


def missing(timing: Timing, since: datetime, until: datetime) -> dict[datetime, str]:
    """Due times that people mean and the server does not find, with the reason: they are added to its spec."""
    if not timing.is_daily_or_rarer or timing.calendar is None:
        return {}
    clock, found = timing.clock, dict[datetime, str]()
    for change in clock.changes(since - AROUND, until + AROUND):
        begin, end = change.at - AROUND, change.at + AROUND
        served = set(_served(timing.calendar, clock, begin, end))
        for at, note in _meant(timing.calendar, clock, change):
            if at not in served and begin < at <= end and since < at <= until and clock.moment(clock.shows(at)) == at:
                found[at] = note
    return found


def surplus_reason(timing: Timing, at: datetime) -> str:
    """Why a due time of the server is not what people mean; empty when it is."""
    if not timing.is_daily_or_rarer or timing.calendar is None:
        return ""
    clock = timing.clock
    wall = clock.shows(at)
    if clock.is_first_of_two(at):
        return f"the clocks go back and {wall:%H:%M} comes twice: it runs the second time"
    if timing.calendar.has_day(wall.date()) or not clock.changes(at - AROUND, at):
        return ""
    if at not in missing(timing, at - SECOND, at):
        return f"the clocks went forward at midnight: {wall:%A %d %B} is not a day of this schedule"
    return ""


def due_times(timing: Timing, after: datetime, count: int) -> Iterator[Due]:
    """The next due times, as the server will find them with what we add to its spec."""
    horizon = after + AHEAD
    extra = missing(timing, after, horizon)
    at: datetime | None = after
    for _ in range(count):
        at = timing.next_after(at, extra)
        if at is None:
            return
        yield _described(timing, at, extra.get(at, ""))


def _described(timing: Timing, at: datetime, extra: str) -> Due:
    if extra:
        return Due(at, note=extra)
    skipped = surplus_reason(timing, at)
    if skipped:
        return Due(at, skipped)
    if timing.is_daily_or_rarer and timing.clock.is_second_of_two(at):
        return Due(at, note="the clocks went back: this time comes twice, it runs the second time")
    return Due(at)


def _served(calendar: Calendar, clock: Clock, begin: datetime, end: datetime) -> Iterator[datetime]:
    at = calendar.next_after(begin, clock)
    while at is not None and at <= end:
        yield at
        at = calendar.next_after(at, clock)


def _meant(calendar: Calendar, clock: Clock, change: Change) -> Iterator[tuple[datetime, str]]:
    """What people mean by the calendar on the days around a change of the clocks."""
    for day in range(-2, 3):
        wall = clock.shows(change.at) + timedelta(days=day)
        if not calendar.has_day(wall.date()):
            continue
        named = wall.replace(hour=0, minute=0, second=0, microsecond=0) + calendar.times[0]
        if change.is_gap and change.before <= named < change.after:
            yield change.at, f"the clocks go forward over {named:%H:%M}: it runs at the first valid moment"
        else:
            yield (
                _last_of(named, clock),
                f"the clocks are put at midnight: {named:%A} {named.day} {named:%B} still counts",
            )


def _last_of(wall: datetime, clock: Clock) -> datetime:
    """The moment of a wall time, the second one of two."""
    at = clock.moment(wall)
    later = [at + step * timedelta(minutes=30) for step in range(1, 7)]
    return next((each for each in reversed(later) if clock.shows(each) == wall), at).astimezone(UTC)
