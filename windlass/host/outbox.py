"""What a run reported and the log has not stored yet: kept, resent on attach, bounded."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic

from windlass.contracts.events import EventKind
from windlass.host.branches import Place

MAX_EVENTS = 1_000
MAX_BYTES = 1024 * 1024
SLACK = 8  # how much further prints in a loop, which cannot wait, may go

Notify = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on its way."""

    producer: str
    pseq: int
    line: bytes
    on_stored: Notify | None


class Outbox:
    """The events of one run in order. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a finalizer that prints may come in at any allocation
        self._arriving: deque[tuple[Place, EventKind, bytes, Notify | None]] = deque()
        self._is_adding = False
        self._unsent: deque[Entry] = deque()
        self._sent: deque[Entry] = deque()
        self._size = 0
        self._waiting: deque[Notify] = deque()
        self._edges: dict[str, bytes] = {}  # "opening" comes before every event, "closing" after them
        self._edges_sent: set[str] = set()
        self._notes: list[bytes] = []
        self._wake: Notify | None = None
        self._is_woken = False
        self._is_released = False
        self.touched_at = monotonic()

    def __len__(self) -> int:
        return len(self._unsent) + len(self._sent)

    @property
    def is_linked(self) -> bool:
        """Whether somebody is told of new events."""
        return self._wake is not None

    @property
    def is_closed(self) -> bool:
        """Whether the run has ended."""
        return "closing" in self._edges

    def has_room(self, factor: int = 1) -> bool:
        """Whether another event fits."""
        return self._is_released or (len(self) < MAX_EVENTS * factor and self._size < MAX_BYTES * factor)

    def put(self, place: Place, kind: EventKind, payload: bytes, on_stored: Notify | None = None) -> None:
        """Take an event and give it the next ordinal of its place; `on_stored` is called once it is stored."""
        with self._lock:
            if self.is_closed:
                raise RuntimeError("the run has ended: nothing can be reported any more")
            self._arriving.append((place, kind, payload, on_stored))
            if self._is_adding:
                return
            self._is_adding = True
            try:
                while self._arriving:
                    self._add(*self._arriving.popleft())
            finally:
                self._is_adding = False
            self._signal()

    def skip(self, place: Place) -> None:
        """Use up an ordinal for an event that is dropped, so that those after it keep theirs."""
        with self._lock:
            place.next()

    def open_with(self, line: bytes) -> None:
        """Say this before every event."""
        self._edge("opening", line)

    def close_with(self, line: bytes) -> bool:
        """Say this after every event: the run has ended. `False` when it had ended before."""
        return self._edge("closing", line)

    def note(self, line: bytes) -> None:
        """Say this once to whoever is attached now."""
        with self._lock:
            if self._wake is not None:
                self._notes.append(line)
                self._signal()

    def link(self, wake: Notify) -> None:
        """Attach a driver: everything not stored is sent again."""
        with self._lock:
            self._restart(wake)
            if self._unsent or self._edges:
                self._signal()

    def leave(self, wake: Notify | None) -> None:
        """The driver is gone. `wake` is called once, as soon as there is something to report."""
        with self._lock:
            self._restart(wake)
            if self._unsent or self.is_closed:
                self._signal()

    def take(self) -> list[bytes]:
        """Every line that is to be sent now."""
        with self._lock:
            self._is_woken = False
            taken, self._unsent = self._unsent, deque()
            lines = [entry.line for entry in taken]
            self._sent.extend(taken)
            lines += self._notes
            self._notes.clear()
            return [*self._edge_to_send("opening"), *lines, *self._edge_to_send("closing")]

    def ack(self, stored: Mapping[str, int]) -> None:
        """Forget what is stored and let the next ones in."""
        with self._lock:
            done = [each for each in self._sent if each.pseq <= stored.get(each.producer, 0)]
            if len(done) == len(self._sent):
                self._sent.clear()
            else:
                self._sent = deque(each for each in self._sent if each.pseq > stored.get(each.producer, 0))
            self._size -= sum(len(each.line) for each in done)
            notify = [each.on_stored for each in done if each.on_stored] + self._admitted()
        _call(notify)

    async def room(self) -> None:
        """Wait until another event fits."""
        future = asyncio.get_running_loop().create_future()
        if self._must_wait(resolver(future)):
            await future

    def room_sync(self, timeout: float | None = None) -> bool:
        """Wait in a thread until another event fits; `False` when it took too long."""
        event = threading.Event()
        return not self._must_wait(event.set) or event.wait(timeout)

    def release(self) -> None:
        """Let everybody in: the run is being cancelled and should come to its end."""
        with self._lock:
            self._is_released = True
            notify = list(self._waiting)
            self._waiting.clear()
        _call(notify)

    def discard(self) -> None:
        """Nobody asks for the run any more: whoever still waits for something to be stored goes on to its end."""
        with self._lock:
            notify = [each.on_stored for each in [*self._sent, *self._unsent] if each.on_stored]
            self._sent.clear()
            self._unsent.clear()
        self.release()
        _call(notify)

    def _add(self, place: Place, kind: EventKind, payload: bytes, on_stored: Notify | None) -> None:
        pseq = place.next()
        head = f'{{"op":"event","producer":"{place.producer}","pseq":{pseq},"kind":"{kind}","payload":'
        line = b"%b%b}\n" % (head.encode(), payload)
        self._unsent.append(Entry(place.producer, pseq, line, on_stored))
        self._size += len(line)
        self.touched_at = monotonic()

    def _must_wait(self, notify: Notify) -> bool:
        with self._lock:
            if self.has_room():
                return False
            self._waiting.append(notify)
            return True

    def _admitted(self) -> list[Notify]:
        if not self.has_room():
            return []
        free = min(MAX_EVENTS - len(self), len(self._waiting))
        return [self._waiting.popleft() for _ in range(free)]

    def _edge(self, name: str, line: bytes) -> bool:
        with self._lock:
            if name in self._edges:
                return False
            self._edges[name] = line
            self._signal()
            return True

    def _edge_to_send(self, name: str) -> list[bytes]:
        if name not in self._edges or name in self._edges_sent:
            return []
        self._edges_sent.add(name)
        return [self._edges[name]]

    def _restart(self, wake: Notify | None) -> None:
        self._wake, self._is_woken = wake, False
        self._unsent = self._sent + self._unsent
        self._sent = deque()
        self._edges_sent.clear()
        self._notes.clear()

    def _signal(self) -> None:
        if self._wake is not None and not self._is_woken:
            self._is_woken = True
            self._wake()


def resolver(future: asyncio.Future[None]) -> Notify:
    """A function that resolves a future from any thread."""
    return partial(_resolve_soon, future.get_loop(), future)


def _resolve_soon(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # a loop of the agent's own may be closed by now
        loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _call(notify: Iterable[Notify]) -> None:
    for each in notify:
        each()
