"""What one run prints: kept in order, within limits, and never at the cost of the other runs."""

import threading
from collections.abc import Callable
from contextlib import suppress

from windlass.contracts.events import EventKind
from windlass.host import wire
from windlass.host.branches import Branch
from windlass.host.outbox import SLACK, Outbox

MOST_LINES = 100_000
MOST_CHARACTERS = 16 * 1024 * 1024
PATIENCE_S = 1.0  # how long a print in a thread waits for room: it may hold a lock of the logging module


class Printing:
    """Turns text into stdout and stderr events. A dropped line keeps its ordinal, so that replay finds the others."""

    def __init__(self, outbox: Outbox, is_thread: Callable[[], bool]) -> None:
        self.dropped = 0
        self._outbox = outbox
        self._is_thread = is_thread
        self._lines_left = MOST_LINES
        self._characters_left = MOST_CHARACTERS
        self._unfinished: dict[Branch, None] = {}
        self._is_impatient = False
        self._lock = threading.RLock()

    def write(self, branch: Branch, kind: EventKind, text: str) -> None:
        """Take text; every complete line becomes an event."""
        if self._is_used_up():
            self.dropped += text.count("\n")
            return
        for line in branch.lines(kind).feed(text):
            self._print(branch, kind, line)
        if branch.has_unfinished_lines() != (branch in self._unfinished):
            self._toggle(branch)

    def finish(self) -> None:
        """Take the lines that have no end."""
        with self._lock:
            branches, self._unfinished = list(self._unfinished), {}
        for branch in branches:
            for kind, line in branch.unfinished_lines():
                self._print(branch, kind, line)

    def _toggle(self, branch: Branch) -> None:
        with self._lock:
            if branch in self._unfinished:
                del self._unfinished[branch]
            else:
                self._unfinished[branch] = None

    def _print(self, branch: Branch, kind: EventKind, line: str) -> None:
        if not line or self._outbox.is_closed:
            return
        if self._may_print(len(line)):
            with suppress(RuntimeError):  # the run ended in between
                self._outbox.put(branch.out, kind, wire.body({"text": line}))
        else:
            self.dropped += 1
            self._outbox.skip(branch.out)

    def _is_used_up(self) -> bool:
        return self._lines_left <= 0 or self._characters_left <= 0

    def _may_print(self, characters: int) -> bool:
        if self._is_used_up():
            return False
        self._lines_left -= 1
        self._characters_left -= characters
        if self._outbox.has_room():
            self._is_impatient = False
            return True
        if not self._is_thread():
            return self._outbox.has_room(SLACK)
        if not self._is_impatient:
            self._is_impatient = not self._outbox.room_sync(PATIENCE_S)
        return not self._is_impatient
