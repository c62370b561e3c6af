"""A conversation as its page shows it: what people said, what the model said and did, and what waits."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup

from api.pages.formats import Clock, Viewer, counted, size, took
from api.pages.markdown import markdown
from windlass.contracts.events import Event, EventKind, Payload
from windlass.core.attachments import attachments_of
from windlass.core.media import IMAGES

KINDS = (
    *(EventKind.MESSAGE, EventKind.TOOL_CALL, EventKind.TOOL_RESULT),
    *(EventKind.STATUS, EventKind.ERROR, EventKind.LOG),
)
SHAPES = {"done": "finished", "failed": "failed", "unknown": "untried", None: "running"}
SHOWN_CHARACTERS = 4_000
PREVIEW_LINES = 40
MOST_OPEN = 6  # uses of tools that stand as rows of their own once they have finished
STEP, SECOND_ROW = 5, 8  # of the drawing of a turn, in pixels
MOST_BLOCKS = 40
GIST_CHARACTERS = 28
SIGNS = {"+": "+", "-": "\N{MINUS SIGN}"}
FOUND = re.compile(r".+?:\d+: ")  # a line that a search has found
LOOKS = {"finished": "k-tool", "running": "live"}
ENDS = {"interrupted": "Interrupted. What was said is kept.", "archived": "Archived. What was said is kept."}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a change: `sign` is +, - or nothing."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class File:
    """A file beside a message."""

    id: UUID
    name: str
    size: str
    is_image: bool


@dataclass(slots=True)
class Use:
    """One use of a tool as a row."""

    id: str
    name: str
    what: str
    began_at: datetime
    ended_at: datetime | None = None
    shape: str = "running"
    outcome: str = ""
    text: str = ""
    took: Clock = field(default_factory=lambda: Clock(""))
    lines: tuple[Line, ...] = ()
    run_id: str = ""
    gist: str = ""

    @property
    def title(self) -> str:
        """The tool as a row names it."""
        return titled(self.name)

    @property
    def came(self) -> str:
        """What came of it, in a word or two; of what went well not every tool has one."""
        return self.gist if self.outcome == "done" else self.outcome


@dataclass(slots=True)
class Entry:
    """One entry of the transcript: something said, uses of tools, or a note; `turn` is 0 outside of turns."""

    kind: str  # person, model, tools, note, error
    seq: int
    at: datetime
    when: str
    turn: int = 0
    who: str = ""
    text: str = ""
    html: Markup = field(default_factory=Markup)
    files: tuple[File, ...] = ()
    uses: list[Use] = field(default_factory=list[Use])

    @property
    def is_folded(self) -> bool:
        """Whether its uses are many and all finished: then one row tells of them."""
        return len(self.uses) > MOST_OPEN and all(use.outcome == "done" for use in self.uses)

    @property
    def took(self) -> Clock:
        """How long its uses took, from the first to the last."""
        return took(self.uses[0].began_at, self.uses[-1].ended_at, self.uses[-1].began_at)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A turn in small: where it begins, and a block for each thing that was said and done (`look`, `x`, `y`)."""

    number: int
    seq: int
    blocks: Sequence[tuple[str, int, int]]
    text: str

    @property
    def width(self) -> int:
        """How wide its drawing is."""
        return max(14, STEP * len(self.blocks))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that no turn has taken up."""

    id: str
    who: str
    text: str
    steers: bool = False
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Talk:
    """A whole conversation, or its end."""

    entries: Sequence[Entry]
    waiting: Sequence[Waiting]

    @property
    def turns(self) -> list[Drawn]:
        """The turns that are shown, each once."""
        of = {entry.turn: [each for each in self.entries if each.turn == entry.turn] for entry in self.entries}
        return [_drawn(turn, of[turn]) for turn in sorted(of) if turn]


class Teller:
    """Reads a session's events in order."""

    def __init__(self, seen: Viewer) -> None:
        self._seen = seen
        self._entries: list[Entry] = []
        self._said: dict[str, Event] = {}
        self._uses: dict[str, Use] = {}
        self._turn = 0

    def tell(self, events: Sequence[Event]) -> Talk:
        """The conversation of these events."""
        for event in events:
            self._take(event)
        waiting = [
            Waiting(
                id=name,
                who=self._who(each.payload),
                text=_text(each.payload),
                steers=each.payload.get("steers") is True,
                files=_files(each.payload),
            )
            for name, each in self._said.items()
        ]
        return Talk(self._entries, waiting)

    def _take(self, event: Event) -> None:
        said = event.payload
        match event.kind:
            case EventKind.MESSAGE if said.get("role") == "user":
                self._said[str(said.get("id"))] = event
            case EventKind.MESSAGE:
                self._answered(event)
            case EventKind.TOOL_CALL:
                self._called(event)
            case EventKind.TOOL_RESULT:
                self._came(event)
            case EventKind.STATUS:
                self._changed(event)
            case EventKind.ERROR:
                self._add("error", event, text=str(said.get("message", "")))
            case _:
                self._said.pop(str(said.get("withdrawn")), None)
                if said.get("level") == "warning" or "summary" in said or "owner" in said:
                    self._add("note", event, text=str(said.get("text", "")))

    def _changed(self, event: Event) -> None:
        """A turn begins with what it takes up, or it ends."""
        self._turn = int(event.payload.get("turn") or self._turn)
        for name in event.payload.get("took") or ():
            taken = self._said.pop(str(name), None)
            if taken is not None:
                self._add("person", taken, who=self._who(taken.payload), text=_text(taken.payload))
                self._entries[-1].files = _files(taken.payload)
        note = ENDS.get(str(event.payload.get("end") or event.payload.get("status")))
        if note:
            self._add("note", event, text=note)

    def _answered(self, event: Event) -> None:
        text = _text(event.payload)
        if text.strip():
            self._add("model", event, who="Claude", html=markdown(text))

    def _called(self, event: Event) -> None:
        said = event.payload
        lines = _lines(said)
        use = Use(str(said.get("id")), str(said.get("name")), _what(said), event.at, lines=_shown(lines))
        use.gist = _counts(lines)
        use.took = took(event.at, None, self._seen.now)
        self._uses[use.id] = use
        if not self._entries or self._entries[-1].kind != "tools":
            self._add("tools", event, who="Claude")
        self._entries[-1].uses.append(use)

    def _came(self, event: Event) -> None:
        said = event.payload
        use = self._uses.get(str(said.get("id")))
        if use is not None:
            use.outcome = str(said.get("outcome"))
            use.shape = SHAPES.get(use.outcome, "failed")
            use.text = _text(said)[:SHOWN_CHARACTERS]
            use.gist = use.gist or _gist(use.name, said.get("text"))
            use.run_id = str(said.get("run_id") or "")
            use.ended_at = event.at
            use.took = took(use.began_at, event.at, self._seen.now)

    def _add(self, kind: str, event: Event, *, who: str = "", text: str = "", html: Markup | None = None) -> None:
        when = self._seen.when(event.at)
        self._entries.append(Entry(kind, event.seq, event.at, when, self._turn, who, text, html or Markup()))

    def _who(self, said: Payload) -> str:
        return str(said.get("name") or "Somebody")


