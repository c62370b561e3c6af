"""The waterfall of a run: rows of bars on one time axis, every position computed here."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.formats import Clock, Viewer, duration, epoch_ms, money, tick, took
from api.pages.minimap import Minimap, minimap
from api.pages.scale import Scale, Stretch, ended_scale, live_scale, quiet_stretches, ticks, window
from api.pages.spans import Kind, Span

SHORTEST_BAR = 0.35  # percent; what is shorter is drawn this wide
LETTER = 1.36  # percent of the track that a letter beside a bar takes, where the track is narrow
SHORTEST_VIEW_S = 0.02
WAITING = (Kind.TIMER, Kind.QUESTION)


@dataclass(frozen=True, slots=True)
class Look:
    """What the viewer has chosen: opened and closed rows, folding, a window, a selected row."""

    opened: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    fold: bool = True
    start: float | None = None
    end: float | None = None
    selected: str = ""
    first: str = ""  # the first of the drawn rows, where there are too many; nothing: the newest are drawn


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a row; the width of one that still grows does not count when rows are compared."""

    look: str
    x: float
    width: float = field(compare=False)
    grows: bool = False
    ended_width: float = 0.0  # the width again, compared, of a bar that no longer grows


@dataclass(frozen=True, slots=True)
class Word:
    """A few words beside a bar."""

    text: str
    x: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the waterfall."""

    id: str
    key: str
    depth: int
    twisty: str  # "", "open" or "closed"
    state: str
    kind: str
    name: str
    note: str
    quiet: bool
    selected: bool
    bars: tuple[Bar, ...]
    slivers: str
    tooth: float | None
    word: Word | None
    took: Clock
    cost: str
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label of the axis, and its line."""

    text: str
    x: float


@dataclass(frozen=True, slots=True)
class Band:
    """A fold: its place, and the time it hides."""

    x: float
    width: float
    text: str = field(compare=False)
    pill: float = 0.0


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Everything the component draws."""

    rows: tuple[Row, ...]
    map: Minimap | None
    marks: tuple[Mark, ...]
    bands: tuple[Band, ...]
    now: float | None = field(compare=False)
    percent_per_second: float = 0.0
    started_ms: int = 0
    now_s: float = field(default=0.0, compare=False)
    began: str = ""
    can_fold: bool = False
    folded: bool = True
    edges: tuple[tuple[float, float], ...] = field(default=(), compare=False)  # of its scale
    closer: Stretch | None = field(default=None, compare=False)  # the middle half of what is shown
    wider: Stretch | None = field(default=None, compare=False)  # twice as much; None: that is all there is

    @property
    def axis(self) -> tuple[object, ...]:
        """What must be equal for the rows of two moments to lie on one axis."""
        return (self.marks, self.bands, self.percent_per_second, self.now is None, self.can_fold)


def draw(root: Span, viewer: Viewer, look: Look) -> Waterfall:
    """Lay the spans of a run out as it stands at the viewer's moment."""
    pen = Pen(root, viewer, look)
    rows = list(pen.rows())
    overview = minimap(rows[1:], look.first)
    scale = pen.scale
    live = root.is_open
    step = scale.percent_per_second
    frozen = live and pen.is_quiet_now
    return Waterfall(
        rows=tuple(rows) if overview is None else (rows[0], *rows[1 + overview.start : 1 + overview.end]),
        map=overview,
        marks=tuple(Mark(tick(each.seconds), each.x) for each in ticks(scale)),
        bands=tuple(bands(scale)),
        now=round(scale.x(pen.now_s), 3) if live else None,
        percent_per_second=0.0 if frozen else round(step, 6),
        started_ms=epoch_ms(root.started_at),
        now_s=round(pen.now_s, 3),
        began=viewer.clock(root.started_at),
        can_fold=bool(pen.foldable),
        folded=look.fold,
        edges=scale.edges,
        closer=Stretch(scale.at(25), scale.at(75)) if scale.visible > SHORTEST_VIEW_S else None,
        wider=pen.wider,
    )


