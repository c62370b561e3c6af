"""Due times within a span: fast where the clocks stand still, as the server walks where they do not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from windlass.core.calendars.clock import Clock
from windlass.core.calendars.corrections import due_times
from windlass.core.calendars.fields import Calendar
from windlass.core.calendars.timing import Timing

DAY = timedelta(days=1)


def between(timing: Timing, since: datetime, until: datetime, most: int) -> Iterator[datetime]:
    """The due times after `since` up to `until` that start something, at most so many."""
    begin = since if timing.start_at is None else max(since, timing.start_at - timedelta(seconds=1))
    end = until if timing.end_at is None else min(until, timing.end_at)
    if timing.calendar is not None and timing.kind != "at" and _stands_still(timing.clock, begin, end):
        yield from _steady(timing.calendar, timing.clock, begin, end, most)
        return
    for due in due_times(timing, begin, most):
        if due.at > end:
            return
        if not due.skipped:
            yield due.at


def _steady(calendar: Calendar, clock: Clock, since: datetime, until: datetime, most: int) -> Iterator[datetime]:
    offset, count = clock.offset(until), 0
    day, last = clock.shows(since).replace(hour=0, minute=0, second=0, microsecond=0), clock.shows(until)
    times = calendar.times
    while day <= last:
        for time in times if calendar.has_day(day.date()) else ():
            at = (day + time - offset).replace(tzinfo=UTC)
            if since < at <= until:
                yield at
                count += 1
                if count == most:
                    return
        day += DAY


@lru_cache(maxsize=2000)
def _stands_still(clock: Clock, since: datetime, until: datetime) -> bool:
    """Whether the clock is not put from two days before a span to two days after it."""
    return not clock.changes(since - 2 * DAY, until + 2 * DAY)
