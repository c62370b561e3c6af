"""Days, times, months and weeks: the ISO text a field holds, checked and compared."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what people fill in has no zone


@dataclass(frozen=True, slots=True)
class Moment:
    """One kind: what it is called, how it is written, what it means, and the settings with its limits."""

    name: str
    pattern: str
    read: Callable[[str], Any]  # comparable; a ValueError when there is no such moment
    limits: str  # min_{limits}, max_{limits}


def _week(written: str) -> date:
    return date.fromisocalendar(int(written[:4]), int(written[6:]), 1)


def _month(written: str) -> date:
    return date.fromisoformat(f"{written}-01")


CLOCK = r"\d{2}:\d{2}(:\d{2}(\.\d{3})?)?"
DAY = r"\d{4}-\d{2}-\d{2}"
MOMENTS: Mapping[str, Moment] = {
    "date": Moment("date", DAY, date.fromisoformat, "date"),
    "time": Moment("time", CLOCK, time.fromisoformat, "time"),
    "datetime-local": Moment("date and time", f"{DAY}T{CLOCK}", datetime.fromisoformat, "datetime"),
    "month": Moment("month", r"\d{4}-\d{2}", _month, "month"),
    "week": Moment("week", r"\d{4}-W\d{2}", _week, "week"),
}


def moment(element: Mapping[str, Any], value: Any) -> str | None:
    """The text as it was written; a `ValueError` carries the message."""
    kind = MOMENTS[element["type"]]
    if value == "":
        return None
    found = _read(kind, value)
    earliest, latest = element.get(f"min_{kind.limits}"), element.get(f"max_{kind.limits}")
    if earliest and found < _read(kind, earliest):
        raise ValueError(f"must not be before {earliest}")
    if latest and found > _read(kind, latest):
        raise ValueError(f"must not be after {latest}")
    step = element.get("step")
    if step and (_seconds(found) - (_seconds(_read(kind, earliest)) if earliest else 0)) % step:
        raise ValueError(f"must be in steps of {step} seconds")
    return value


def _read(kind: Moment, value: Any) -> Any:
    try:
        if isinstance(value, str) and re.fullmatch(kind.pattern, value, re.ASCII):
            return kind.read(value)
    except ValueError:
        pass
    raise ValueError(f"must be a {kind.name}")


def _seconds(found: Any) -> float:
    """Since midnight, or since 1970."""
    if isinstance(found, time):
        return found.hour * 3600 + found.minute * 60 + found.second + found.microsecond / 1e6
    return (found - EPOCH).total_seconds()
