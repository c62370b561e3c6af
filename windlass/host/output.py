"""What code of a run prints: routed to the run it belongs to, line by line."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from windlass.contracts.events import EventKind

LONGEST_TEXT = 1024 * 1024


def capped(text: str) -> str:
    """At most 1 MiB of text, with a note about the rest."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]} … ({len(text) - LONGEST_TEXT} more characters were dropped)"


class Lines:
    """Cuts what is written into lines; keeps an unfinished one."""

    __slots__ = ("_length", "_lost", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = self._lost = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def feed(self, text: str) -> Iterator[str]:
        """Every line that is complete now."""
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._keep(text[start:end])
            yield self.rest()
            start = end + 1
        self._keep(text[start:])

    def rest(self) -> str:
        """The unfinished line, which is then forgotten."""
        line = "".join(self._pieces).rstrip()
        if self._lost:
            line += f" … ({self._lost} more characters were dropped)"
        self._pieces, self._length, self._lost = [], 0, 0
        return line.rpartition("\r")[2]  # a progress bar redraws its line: the last state counts

    def _keep(self, text: str) -> None:
        kept = text[: LONGEST_TEXT - self._length]
        self._lost += len(text) - len(kept)
        self._length += len(kept)
        if kept:
            self._pieces.append(kept)


Route = Callable[[EventKind, str], bool]


class RoutedStream:
    """Stands in for sys.stdout or sys.stderr: text of a run goes to the run, all other text where it always went."""

    def __init__(self, original: TextIO, kind: EventKind, route: Route) -> None:
        self._original = original
        self._kind = kind
        self._route = route

    def write(self, text: str) -> int:
        """Take text, like a file does."""
        if not self._route(self._kind, text):
            self._original.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Take several texts, like a file does."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Never a terminal: no colours, no cursor movements."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def route_streams(route: Route) -> None:
    """Send everything printed from now on through `route`; it says whether a run took the text."""
    sys.stdout = RoutedStream(sys.stdout, EventKind.STDOUT, route)
    sys.stderr = RoutedStream(sys.stderr, EventKind.STDERR, route)
