"""Calendars: the fields of cron, which wall times they mean, and the next moment they name."""

import calendar
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from windlass.core.calendars.clock import HOUR, Clock
from windlass.core.errors import FieldError, Invalid

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LIMITS: Mapping[str, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month": (1, 12),
    "day_of_week": (0, 7),
    "year": (2000, 2100),
}
CRON_FIELDS = ("minute", "hour", "day_of_month", "month", "day_of_week")
EVERY_YEAR = frozenset(range(2000, 2101))
LAST_YEAR = 2100
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Calendar:
    """Wall times by their fields; a time matches when all fields do, also day of month and day of week together."""

    minute: frozenset[int]
    hour: frozenset[int]
    day_of_month: frozenset[int]
    month: frozenset[int]
    day_of_week: frozenset[int]  # 0 is Sunday
    year: frozenset[int] = EVERY_YEAR
    second: frozenset[int] = frozenset({0})

    @property
    def is_daily_or_rarer(self) -> bool:
        """Whether there is one time of day."""
        return len(self.minute) == len(self.hour) == len(self.second) == 1

    @property
    def times(self) -> list[timedelta]:
        """The times of day, in their order."""
        return [
            timedelta(hours=hour, minutes=minute, seconds=second)
            for hour in sorted(self.hour)
            for minute in sorted(self.minute)
            for second in sorted(self.second)
        ]

    def has_day(self, day: date) -> bool:
        """Whether the day matches."""
        return (
            day.year in self.year
            and day.month in self.month
            and day.day in self.day_of_month
            and day.isoweekday() % 7 in self.day_of_week
        )

    def is_possible(self) -> bool:
        """Whether there is any such day at all."""
        return any(self.has_day(each) for each in _days_of(self.year, self.month, self.day_of_month))

    def next_after(self, after: datetime, clock: Clock) -> datetime | None:
        """The next moment the server finds after one, in whole seconds; None when there is none until 2100.

        It walks the hours of the wall. An hour that matches is walked again, an hour later, when two hours lie between
        its beginning and that of the hour after it: the clocks were put back. What is left out is passed over.
        """
        wall = clock.shows(after.replace(microsecond=0))
        late = HOUR if clock.shows(after - HOUR).hour == wall.hour else timedelta()
        begin = wall + timedelta(seconds=1)
        if begin.hour != wall.hour:
            begin, late = self._following(wall.replace(minute=0, second=0), clock, late)
        for hour, shift, floor in self._hours(begin, clock, late):
            for minute, second in self._within(hour, floor):
                at = clock.moment(hour.replace(minute=minute, second=second))
                if clock.shows(at).hour == hour.hour:
                    return at + shift
                break  # left out: the server goes on with the hour after it
        return None

    def _hours(self, begin: datetime, clock: Clock, late: timedelta) -> Iterator[tuple[datetime, timedelta, datetime]]:
        """The hours that match, each with its shift and the wall time to begin at."""
        hour, floor, shift = begin.replace(minute=0, second=0), begin, late
        while hour.year <= LAST_YEAR:
            if not self._day_matches(hour, floor, clock):
                hour = floor = self._next_day(hour)
                shift = timedelta()
                continue
            if hour.hour not in self.hour:  # the server looks at the day no more until the next one begins
                hour = floor = self._next_hour(hour)
                shift = timedelta()
                if hour.hour not in self.hour or hour.hour == 0:
                    continue
            yield hour, shift, floor
            hour, shift = self._after(hour, floor, clock, shift)
            floor = hour

    def _after(self, hour: datetime, floor: datetime, clock: Clock, shift: timedelta) -> tuple[datetime, timedelta]:
        """Where the walk goes on behind an hour without a time: the next hour, or the same once more."""
        for minute, second in self._within(hour, floor):
            if clock.shows(clock.moment(hour.replace(minute=minute, second=second))).hour != hour.hour:
                return hour + HOUR, shift
        return self._following(hour, clock, shift)

    def _following(self, hour: datetime, clock: Clock, shift: timedelta) -> tuple[datetime, timedelta]:
        if not shift and clock.moment(hour + HOUR) - clock.moment(hour) > HOUR:
            return hour, HOUR
        return hour + HOUR, timedelta()

    def _within(self, hour: datetime, floor: datetime) -> Iterator[tuple[int, int]]:
        first = (floor.minute, floor.second) if floor > hour else (0, 0)
        for minute in sorted(self.minute):
            for second in sorted(self.second):
                if (minute, second) >= first:
                    yield minute, second

    def _day_matches(self, hour: datetime, floor: datetime, clock: Clock) -> bool:
        if hour.year not in self.year or hour.month not in self.month or hour.day not in self.day_of_month:
            return False
        shown = clock.shows(clock.moment(max(hour, floor)))  # at a midnight that is left out, the server sees yesterday
        return shown.isoweekday() % 7 in self.day_of_week

    def _next_hour(self, hour: datetime) -> datetime:
        """The next hour of the day that matches, else the next day."""
        later = min((each for each in self.hour if each > hour.hour), default=None)
        return hour + HOUR * (24 - hour.hour) if later is None else hour.replace(hour=later)

    def _next_day(self, hour: datetime) -> datetime:
        day = hour.date()
        if day.year not in self.year:
            return datetime(day.year + 1, 1, 1)  # noqa: DTZ001 - a wall time
        if day.month not in self.month:
            first = day.replace(day=1) + timedelta(days=32)
            return datetime(first.year, first.month, 1)  # noqa: DTZ001 - a wall time
        following = day + timedelta(days=1)
        return datetime(following.year, following.month, following.day)  # noqa: DTZ001 - a wall time