def _drawn(turn: int, entries: Sequence[Entry]) -> Drawn:
    """A turn in small: answers above, uses of tools below, what went wrong crossed out."""
    looks: list[tuple[str, int]] = []
    for entry in entries:
        looks += [("k-model", 0)] * (entry.kind == "model")
        looks += [(LOOKS.get(use.shape, "bad"), SECOND_ROW) for use in entry.uses]
    shown = looks[-MOST_BLOCKS:]
    answers = sum(look == "k-model" for look, _ in looks)
    said = f"Turn {turn}: {counted(answers, 'answer')}, {counted(len(looks) - answers, 'use')} of tools"
    return Drawn(turn, entries[0].seq, [(look, STEP * place, y) for place, (look, y) in enumerate(shown)], said)


def _text(said: Payload) -> str:
    """The words of a payload; what was too large for the log is shown by its beginning."""
    value: Any = said.get("text") or ""
    return f"{value['preview']}…" if isinstance(value, dict) else str(value)  # pyright: ignore[reportUnknownArgumentType] - JSON


def _files(said: Payload) -> tuple[File, ...]:
    """The files beside a message."""
    named = attachments_of(said)
    return tuple(File(each.id, each.name, size(each.size_bytes), each.media_type in IMAGES) for each in named)


def _what(said: Payload) -> str:
    """What a tool was used on, in one line."""
    given = _input(said)
    known = next((given[name] for name in ("path", "pattern", "command", "question", "agent") if given.get(name)), "")
    return str(known or ", ".join(str(value) for value in given.values() if isinstance(value, str | int | float)))[:200]


def titled(name: str) -> str:
    """A tool by its own name, or by its server's and its own."""
    server, _, tool = name.partition("__")
    return f"{server}: {tool}" if tool else name.replace("_", " ").capitalize()


def _lines(said: Payload) -> list[Line]:
    """What a tool would change, line by line."""
    given = _input(said)
    old = str(given.get("old_str") or "").splitlines()
    new = str(given.get("new_str") or given.get("content") or "").splitlines()
    return [*(Line("-", each) for each in old), *(Line("+", each) for each in new)]


def _shown(lines: Sequence[Line]) -> tuple[Line, ...]:
    more = len(lines) - PREVIEW_LINES
    return (*lines[:PREVIEW_LINES], *((Line("", f"… {more} more lines"),) if more > 0 else ()))


def _counts(lines: Sequence[Line]) -> str:
    """How many lines come and go."""
    count = Counter(line.sign for line in lines)
    return " ".join(f"{shown}{count[sign]}" for sign, shown in SIGNS.items() if count[sign])


def _gist(tool: str, text: object) -> str:
    """How many lines a search has found, or the last line of a command; nothing of what is too large for the log."""
    lines = [each.strip() for each in text.splitlines() if each.strip()] if isinstance(text, str) else []
    if tool == "search":
        return counted(sum(FOUND.match(each) is not None for each in lines), "line")
    if tool != "shell" or not lines:
        return ""
    return lines[-1] if len(lines[-1]) <= GIST_CHARACTERS else f"{lines[-1][: GIST_CHARACTERS - 1]}…"


def _input(said: Payload) -> Payload:
    given: Any = said.get("input")
    return given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType] - JSON
