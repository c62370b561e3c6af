"""The clock on the wall of a time zone: what it shows, and which moment a wall time is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

HOUR = timedelta(hours=1)


@lru_cache(maxsize=1000)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone of that name, None when there is none."""
    try:
        return ZoneInfo(name) if name in _names() else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """The names of all zones that are places, and UTC."""
    return ("UTC", *sorted(name for name in _names() if "/" in name and not name.startswith(("Etc/", "SystemV/"))))


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class Change:
    """A moment at which the clocks are put: from one offset to another, seen on the wall as `before` → `after`."""

    at: datetime
    before: datetime
    after: datetime

    @property
    def is_gap(self) -> bool:
        """Whether wall times are left out; otherwise they come twice."""
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall times are naive, moments are in UTC."""

    zone: ZoneInfo

    def shows(self, at: datetime) -> datetime:
        """What the clock shows at a moment."""
        return at.astimezone(self.zone).replace(tzinfo=None)

    def offset(self, at: datetime) -> timedelta:
        """How far the clock is ahead of UTC at a moment."""
        return at.astimezone(self.zone).utcoffset() or timedelta()

    def moment(self, wall: datetime) -> datetime:
        """The moment of a wall time, as the server finds it.

        It reads the wall time as UTC, takes the offset of that moment, and corrects it once. Of a time that comes twice
        this is the second one east of Greenwich and the first one west of it; one that is left out moves by the gap.
        """
        read_as_utc = wall.replace(tzinfo=UTC)
        guess = read_as_utc - self.offset(read_as_utc)
        return read_as_utc - self.offset(guess)

    def is_real(self, wall: datetime) -> bool:
        """Whether the clock ever shows this wall time."""
        return self.shows(self.moment(wall)) == wall

    def is_first_of_two(self, at: datetime) -> bool:
        """Whether the clock will show the same time once more after this moment."""
        wall = self.shows(at)
        return any(self.shows(at + step * HOUR / 2) == wall for step in range(1, 7))

    def is_second_of_two(self, at: datetime) -> bool:
        """Whether the clock showed the same time before this moment."""
        wall = self.shows(at)
        return any(self.shows(at - step * HOUR / 2) == wall for step in range(1, 7))

    def changes(self, since: datetime, until: datetime) -> list[Change]:
        """Every moment at which the clocks are put within a span."""
        days = (until - since).days + 1
        marks = [min(since + timedelta(days=day), until) for day in range(days + 1)]
        return [self._change(a, b) for a, b in pairwise(marks) if self.offset(a) != self.offset(b)]

    def _change(self, since: datetime, until: datetime) -> Change:
        before = self.offset(since)
        while until - since > timedelta(seconds=1):
            middle = since + (until - since) / 2
            since, until = (middle, until) if self.offset(middle) == before else (since, middle)
        at = until.replace(microsecond=0)
        naive = at.replace(tzinfo=None)
        return Change(at, naive + before, naive + self.offset(until))
