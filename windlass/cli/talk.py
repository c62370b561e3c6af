"""A conversation on a terminal: words as they come, tools as they are used, and how a turn ended."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape

from windlass.cli.screen import console, errors, print_json_line
from windlass.client import Event
from windlass.contracts.events import EventKind
from windlass.contracts.questions import exactly

SHOWN_CHARACTERS = 300  # of what waits to be allowed; where it is longer that is said
SHAPES = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "unknown": "[yellow]?[/]"}


class Teller:
    """Prints the events of a session in order; `message_id` is the message whose turn is waited for."""

    def __init__(self, message_id: str = "", *, as_json: bool = False, own_words: bool = True) -> None:
        self._message_id, self._as_json, self._own_words = message_id, as_json, own_words
        self._turn: int | None = None
        self._written: dict[str, int] = {}  # how many pieces of an answer are on the screen
        self.end = ""

    def tell(self, events: Iterator[Event]) -> str:
        """Print until the turn has ended, or for ever without a message; answers how it ended."""
        for event in events:
            if not self._as_json:
                self._show(event)
            elif event.seq is not None:
                print_json_line(event)
            if self._is_end(event):
                break
        return self.end

    def _is_end(self, event: Event) -> bool:
        said = event.payload
        if event.kind != EventKind.STATUS:
            return False
        if self._message_id in (said.get("took") or ()):
            self._turn = said["turn"]
        if self._message_id and self._turn is not None and said.get("end") and said.get("turn") == self._turn:
            self.end = str(said["end"])
        return bool(self.end)

    def _show(self, event: Event) -> None:
        said = event.payload
        match event.kind:
            case EventKind.MESSAGE_DELTA:
                self._write(said["item"], said["attempt"], said["ord"], said["text"])
            case EventKind.MESSAGE if said.get("role") == "user":
                if self._own_words:
                    console.print(
                        f"[bold]{escape(str(said.get('name', '')))}[/]: {escape(_text(event))}", highlight=False
                    )
            case EventKind.MESSAGE:
                self._finish(str(said.get("item")), _text(event))
            case EventKind.ERROR:
                errors.print(f"[red]{escape(str(said.get('message')))}[/]", highlight=False, soft_wrap=True)
            case _:
                self._show_deed(event)

    def _show_deed(self, event: Event) -> None:
        """What was done, and what waits for a person."""
        said = event.payload
        match event.kind:
            case EventKind.TOOL_RESULT:
                shape = SHAPES.get(str(said.get("outcome")), "·")
                first = (_text(event).splitlines() or [""])[0][:100]
                console.print(f"{shape} [dim]{escape(str(said.get('name')))}: {escape(first)}[/]", highlight=False)
            case EventKind.ARTIFACT:
                console.print(f"[green]✓[/] {escape(str(said.get('name')))} is kept as a result", highlight=False)
            case EventKind.APPROVAL_REQUESTED:
                what = exactly(_input(said))
                self._waits(said, f"windlass approve {said.get('question_id')}", what)
            case EventKind.QUESTION if said.get("state") == "open":
                self._waits(said, f"windlass question answer {said.get('question_id')} FIELD=VALUE")
            case _:
                pass

    def _waits(self, said: Mapping[str, Any], command: str, what: str = "") -> None:
        """What waits for a person, and how it goes on."""
        if len(what) > SHOWN_CHARACTERS:
            more = f"windlass question show {said.get('question_id')}"
            what = f"{what[:SHOWN_CHARACTERS]}… {len(what) - SHOWN_CHARACTERS} characters more: {more}"
        errors.print(
            f"[yellow]?[/] {escape(str(said.get('name')))} [dim]{escape(what)}[/]", highlight=False, soft_wrap=True
        )
        errors.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)

    def _write(self, item: str, attempt: int, order: int, text: str) -> None:
        key = f"{item}/{attempt}"
        if order == self._written.get(key, 0):
            self._written[key] = order + 1
            console.print(text, end="", markup=False, highlight=False, soft_wrap=True)

    def _finish(self, item: str, text: str) -> None:
        """The whole answer is here: what was not shown on its way is shown now."""
        was_shown = any(key.startswith(f"{item}/") for key in self._written)
        if was_shown:
            console.print()
        elif text.strip():
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _text(event: Event) -> str:
    """The words of an event; a large one by its beginning."""
    text = event.payload.get("text") or ""
    return f"{text['preview']}…" if isinstance(text, dict) else str(text)


def _input(said: Mapping[str, Any]) -> Any:
    """What the tool of an approval would be used with."""
    call: Mapping[str, Any] = said.get("call") or {}
    return call.get("input", call)
