"""Timings: when a schedule is due, as it is asked for: by cron, calendar, interval, or once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from windlass.contracts.events import Payload
from windlass.core.calendars.clock import Clock, zone_named
from windlass.core.calendars.fields import Calendar, read_calendar, read_cron
from windlass.core.errors import FieldError, Invalid

Kind = Literal["cron", "calendar", "interval", "at"]
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=366)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
YEARS = range(1970, 9999)  # every clock can show a time of these, and one a few years off


@dataclass(frozen=True, slots=True)
class Timing:
    """When something is due. `source` is what was asked for: `{"cron": "30 7 * * 1-5"}` or another of the four."""

    kind: Kind
    source: Payload
    time_zone: str
    calendar: Calendar | None = None
    every: timedelta | None = None
    offset: timedelta = timedelta()
    start_at: datetime | None = None
    end_at: datetime | None = None

    @property
    def zone(self) -> str:
        """The zone its calendar is read in: a moment was turned into UTC when it was read."""
        return "UTC" if self.kind == "at" else self.time_zone

    @property
    def clock(self) -> Clock:
        """The clock its calendar is read by."""
        return Clock(ZoneInfo(self.zone))

    @property
    def is_daily_or_rarer(self) -> bool:
        """Whether it names one time of day, on some days."""
        return self.kind in ("cron", "calendar") and self.calendar is not None and self.calendar.is_daily_or_rarer

    def next_after(self, after: datetime, extra: Mapping[datetime, object] | None = None) -> datetime | None:
        """The next due time after a moment, with these extra ones beside the spec; None when there is none."""
        begin = after if self.start_at is None or after >= self.start_at else self.start_at - SECOND
        found = [each for each in (self._by_calendar(begin), self._by_interval(begin)) if each is not None]
        found += [at for at in extra or () if at > begin]
        at = min(found, default=None)
        return None if at is None or (self.end_at is not None and at > self.end_at) else at

    def _by_calendar(self, after: datetime) -> datetime | None:
        return None if self.calendar is None else self.calendar.next_after(after, self.clock)

    def _by_interval(self, after: datetime) -> datetime | None:
        if self.every is None:
            return None
        passed = (after - EPOCH - self.offset) // self.every
        return EPOCH + (passed + 1) * self.every + self.offset


def read_timing(given: Mapping[str, Any], now: datetime) -> Timing:
    """A timing from one of `cron`, `interval_s` (and `offset_s`), `calendar`, `at`, and its bounds. Raises Invalid."""
    errors: list[FieldError] = []
    timing: Timing | None = None
    try:
        timing = _read_kind(given, _zone(given), now)
    except Invalid as refused:
        errors += refused.errors
    start_at, end_at = (_aware(name, given.get(name)) for name in ("start_at", "end_at"))
    if start_at is not None and end_at is not None and end_at <= start_at:
        errors.append(FieldError("end_at", "must be after start_at"))
    elif end_at is not None and end_at <= now:
        errors.append(FieldError("end_at", "is in the past"))
    if errors or timing is None:
        raise Invalid("The schedule cannot be used like this; nothing was saved.", tuple(errors))
    bounded = replace(timing, start_at=start_at, end_at=end_at)
    if bounded.next_after(now) is None:
        raise _wrong(timing.kind if timing.kind != "interval" else "interval_s", "is never due from now on")
    return bounded


def known_timing(source: Payload, time_zone: str, start_at: datetime | None, end_at: datetime | None) -> Timing:
    """A timing that was read before, from what was kept of it."""
    timing = _known(json.dumps(source), time_zone)
    return timing if start_at is None and end_at is None else replace(timing, start_at=start_at, end_at=end_at)


@lru_cache(maxsize=5000)
def _known(source: str, time_zone: str) -> Timing:
    """What was kept of a timing, read once: many schedules share one, and pages ask for the same ones again."""
    return _read_kind(json.loads(source), time_zone, None)


def _read_kind(given: Mapping[str, Any], zone: str, now: datetime | None) -> Timing:
    named = [name for name in ("cron", "interval_s", "calendar", "at") if given.get(name) is not None]
    if len(named) != 1:
        found = "none" if not named else " and ".join(named)
        rule = f"must be given, or interval_s, calendar or at, and only one of them; there is {found}"
        raise _wrong(named[0] if named else "cron", rule)
    match named[0]:
        case "cron":
            text = " ".join(str(given["cron"]).split())
            return Timing("cron", {"cron": text}, zone, read_cron(text))
        case "calendar":
            source = {name: str(text) for name, text in given["calendar"].items()}
            return Timing("calendar", {"calendar": source}, zone, read_calendar(source))
        case "interval_s":
            return _interval(int(given["interval_s"]), int(given.get("offset_s") or 0), zone)
        case _:
            return _once(given["at"], zone, now)


def _interval(seconds: int, offset_s: int, zone: str) -> Timing:
    every, offset = timedelta(seconds=seconds), timedelta(seconds=offset_s)
    if every < SHORTEST:
        raise _wrong("interval_s", f"must be at least {SHORTEST.seconds}")
    if every > LONGEST:
        raise _wrong("interval_s", f"must be at most {LONGEST // SECOND}, a year")
    if not timedelta() <= offset < every:
        raise _wrong("offset_s", "must be 0 or more, and less than interval_s")
    source: Payload = {"interval_s": seconds, **({"offset_s": offset_s} if offset_s else {})}
    return Timing("interval", source, zone, every=every, offset=offset)


def _once(given: Any, zone: str, now: datetime | None) -> Timing:
    try:
        at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        raise _wrong("at", "must be a time such as 2026-12-24T18:00") from None
    check_year("at", at)
    if at.tzinfo is None:
        clock = Clock(ZoneInfo(zone))
        if not clock.is_real(at):
            raise _wrong("at", f"does not exist in {zone}: the clocks go forward over it")
        at = clock.moment(at)
    at = at.astimezone(UTC).replace(microsecond=0)
    if now is not None and at <= now:
        raise _wrong("at", "is in the past")
    exact = (at.minute, at.hour, at.day, at.month, (at.isoweekday()) % 7, at.year, at.second)
    return Timing("at", {"at": at.isoformat()}, zone, Calendar(*(frozenset({each}) for each in exact)))


def _zone(given: Mapping[str, Any]) -> str:
    name = str(given.get("time_zone") or "UTC")
    if zone_named(name) is None:
        raise _wrong("time_zone", f"is no IANA time zone: {name[:60]!r}; write one such as Europe/Berlin")
    return name


def _aware(name: str, given: Any) -> datetime | None:
    if given is None:
        return None
    at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    check_year(name, at)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def check_year(name: str, at: datetime) -> None:
    """Go on only with a time that every clock can show. Raises Invalid."""
    if at.year not in YEARS:
        raise _wrong(name, f"must be a time of the years {YEARS[0]} to {YEARS[-1]}")


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("The schedule cannot be used like this; nothing was saved.", (FieldError(field, message),))
