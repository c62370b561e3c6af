"""Sparklines: one number of the last hour, a minute a step, as small as a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from windlass.core.health import Grade
from windlass.core.pulses import Minute

MINUTES = 60
STEP, HIGH = 2.0, 16.0  # pixels
LINE = 1.0  # pixels that the line needs above and below


@dataclass(frozen=True, slots=True)
class Spark:
    """Lines (each the points of a stretch without a gap), and the places of minutes that failed (pixels)."""

    lines: tuple[str, ...]
    failed: tuple[float, ...]
    text: str


def draw_spark(minutes: Sequence[Minute], unit: str, now: datetime) -> Spark:
    """The last hour; minutes nobody looked at are a gap, those that failed a bar."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    placed = {int((each.at - first).total_seconds() // 60): each for each in minutes if each.at >= first}
    values = [each.value for each in placed.values() if each.value is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    lines: list[list[str]] = [[]]
    for place in range(MINUTES):
        value = placed[place].value if place in placed else None
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{place * STEP + STEP / 2:g},{height(value, low, high):g}")
    failed = tuple(place * STEP for place, each in sorted(placed.items()) if each.grade is Grade.FAIL)
    stretches = tuple(" ".join(line * 2 if len(line) == 1 else line) for line in lines if line)
    return Spark(stretches, failed, words(values, unit, len(failed), len(placed)))


def height(value: float, low: float, high: float) -> float:
    """Where a value stands, from above; one that never changes stands in the middle."""
    room = HIGH - 2 * LINE
    return HIGH / 2 if high == low else round(LINE + room - room * (value - low) / (high - low), 1)


def words(values: Sequence[float], unit: str, failed: int, seen: int) -> str:
    """The same for who cannot see it."""
    low, high = f"{min(values, default=0):.3g}", f"{max(values, default=0):.3g}"
    span = f"always {low}" if low == high else f"{low} to {high}"
    shown = f"{span} {unit}".rstrip() if values else "no number"
    return f"Last hour: {shown}; failed in {failed} of {seen} minutes"
