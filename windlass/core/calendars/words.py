"""Timings in words: `at 07:30 on Monday to Friday`."""

import calendar as months
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from windlass.core.calendars.fields import EVERY_YEAR, Calendar
from windlass.core.calendars.timing import Timing

WEEK = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
FEW = 4


def in_words(timing: Timing) -> str:
    """When it is due, as one says it; without its zone."""
    if timing.every is not None:
        said = f"Every {span(timing.every)}"
        return f"{said}, {span(timing.offset, one='1 ')} after it begins" if timing.offset else said
    assert timing.calendar is not None  # noqa: S101 - what is no interval is a calendar
    if timing.kind == "at":
        at = datetime.fromisoformat(str(timing.source["at"])).astimezone(ZoneInfo(timing.time_zone))
        time = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
        return f"Once, on {at:%A} {at.day} {at:%B %Y} at {time}"
    return calendar_in_words(timing.calendar)


def calendar_in_words(calendar: Calendar) -> str:
    """The fields of a calendar in words."""
    parts = [_times(calendar), _days(calendar), _months(calendar), _years(calendar)]
    text = " ".join(part for part in parts if part) + _condition(calendar)
    return text[0].upper() + text[1:]


def span(length: timedelta, one: str = "") -> str:
    """A length of time in words: `90 minutes`, `2 hours`, `day` (with `one`: `1 day`)."""
    seconds = int(length.total_seconds())
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            count = seconds // size
            return f"{one}{word}" if count == 1 else f"{count} {word}s"
    raise AssertionError(length)


def _times(calendar: Calendar) -> str:
    minutes, hours = sorted(calendar.minute), sorted(calendar.hour)
    if len(minutes) == 1 and len(hours) <= FEW:
        return "at " + _listed([f"{hour:02d}:{minutes[0]:02d}" for hour in hours])
    every = _step(minutes, 60)
    if len(hours) == 24:
        if len(minutes) == 1:
            return f"every hour at :{minutes[0]:02d}" if minutes[0] else "every hour"
        if len(minutes) == 60:
            return "every minute"
        return f"every {every} minutes" if every else f"every hour at {_listed([f':{m:02d}' for m in minutes])}"
    inside = f"from {hours[0]:02d}:00 to {hours[-1]:02d}:59" if _is_run(hours) else f"in the hours {_listed(hours)}"
    stepped = _step(hours, 24)
    if len(minutes) == 1:
        if stepped:
            return f"every {stepped} hours at :{minutes[0]:02d}"
        return f"at :{minutes[0]:02d} of every hour {inside}"
    if len(minutes) == 60:
        return f"every minute {inside}"
    return f"every {every} minutes {inside}" if every else f"at {_listed([f':{m:02d}' for m in minutes])} {inside}"


def _days(calendar: Calendar) -> str:
    days, week = sorted(calendar.day_of_month), sorted(calendar.day_of_week)
    named = "" if len(week) == 7 else _weekdays(week)
    if len(days) == 31:
        every_day = "" if len(calendar.hour) == 24 or len(calendar.minute) > 1 else "every day"
        return f"on {named}" if named else every_day
    step = _step([day - 1 for day in days], 31)
    return f"on every {_nth(step)} day from the 1st" if step else f"on the {_ranges(days)}"


def _condition(calendar: Calendar) -> str:
    """What cron's two fields for days mean together: both must fit."""
    if len(calendar.day_of_week) == 7 or len(calendar.day_of_month) == 31:
        return ""
    return f", if it is {'a ' if len(calendar.day_of_week) == 1 else ''}{_weekdays(sorted(calendar.day_of_week))}"


def _weekdays(week: Sequence[int]) -> str:
    if week == [1, 2, 3, 4, 5]:
        return "Monday to Friday"
    if week == [0, 6]:
        return "Saturday and Sunday"
    ordered = sorted(week, key=lambda day: (day - 1) % 7)
    return _listed([WEEK[day] for day in ordered])


def _months(calendar: Calendar) -> str:
    found = sorted(calendar.month)
    if len(found) == 12:
        return "of every month" if len(calendar.day_of_month) < 31 else ""
    step = _step([month - 1 for month in found], 12)
    if step and len(found) > 2:
        return f"of every {_nth(step)} month from January"
    link = "of" if len(calendar.day_of_month) < 31 else "in"
    if len(found) > 2 and _is_run(found):
        return f"{link} {months.month_name[found[0]]} to {months.month_name[found[-1]]}"
    return f"{link} {_listed([months.month_name[month] for month in found])}"


def _years(calendar: Calendar) -> str:
    return "" if calendar.year == EVERY_YEAR else f"in {_listed(sorted(calendar.year)[:10])}"


def _step(values: Sequence[int], size: int) -> int | None:
    """The step of values that begin at 0 and fill their field evenly."""
    if len(values) < 2 or values[0] != 0:
        return None
    step = values[1]
    return step if step > 1 and list(values) == list(range(0, size, step)) else None


def _is_run(values: Sequence[int]) -> bool:
    return list(values) == list(range(values[0], values[-1] + 1))


def _ranges(days: Sequence[int]) -> str:
    if len(days) > 2 and _is_run(days):
        return f"{_nth(days[0])} to {_nth(days[-1])}"
    return _listed([_nth(day) for day in days])


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _listed(values: Sequence[object]) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
