"""The time axis of a waterfall: where a moment lies, with long quiet stretches folded away."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BAND = 4.6  # width of a fold, percent of the track
SHORTEST_FOLD_S = 60.0
FOLD_SHARE = 0.10  # of the span that stays visible
MOST_FOLDS = 6
MARGIN = 0.02  # of the visible span: so much of a folded stretch is still drawn on both sides
TICKS = 7
BESIDE_PILL = 9.5  # percent that a tick keeps from the length written on a fold
GROWTH = 1.25
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
LONG_STEPS = (7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000)


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """A piece of time, in seconds since the start of the run."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps seconds to percent of the track; both sides of a fold keep one scale."""

    start: float
    end: float
    folds: tuple[Stretch, ...] = ()

    @property
    def visible(self) -> float:
        """Seconds that are drawn."""
        return max(self.end - self.start - sum(fold.length for fold in self.folds), 1e-6)

    @property
    def percent_per_second(self) -> float:
        """How wide a visible second is."""
        return (100 - BAND * len(self.folds)) / self.visible

    def x(self, seconds: float) -> float:
        """The place of a moment, 0 to 100; within a fold a share of its band."""
        seconds = min(max(seconds, self.start), self.end)
        place, shown = 0.0, self.start
        for fold in self.folds:
            if seconds <= fold.start:
                break
            place += (fold.start - shown) * self.percent_per_second
            share = min(1.0, (seconds - fold.start) / fold.length)
            place += BAND * share
            shown = fold.end
        if seconds > shown:
            place += (seconds - shown) * self.percent_per_second
        return min(place, 100.0)

    def at(self, x: float) -> float:
        """The moment at a place, 0 to 100: the other way round."""
        edges = self.edges
        for (left, begun), (right, done) in pairwise(edges):
            if x <= right:
                return begun + (done - begun) * max(0.0, x - left) / max(right - left, 1e-9)
        return edges[-1][1]

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """Place and moment of the ends of the axis and of its folds: between two of them time is even."""
        moments = (self.start, *(edge for fold in self.folds for edge in (fold.start, fold.end)), self.end)
        return tuple((self.x(each), each) for each in moments)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled line of the axis."""

    seconds: float
    x: float


def quiet_stretches(waits: Sequence[Stretch], works: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """When something waits and nothing works."""
    free = list(merged(waits))
    for work in merged(works):
        free = [piece for stretch in free for piece in without(stretch, work)]
    return tuple(free)


def without(stretch: Stretch, hole: Stretch) -> tuple[Stretch, ...]:
    """What is left of a stretch outside the hole."""
    left = Stretch(stretch.start, min(stretch.end, hole.start))
    right = Stretch(max(stretch.start, hole.end), stretch.end)
    return tuple(piece for piece in (left, right) if piece.length > 0)


def merged(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """The same time, without overlaps, in order."""
    result: list[Stretch] = []
    for stretch in sorted(stretches):
        if result and stretch.start <= result[-1].end:
            result[-1] = Stretch(result[-1].start, max(result[-1].end, stretch.end))
        else:
            result.append(stretch)
    return tuple(result)


def choose_folds(quiet: Sequence[Stretch], total: float) -> tuple[Stretch, ...]:
    """The stretches worth folding: over a minute and over a tenth of what stays visible, longest first."""
    chosen: list[Stretch] = []
    visible = total
    for stretch in sorted(quiet, key=lambda each: -each.length)[:MOST_FOLDS]:
        if stretch.length > SHORTEST_FOLD_S and stretch.length > FOLD_SHARE * visible:
            chosen.append(stretch)
            visible -= stretch.length
    margin = MARGIN * max(visible, 1.0)
    return tuple(sorted(Stretch(each.start + margin, each.end - margin) for each in chosen if each.length > 4 * margin))


def live_scale(now: float, quiet: Sequence[Stretch], *, fold: bool = True) -> Scale:
    """The axis of a run that goes on: it ends ahead of now and grows in jumps, so that bars seldom move."""
    folds = choose_folds(quiet, now) if fold else ()
    shown = max(now - sum(each.length for each in folds), 1.0)
    ahead = 5 * GROWTH ** math.ceil(math.log(max(shown / 0.94, 5) / 5, GROWTH))
    return Scale(0.0, now + (ahead - shown), folds)


def ended_scale(end: float, quiet: Sequence[Stretch], *, fold: bool = True) -> Scale:
    """The axis of a run that is over, with room for the last tooth."""
    folds = choose_folds(quiet, end) if fold else ()
    shown = max(end - sum(each.length for each in folds), 0.001)
    return Scale(0.0, end + shown * 0.02, folds)


def window(scale: Scale, start: float, end: float) -> Scale:
    """The same axis, zoomed to a window."""
    start, end = max(start, scale.start), min(end, scale.end)
    if end - start < 0.001:
        return scale
    folds = (Stretch(max(each.start, start), min(each.end, end)) for each in scale.folds)
    return Scale(start, end, tuple(each for each in folds if each.length > 0))


def ticks(scale: Scale, *, apart: float = 7.0) -> tuple[Tick, ...]:
    """Lines at round times outside the folds, never closer than `apart` percent."""
    step = next((each for each in (*STEPS, *LONG_STEPS) if scale.visible / each <= TICKS), LONG_STEPS[-1])
    result: list[Tick] = []
    taken = [scale.x((fold.start + fold.end) / 2) for fold in scale.folds]
    for stretch in drawn(scale):
        first = math.ceil(stretch.start / step - 1e-9)
        for count in range(first, int(stretch.end / step + 1e-9) + 1):
            here = Tick(count * step, round(scale.x(count * step), 3))
            clear = all(abs(here.x - other) >= BESIDE_PILL for other in taken)
            if clear and (not result or here.x - result[-1].x >= apart):
                result.append(here)
    return tuple(result)


def drawn(scale: Scale) -> tuple[Stretch, ...]:
    """What is left of the axis between its folds."""
    edges = [scale.start, *(edge for fold in scale.folds for edge in (fold.start, fold.end)), scale.end]
    return tuple(Stretch(start, end) for start, end in list(pairwise(edges))[::2])