def bands(scale: Scale) -> Iterator[Band]:
    """The folds of an axis as drawn."""
    for fold in scale.folds:
        text = duration(fold.length)
        x, end = scale.x(fold.start), scale.x(fold.end)
        yield Band(round(x, 3), round(end - x, 3), text, pill=len(text) * 6.4 + 16)


def waits(root: Span) -> tuple[list[Stretch], list[Stretch]]:
    """When something waited and when something worked, seconds since the start; open spans last for ever."""
    waiting = [
        Stretch((start - root.started_at).total_seconds(), (end - root.started_at).total_seconds())
        for start, end in root.pauses
    ]
    working: list[Stretch] = []
    for span in leaves(root.children):
        if span.taken_over:
            continue
        start = (span.started_at - root.started_at).total_seconds()
        end = 1e12 if span.ended_at is None else (span.ended_at - root.started_at).total_seconds()
        (waiting if span.kind in WAITING else working).append(Stretch(start, max(end, start)))
    return waiting, working


def leaves(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans without anything inside."""
    for span in spans:
        if span.children:
            yield from leaves(span.children)
        else:
            yield span


def worked_and_waited(root: Span, now: datetime) -> tuple[float, float]:
    """The two parts of the time a run took, in seconds."""
    total = max(0.0, ((root.ended_at or now) - root.started_at).total_seconds())
    waiting, working = waits(root)
    quiet = sum(min(each.end, total) - min(each.start, total) for each in quiet_stretches(waiting, working))
    return total - quiet, quiet


def waits_now(root: Span) -> bool:
    """Whether a run only waits at the moment."""
    going = [span for span in leaves(root.children) if span.is_open]
    return bool(going) and all(span.kind in WAITING for span in going)


class Pen:
    """Draws the rows of one run at one moment."""

    def __init__(self, root: Span, viewer: Viewer, look: Look) -> None:
        self._root, self._viewer, self._look = root, viewer, look
        self.now_s = self._seconds(root.ended_at or viewer.now)
        waiting, working = waits(root)
        quiet = [
            Stretch(min(each.start, self.now_s), min(each.end, self.now_s))
            for each in quiet_stretches(waiting, working)
        ]
        make = live_scale if root.is_open else ended_scale
        whole = make(self.now_s, quiet)
        self.foldable = whole.folds
        self.is_quiet_now = bool(look.fold and whole.folds and quiet and quiet[-1].end >= self.now_s)
        self.scale = self._all = whole if look.fold else make(self.now_s, quiet, fold=False)
        if look.start is not None and look.end is not None:
            self.scale = window(self.scale, look.start, look.end)

    @property
    def wider(self) -> Stretch | None:
        """Twice as much as is shown, as far as there is more."""
        shown, room = self.scale, self.scale.visible / 2
        start, end = max(shown.start - room, self._all.start), min(shown.end + room, self._all.end)
        return Stretch(start, end) if start > self._all.start or end < self._all.end else None

    def rows(self) -> Iterator[Row]:
        """All visible rows, parents before what is inside them."""
        yield self._row(self._root, 0, "open" if self._root.children else "")
        yield from self._inside(self._root.children, 1)

    def _inside(self, spans: Sequence[Span], depth: int) -> Iterator[Row]:
        for span in spans:
            is_open = self._is_opened(span)
            yield self._row(span, depth, ("open" if is_open else "closed") if span.children else "")
            if is_open:
                yield from self._inside(span.children, depth + 1)

    def _is_opened(self, span: Span) -> bool:
        if not span.children or row_id(span.key) in self._look.closed:
            return False
        return not span.grouped or row_id(span.key) in self._look.opened

    def _row(self, span: Span, depth: int, twisty: str) -> Row:
        now = self._viewer.now
        start, end = self._seconds(span.started_at), self._seconds(span.ended_at or now)
        x, right = self.scale.x(start), self.scale.x(end)
        clock = took(span.started_at, span.ended_at, now)
        identity = row_id(span.key)
        return Row(
            id=identity,
            key=span.key,
            depth=depth,
            twisty=twisty,
            state=span.state,
            kind=str(span.kind),
            name=span.name,
            note=span.note,
            quiet=span.state == "lost" or span.kind in WAITING,
            selected=identity == self._look.selected,
            bars=self._bars(span, x, right, twisty),
            slivers=self._slivers(span, start, end) if span.grouped and twisty == "closed" else "",
            tooth=round(right, 3) if span.kept and not span.taken_over and (depth == 1 or not span.is_open) else None,
            word=word(span, x, right),
            took=Clock("kept") if span.taken_over else clock,
            cost=money(span.cost_usd),
            text=self._text(span, start, clock, money(span.cost_usd)),
        )

    def _bars(self, span: Span, x: float, right: float, twisty: str) -> tuple[Bar, ...]:
        if span.taken_over:
            return (Bar("leaf taken", 0.2, 0.9, ended_width=0.9),)
        width = round(max(right - x, SHORTEST_BAR), 3)
        x = round(min(x, 100 - SHORTEST_BAR), 3)
        look = bar_look(span, twisty)
        again = (
            Bar("leaf taken", round(self.scale.x(self._seconds(at)), 3), 0.9, ended_width=0.9) for at in span.again_at
        )
        return (Bar(look, x, width, span.is_open, 0.0 if span.is_open else width), *again)

    def _slivers(self, span: Span, start: float, end: float) -> str:
        """An SVG path of the members, on a canvas 1000 wide and 10 high."""
        left, right = self.scale.x(start), max(self.scale.x(end), self.scale.x(start) + SHORTEST_BAR)
        pieces: list[str] = []
        reached = -10.0
        for member in span.children:
            x = (self.scale.x(self._seconds(member.started_at)) - left) / (right - left) * 1000
            until = (self.scale.x(self._seconds(member.ended_at or self._viewer.now)) - left) / (right - left) * 1000
            x = max(x, reached + 4)  # a gap, so that neighbours stay apart
            if x < 996:
                reached = max(until, x + 5)
                pieces.append(f"M{x:.0f} 0H{min(reached, 1000):.0f}V10H{x:.0f}Z")
        return "".join(pieces)

    def _seconds(self, at: datetime) -> float:
        return max(0.0, (at - self._root.started_at).total_seconds())

    def _text(self, span: Span, start: float, clock: Clock, cost: str) -> str:
        parts = [span.state, str(span.kind), f"{span.name} {span.note}".strip()]
        if span.taken_over:
            parts.append("taken over from an earlier try")
        else:
            parts += [f"started at {tick(start)}", f"took {clock.text}"]
        if span.cost_usd is not None:
            parts.append(f"cost {cost}")
        return ", ".join([*parts, *([span.cause] if span.cause else []), *(["kept"] if span.kept else [])])


def bar_look(span: Span, twisty: str) -> str:
    """The class of a bar: its shape, then its fill."""
    shape = "line" if span.children and twisty == "open" else "leaf"
    if span.state in ("failed", "lost"):
        return f"{shape} {'bad' if shape == 'leaf' else 'broken'}"
    if span.kind in WAITING:
        return f"{shape} waited"
    if span.is_open:
        return f"{shape} live"
    if span.state == "cancelled":
        return f"{shape} stopped"
    return f"{shape} {'group ' if span.grouped and shape == 'leaf' else ''}k-{span.kind}"


def word(span: Span, x: float, right: float) -> Word | None:
    """The cause, written beside the bar where there is more room, and cut to it."""
    if not span.cause or span.children:
        return None
    is_right = 100 - right >= x
    most = int((100 - right if is_right else x) / LETTER) - 1
    text = span.cause if len(span.cause) <= most else f"{span.cause[: max(most - 1, 0)].rstrip()}\u2026"
    if is_right:
        return Word(text, round(right + 1.2, 3), "start")
    return Word(text, round(max(x, SHORTEST_BAR) - 1.0, 3), "end")


def row_id(key: str) -> str:
    """A short name for a row that may stand in an address and in HTML."""
    return "s" + hashlib.blake2s(key.encode(), digest_size=4).hexdigest()
