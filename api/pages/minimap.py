"""The minimap over a long waterfall: every row in one small picture, and which of them are drawn below it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

DRAWN = 199  # rows at once, below that of the run itself
STEP = 100  # rows further, when somebody scrolls over an edge
WIDTH, HEIGHT = 1000, 40  # of the canvas; a percent of the axis is ten of its width
GRAIN = 4  # of the canvas: what is closer to its neighbour is drawn as one
MOST_BANDS = 20
LOUD = ("live", "bad")  # drawn last: trouble and work are seen first


class Drawn(Protocol):
    """What the map must know of a row's bar."""

    @property
    def look(self) -> str:
        """Its classes, the fill last."""
        ...

    @property
    def x(self) -> float:
        """Where it begins, 0 to 100."""
        ...

    @property
    def width(self) -> float:
        """How wide it is."""
        ...


class Rowed(Protocol):
    """What the map must know of a row."""

    @property
    def id(self) -> str:
        """Its name in addresses."""
        ...

    @property
    def bars(self) -> Sequence[Drawn]:
        """Its bars."""
        ...


@dataclass(frozen=True, slots=True)
class Shade:
    """All that is filled alike, as one SVG path."""

    fill: str
    path: str


@dataclass(frozen=True, slots=True)
class Band:
    """A piece of the map that leads to its rows; `first` is the row they begin at, nothing for the newest."""

    y: float
    height: float
    first: str


@dataclass(frozen=True, slots=True)
class Minimap:
    """The map, and the window over it."""

    total: int
    start: int
    end: int
    shades: tuple[Shade, ...]
    bands: tuple[Band, ...]
    earlier: str | None  # the row that a window further up begins at; None: this is the first
    later: str | None  # the same further down, nothing for the newest; None: this is the last

    @property
    def y(self) -> float:
        """Where the window begins on the canvas."""
        return round(self.start * HEIGHT / self.total, 2)

    @property
    def height(self) -> float:
        """How high the window is on the canvas."""
        return round(max((self.end - self.start) * HEIGHT / self.total, 2), 2)

    @property
    def text(self) -> str:
        """Which rows of how many are drawn."""
        return f"Rows {self.start + 1:,} to {self.end:,} of {self.total:,}"


def minimap(rows: Sequence[Rowed], first: str) -> Minimap | None:
    """The map over the rows inside a run, with the window at the row `first` or the newest; None when all are drawn."""
    total = len(rows)
    if total <= DRAWN:
        return None
    last = total - DRAWN
    start = min(next((n for n, row in enumerate(rows) if row.id == first), last), last)
    return Minimap(
        total,
        start,
        start + DRAWN,
        tuple(shades(rows)),
        tuple(bands(rows)),
        rows[max(0, start - STEP)].id if start else None,
        None if start == last else rows[start + STEP].id if start + STEP < last else "",
    )


def shades(rows: Sequence[Rowed]) -> Iterator[Shade]:
    """The bars of all rows by their fill, what is loud on top."""
    found: dict[str, dict[int, list[tuple[int, int]]]] = {}
    for n, row in enumerate(rows):
        bar = row.bars[0]
        begins = int(bar.x * 10 / GRAIN) * GRAIN
        ends = min(int((bar.x + bar.width) * 10 / GRAIN + 1) * GRAIN, WIDTH)
        fill = found.setdefault(bar.look.rpartition(" ")[2], {})
        fill.setdefault(n * HEIGHT // len(rows), []).append((begins, ends))
    for fill in sorted(found, key=lambda each: (each in LOUD, each)):
        pieces = (piece(y, *span) for y, spans in found[fill].items() for span in joined(spans))
        yield Shade(fill, "".join(pieces))


def joined(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same without overlaps, from left to right."""
    begins, ends = -1, -1
    for left, right in sorted(spans):
        if left > ends:
            if ends >= 0:
                yield begins, ends
            begins, ends = left, right
        ends = max(ends, right)
    yield begins, ends


def piece(y: int, begins: int, ends: int) -> str:
    """A rectangle one line high, as a piece of a path."""
    return f"M{begins} {y}H{ends}V{y + 1}H{begins}Z"


def bands(rows: Sequence[Rowed]) -> Iterator[Band]:
    """The map cut into pieces, each of which leads to its rows."""
    count = min(-(-len(rows) // DRAWN), MOST_BANDS)
    for n in range(count):
        first = n * len(rows) // count
        yield Band(round(n * HEIGHT / count, 2), round(HEIGHT / count, 2), "" if n == count - 1 else rows[first].id)
