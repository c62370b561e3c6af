"""Due times counted by the hour: by arithmetic where the clocks stand still, as the server walks where they do not."""

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from windlass.core.calendars.clock import Change, Clock
from windlass.core.calendars.corrections import AROUND, missing, surplus_reason
from windlass.core.calendars.fields import Calendar
from windlass.core.calendars.timing import EPOCH, SECOND, Timing

HOUR_S, DAY_S = 3600, 86400
BEFORE, BEHIND = timedelta(hours=6), timedelta(hours=26)  # around a change, for what is due several times a day
NEAR = timedelta(hours=4)  # clocks are put by two hours at most


def by_hour(timing: Timing, begin: datetime, hours: int, since: datetime) -> list[int]:
    """How many due times that start something each of so many hours has; those up to `since` are over and left out."""
    counts = [0] * hours
    since = since if timing.start_at is None else max(since, timing.start_at - SECOND)
    low = max((since - begin) // SECOND, -1)  # seconds from the beginning: after `low`, and up to `high`
    high = hours * HOUR_S - 1
    if timing.end_at is not None:
        high = min(high, (timing.end_at - begin) // SECOND)
    if timing.every is not None:
        _count_interval(timing.every // SECOND, (EPOCH + timing.offset - begin) // SECOND, (low, high), counts)
    if timing.calendar is not None:
        _count_calendar(timing.calendar, timing.clock, begin, (low, high), counts)
    return counts


def _count_interval(every: int, offset: int, span: tuple[int, int], counts: list[int]) -> None:
    low, high = span
    if every >= HOUR_S:
        for at in range(low + 1 + (offset - low - 1) % every, high + 1, every):
            counts[at // HOUR_S] += 1
        return
    for hour in range((low + 1) // HOUR_S, high // HOUR_S + 1):
        first, last = max(low + 1, hour * HOUR_S), min(high, hour * HOUR_S + HOUR_S - 1)
        counts[hour] += (last - offset) // every - (first - 1 - offset) // every


def _count_calendar(
    calendar: Calendar, clock: Clock, begin: datetime, span: tuple[int, int], counts: list[int]
) -> None:
    low, high = span
    for change in _changes(clock, begin - AROUND, begin + timedelta(hours=len(counts)) + AROUND):
        since, until = _around(calendar, change)
        first, last = (since - begin) // SECOND, (until - begin) // SECOND
        if first > low:
            _count_steady(calendar, clock, begin, (low, min(first, high)), counts)
        for at in _walked(calendar, clock, change) if low < high else ():
            second = at + first
            if low < second <= high:
                counts[second // HOUR_S] += 1
        low = max(low, last)
    _count_steady(calendar, clock, begin, (low, high), counts)


def _count_steady(calendar: Calendar, clock: Clock, begin: datetime, span: tuple[int, int], counts: list[int]) -> None:
    """Count what is due in a span in which the clocks are not put."""
    low, high = span
    if low >= high:
        return
    offset = clock.offset(begin + high * SECOND)
    wall = (begin + (low + 1) * SECOND).replace(tzinfo=None) + offset
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    start = (day - offset - begin.replace(tzinfo=None)) // SECOND  # of the day, seconds from the beginning
    within = [minute * 60 + second for minute in calendar.minute for second in calendar.second]
    early = sum(start % HOUR_S + each < HOUR_S for each in within)  # the rest falls into the viewer's hour after it
    while start <= high:
        for hour in calendar.hour if calendar.has_day(day) else ():
            at = start + hour * HOUR_S
            if low < at <= high - HOUR_S:
                counts[at // HOUR_S] += early
                counts[at // HOUR_S + 1] += len(within) - early
            elif low - HOUR_S < at <= high:
                for each in within:
                    if low < at + each <= high:
                        counts[(at + each) // HOUR_S] += 1
        day, start = day + timedelta(days=1), start + DAY_S


def _around(calendar: Calendar, change: Change) -> tuple[datetime, datetime]:
    """The span in which a change of the clocks may matter to a calendar."""
    if calendar.is_daily_or_rarer:
        return change.at - AROUND, change.at + AROUND
    return change.at - BEFORE, change.at + BEHIND


@lru_cache(maxsize=1000)
def _walked(calendar: Calendar, clock: Clock, change: Change) -> "array[int]":
    """The due times that start something around a change of the clocks, in seconds from the beginning of that span."""
    timing = Timing("calendar", {}, clock.zone.key, calendar)
    since, until = _around(calendar, change)
    extra = missing(timing, since, until)
    found: array[int] = array("l")
    at = timing.next_after(since, extra)
    while at is not None and at <= until:
        for each in _same_hour(calendar, clock, change, at):
            if each <= until and (each in extra or not surplus_reason(timing, each)):
                found.append((each - since) // SECOND)
            at = each
        at = timing.next_after(at, extra)
    return found


def _same_hour(calendar: Calendar, clock: Clock, change: Change, at: datetime) -> Iterator[datetime]:
    """A due time with those that follow it within its hour, unless the clocks are put near it."""
    yield at
    if calendar.is_daily_or_rarer or abs(at - change.at) < NEAR:
        return
    shown = clock.shows(at)
    passed = shown.minute * 60 + shown.second
    for each in sorted(minute * 60 + second for minute in calendar.minute for second in calendar.second):
        if each > passed:
            yield at + (each - passed) * SECOND


@lru_cache(maxsize=2000)
def _changes(clock: Clock, since: datetime, until: datetime) -> tuple[Change, ...]:
    """Every change of the clocks in a span."""
    return tuple(clock.changes(since.astimezone(UTC), until.astimezone(UTC)))
