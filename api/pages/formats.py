"""How durations, money, sizes and times are written: one way each, a missing value is a dash."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

MISSING = "\u2013"
UTC_ZONE = ZoneInfo("UTC")
LIST_END = 10_000  # lists are not counted further


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: the time of the look, the zone of their clock and their choice of theme."""

    now: datetime
    zone: ZoneInfo = UTC_ZONE
    theme: Literal["dark", "light"] | None = None

    def clock(self, at: datetime | None) -> str:
        """`14:18:06`."""
        return MISSING if at is None else f"{at.astimezone(self.zone):%H:%M:%S}"

    def when(self, at: datetime | None) -> str:
        """`14:18` today, `Fri 20 Nov 14:18` within half a year, `20 Nov 2025` before."""
        if at is None:
            return MISSING
        local, today = at.astimezone(self.zone), self.now.astimezone(self.zone)
        if local.date() == today.date():
            return f"{local:%H:%M}"
        if abs(today - local) < timedelta(days=180):
            return f"{local:%a} {local.day} {local:%b %H:%M}"
        return f"{local.day} {local:%b %Y}"

    def age(self, at: datetime | None) -> str:
        """How long ago, coarse: `11s`, `9m`, `1h 12m`, `4d`."""
        return MISSING if at is None else age((self.now - at).total_seconds())


@dataclass(frozen=True, slots=True)
class Clock:
    """A duration as text; one that still grows says since when (epoch ms), so that the page can tick it."""

    text: str
    since_ms: int | None = None

    def __eq__(self, other: object) -> bool:
        """Two clocks that tick from the same moment are the same, whatever they show."""
        if not isinstance(other, Clock):
            return NotImplemented
        if self.since_ms is not None or other.since_ms is not None:
            return self.since_ms == other.since_ms
        return self.text == other.text

    def __hash__(self) -> int:
        return hash(self.since_ms if self.since_ms is not None else self.text)


def took(started_at: datetime | None, ended_at: datetime | None, now: datetime) -> Clock:
    """How long something took, or the clock of what has not ended."""
    if started_at is None:
        return Clock(MISSING)
    seconds = ((ended_at or now) - started_at).total_seconds()
    return Clock(duration(seconds), None if ended_at else epoch_ms(started_at))


def epoch_ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def parse_time(text: object) -> datetime | None:
    """An aware time from ISO text, None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def duration(seconds: float | None) -> str:
    """`46.0s`, `13m 52s`, `1h 04m`, `4d 3h`; what is shorter than a tenth says so."""
    if seconds is None:
        return MISSING
    if seconds < 0.05:
        return "<0.1s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours == 0:
        return f"{minutes}m {whole % 60:02d}s"
    return f"{hours}h {minutes % 60:02d}m" if days == 0 else f"{days}d {hours % 24}h"


def age(seconds: float) -> str:
    """A duration without its small part: `11s`, `9m`, `1h 12m`, `4d`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m" if whole < 86400 else f"{whole // 86400}d"


def tick(seconds: float) -> str:
    """The label of a tick on a time axis: `0`, `20ms`, `0.5s`, `3.05s`, `30s`, `1m 30s`, `13m`, `2h`, `1d`."""
    if seconds < 0.0005:
        return "0"
    thousandths = round(seconds * 1000)
    if thousandths < 1000 and thousandths % 100:
        return f"{thousandths}ms"
    if seconds < 59.5:
        return f"{thousandths / 1000:g}s"
    whole = round(seconds)
    units = ((whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return " ".join([f"{count}{unit}" for count, unit in units if count][:2])


def money(amount: Decimal | None) -> str:
    """`$0.84`, `$1,240.10`, under a cent `<$0.01`; unknown is never shown as nothing."""
    if amount is None:
        return MISSING
    if 0 < amount < Decimal("0.01"):
        return "<$0.01"
    return f"${amount:,.2f}"


def size(count: int | None) -> str:
    """Bytes as `512 B`, `88.2 kB`, `1.2 MB`."""
    if count is None:
        return MISSING
    if count < 1000:
        return f"{count} B"
    power = next((n for n in (1, 2, 3) if count < 999.95 * 1000**n), 4)
    return f"{count / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def tokens(count: int | None) -> str:
    """Tokens as `412`, `1.2k`, `214k`, `1M`, `1.3M`."""
    if count is None:
        return MISSING
    if count < 1000:
        return str(count)
    if count < 9950:
        return f"{count / 1000:.1f}k"
    return f"{count / 1000:.0f}k" if count < 999_500 else f"{count / 1_000_000:.1f}M".replace(".0M", "M")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 step`, `9 steps`, `1 try`, `2 tries`; nothing is counted past ten thousand."""
    number = f"{count:,}" if count < LIST_END else "10,000+"
    return f"{number} {noun if count == 1 else plural or noun + 's'}"


def at_least(counts: Iterable[int], most: int) -> str:
    """A number that was put together of counts that end at `most`: what is more than it shows ends with a plus."""
    numbers = list(counts)
    return f"{sum(numbers):,}{'+' if any(each >= most for each in numbers) else ''}"


def short_id(identifier: object) -> str:
    """The last eight characters: the random end of a UUIDv7."""
    return str(identifier)[-8:]
