"""Many topics in one stream: logs with a common cursor, and states."""

import asyncio
import binascii
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from uuid import UUID

from windlass.core.callers import Caller
from windlass.core.errors import BadCursor, FieldError, Invalid, NotFound
from windlass.core.frames import Frame
from windlass.core.permissions import Permission
from windlass.core.states import StateChange, Watch, rings
from windlass.core.stream import Hub, Subscription

MAX_TOPICS = 32

_URLSAFE, _TO_URLSAFE = str.maketrans("-_", "+/"), str.maketrans("+/", "-_")
_NAME_BYTES, _ENTRY_BYTES = 6, 12  # a cursor entry: a hash of the topic's name, then its seq


@dataclass(frozen=True, slots=True)
class LogTopic:
    """A kind of stream that can be followed as `{noun}:{id}`; `admit` raises NotFound unless the caller may read it.

    One that can become somebody else's says who reads it whoever's it is: all others are admitted again and again.
    """

    noun: str
    permission: Permission
    admit: Callable[[Caller, UUID], Awaitable[object]]
    reads_all: Permission | None = None


@dataclass(frozen=True, slots=True)
class LogUpdate:
    """A frame of one topic; `cursor` goes on after it, in every topic (None: text on its way)."""

    topic: str
    frame: Frame
    cursor: str | None

    @property
    def data(self) -> bytes:
        """`{topic, event: {seq, at, kind, payload}}`."""
        return b'{"topic":"%b","event":%b}' % (self.topic.encode(), self.frame.data)


Update = LogUpdate | StateChange


class Multiplexer:
    """Opens streams of many topics for callers."""

    def __init__(self, hub: Hub, logs: Iterable[LogTopic]) -> None:
        self._hub = hub
        self._logs = {log.noun: log for log in logs}

    async def open(self, caller: Caller, names: Sequence[str], cursor: str | None) -> "Multiplex":
        """Follow topics: logs (`run:{id}`, or `run:{id}@{seq}` to begin after a seq) and states, by their names.

        Raises Invalid, BadCursor, Forbidden, and NotFound for what is not there or not the caller's.
        """
        names = list(dict.fromkeys(names))
        if not 1 <= len(names) <= MAX_TOPICS:
            detail = f"A stream has 1 to {MAX_TOPICS} topics, not {len(names)}."
            raise Invalid(detail, (FieldError("topics", detail),))
        seqs = read_cursor(cursor) if cursor else {}
        multiplex = Multiplex(self._hub)
        try:
            for name in names:
                await self._add(multiplex, caller, name, seqs)
        except BaseException:
            multiplex.end()
            raise
        return multiplex

    async def readmit(self, caller: Caller, multiplex: "Multiplex") -> None:
        """End the logs that have become somebody else's since they were opened; the other topics go on."""
        for topic, followed in multiplex.logs.items():
            log = self._logs[topic.partition(":")[0]]
            if followed.is_over or log.reads_all is None or caller.may(log.reads_all):
                continue
            try:
                await log.admit(caller, followed.topic.stream_id)
            except NotFound:
                followed.end()

    async def _add(self, multiplex: "Multiplex", caller: Caller, name: str, seqs: Mapping[bytes, int]) -> None:
        noun, is_log, rest = name.partition(":")
        if not is_log:
            multiplex.watches.append(self._hub.states.watch(caller, name, multiplex.bell))
            return
        if noun not in self._logs:
            raise NotFound("topic", name)
        log = self._logs[noun]
        stream_id, start = _parse(noun, rest)
        topic = f"{noun}:{stream_id}"
        caller.require(log.permission)
        await log.admit(caller, stream_id)
        after = seqs.get(_digest(topic), start)
        multiplex.logs[topic] = await self._hub.subscribe(caller.tenant_id, stream_id, after, multiplex.bell)


class Multiplex:
    """One reader's topics, and the cursor that holds its place in all of them."""

    def __init__(self, hub: Hub) -> None:
        self.bell = asyncio.Event()
        self.logs: dict[str, Subscription] = {}
        self.watches: list[Watch] = []
        self._hub = hub
        self._is_ended = False

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more: ended, overrun, or every topic is a log at its end."""
        live = self.watches or any(not log.is_over for log in self.logs.values())
        return self._is_ended or self.must_resync or self._hub.is_drained or not live

    @property
    def must_resync(self) -> bool:
        """Whether this reader was too slow for one of its topics and has to come again with its cursor."""
        return any(log.must_resync for log in self.logs.values())

    @property
    def cursor(self) -> str:
        """Where to go on, in every topic."""
        return write_cursor({topic: log.cursor for topic, log in self.logs.items()})

    async def batches(self, patience_s: float) -> AsyncGenerator[list[Update]]:
        """Everything after the cursor, and the states; an empty batch says that it was silent for so long."""
        while not self.is_over:
            self.bell.clear()
            batch = await self._replay()
            batch += self._take()
            if batch or not (self.is_over or await rings(self.bell, patience_s)):
                yield batch

    def end(self) -> None:
        """Leave every topic."""
        self._is_ended = True
        for log in self.logs.values():
            log.end()
        for watch in self.watches:
            self._hub.states.leave(watch)
        self.bell.set()

    async def _replay(self) -> list[Update]:
        """The next page of the first log that is not live yet."""
        for topic, log in self.logs.items():
            if frames := await log.replay():
                return self._updates(topic, frames)
        return []

    def _take(self) -> list[Update]:
        updates: list[Update] = [change for watch in self.watches if (change := watch.take()) is not None]
        for topic, log in self.logs.items():
            updates += self._updates(topic, log.take())
        return updates

    def _updates(self, topic: str, frames: Iterable[Frame]) -> list[Update]:
        seqs = {name: log.cursor for name, log in self.logs.items()}
        updates: list[Update] = []
        for frame in frames:
            if frame.seq is not None:
                seqs[topic] = frame.seq
            updates.append(LogUpdate(topic, frame, None if frame.seq is None else write_cursor(seqs)))
        return updates


def write_cursor(seqs: Mapping[str, int]) -> str:
    """Put the places in several topics into one opaque text."""
    entries = b"".join(_digest(topic) + seq.to_bytes(_ENTRY_BYTES - _NAME_BYTES) for topic, seq in seqs.items())
    return binascii.b2a_base64(entries, newline=False).decode().translate(_TO_URLSAFE)


def read_cursor(cursor: str) -> dict[bytes, int]:
    """Take the places out of a cursor, by the hash of each topic's name. Raises BadCursor."""
    try:
        entries = binascii.a2b_base64(cursor.translate(_URLSAFE), strict_mode=True)
    except ValueError:
        entries = b"?"
    if len(entries) % _ENTRY_BYTES or len(entries) > MAX_TOPICS * _ENTRY_BYTES:
        raise BadCursor("This cursor does not come from a stream of topics.")
    places = range(0, len(entries), _ENTRY_BYTES)
    return {
        entries[at : at + _NAME_BYTES]: int.from_bytes(entries[at + _NAME_BYTES : at + _ENTRY_BYTES]) for at in places
    }


def _digest(topic: str) -> bytes:
    return blake2s(topic.encode(), digest_size=_NAME_BYTES).digest()


def _parse(noun: str, text: str) -> tuple[UUID, int]:
    identifier, _, seq = text.partition("@")
    try:
        return UUID(identifier), int(seq or 0)
    except ValueError:
        raise NotFound(noun, text) from None