def read_cron(text: str, field: str = "cron") -> Calendar:
    """Five fields of cron: minute, hour, day of month, month, day of week. Raises Invalid."""
    parts = text.split()
    if text.strip().startswith("@"):
        raise _wrong(field, f"cannot be {text.strip()[:20]!r}; write five fields, such as 0 7 * * *")
    if len(parts) != len(CRON_FIELDS):
        raise _wrong(field, f"has {len(parts)} fields; it needs five: minute, hour, day of month, month, day of week")
    return read_calendar(dict(zip(CRON_FIELDS, parts, strict=True)), field)


def read_calendar(given: Mapping[str, Any], field: str = "calendar") -> Calendar:
    """Fields by name, each as cron writes them; those left out are every one, the time of day 0. Raises Invalid."""
    unknown = given.keys() - LIMITS.keys()
    if unknown:
        raise _wrong(field, f"has no {', '.join(sorted(unknown))}; there are {', '.join(LIMITS)}")
    defaults = {"minute": "0", "hour": "0"}
    found = {name: _read(name, str(given.get(name, defaults.get(name, "*"))), field) for name in LIMITS}
    found["day_of_week"] = frozenset(day % 7 for day in found["day_of_week"])
    made = Calendar(**found)
    if not made.is_possible():
        raise _wrong(field, "names a date that never comes, such as 31 February")
    return made


@lru_cache(maxsize=2000)
def _read(name: str, text: str, field: str) -> frozenset[int]:
    """One field: `*`, `5`, `1-5`, `*/15`, `1-5/2`, `mon,wed`, joined by commas. Raises Invalid."""
    if len(text) > LONGEST:
        raise _wrong(field, f"has a {_said(name)} of more than {LONGEST} characters")
    found: set[int] = set()
    for part in text.lower().split(","):
        found |= _read_part(name, part, field)
    return frozenset(found)


def _read_part(name: str, part: str, field: str) -> set[int]:
    low, high = LIMITS[name]
    body, slash, step_text = part.partition("/")
    if slash and not (step_text.isdecimal() and 0 < int(step_text) <= high):
        raise _wrong(field, f"has a step {step_text!r} in the {_said(name)}; it must be a number from 1 to {high}")
    step = int(step_text) if slash else 1
    if body == "*":
        return set(range(low, (6 if name == "day_of_week" else high) + 1, step))
    first_text, dash, last_text = body.partition("-")
    first = _value(name, first_text, field)
    last = _value(name, last_text, field) if dash else (high if slash else first)
    if last < first:
        raise _wrong(field, f"has a {_said(name)} from {first_text} to {last_text}, which is backwards")
    return set(range(first, last + 1, step))


def _value(name: str, text: str, field: str) -> int:
    names = {"month": MONTHS, "day_of_week": WEEKDAYS}.get(name, ())
    if text in names:
        return names.index(text) + (name == "month")
    low, high = LIMITS[name]
    if not text.isdecimal() or len(text) > 4 or not low <= int(text) <= high:
        among = f" or {names[0]} to {names[-1]}" if names else ""
        raise _wrong(field, f"has {text!r} as {_said(name)}; it must be {low} to {high}{among}")
    return int(text)


def _days_of(years: Iterable[int], months: Iterable[int], days: Iterable[int]) -> Iterator[date]:
    for year in sorted(years):
        for month in months:
            last = calendar.monthrange(year, month)[1]
            yield from (date(year, month, day) for day in days if day <= last)


def _said(name: str) -> str:
    return name.replace("_", " ")


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("The schedule cannot be used like this; nothing was saved.", (FieldError(field, message),))
