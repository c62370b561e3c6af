"""Charts as the server draws them: columns of counts and lines of durations, from the same beginning, y from zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

HIGH = 54.0  # pixels of the highest column and of the highest point
LOWEST = 2.0  # pixels of a part with a run


@dataclass(frozen=True, slots=True)
class Column:
    """A piece of a column: how it looks; its left edge and width (percent); its top and height (pixels)."""

    look: str
    x: float
    width: float
    y: float
    height: float


def columns(stacks: Sequence[Sequence[tuple[str, int]]]) -> tuple[Column, ...]:
    """Columns side by side; each is a stack of counts from the bottom up."""
    step = 100 / max(1, len(stacks))
    scale = HIGH / max(1, *(sum(count for _, count in stack) for stack in stacks), 1)
    return tuple(
        piece
        for place, stack in enumerate(stacks)
        for piece in _column(stack, round(place * step, 2), round(step * 0.77, 2), scale)
    )


def _column(stack: Sequence[tuple[str, int]], x: float, width: float, scale: float) -> list[Column]:
    seen = [each for each in stack if each[1]]
    tops = [0.0]
    for _, count in seen:
        tops.append(tops[-1] + max(LOWEST, count * scale))
    pieces = zip(seen, pairwise(tops), strict=True)
    return [Column(look, x, width, round(HIGH - top, 1), round(top - low, 1)) for (look, _), (low, top) in pieces]


def line(values: Sequence[float | None], highest: float) -> tuple[str, ...]:
    """The points of a line (percent from the left, pixels from above), one text for each stretch without a gap."""
    step = 100 / max(1, len(values))
    stretches: list[list[tuple[float, float]]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            stretches.append([])
        else:
            height = HIGH - HIGH * value / highest if highest else HIGH
            stretches[-1].append((place * step + step * 0.385, height))
    half = step * 0.385  # of a column: what stands alone is as wide as one
    wide = (
        [(x - half, y), (x + half, y)] if len(points) == 1 else points for points in stretches for x, y in points[:1]
    )
    return tuple(" ".join(f"{x:.2f},{y:.1f}" for x, y in points) for points in wide)
