"""State topics: things that are looked at rather than followed, such as the list of runs or the system's health.

A reader gets the whole state once, then what changed; what it had no time to read in between, it never gets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from windlass.contracts.ids import TenantId
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.listener import Listener
from windlass.core.permissions import Permission

_GATHER_S = 0.2  # a state is read at most five times a second
_DEAF_S = 1.0  # and once a second while no notification can be heard

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def personal(caller: Caller) -> Hashable:
    """The scope of a state that depends on who looks: shared by the tabs of one person."""
    return caller.tenant_id, caller.person_id, caller.permissions


@dataclass(frozen=True, slots=True)
class StateTopic:
    """A state and how it is read; its top-level keys are what changes (an item by its id, a part by its name).

    Callers with the same `scope` share one reading; it is repeated after `refresh_s`, and when it is woken.
    """

    name: str
    permission: Permission
    read: Callable[[Caller], Awaitable[Mapping[str, Any]]]
    scope: Callable[[Caller], Hashable] = personal
    refresh_s: float = 10.0


@dataclass(frozen=True, slots=True)
class StateChange:
    """What changed in a state: `parts` are the keys (None: gone) with their values as JSON, `state` is all of it."""

    topic: str
    parts: Mapping[str, bytes | None]
    state: Mapping[str, bytes]
    is_whole: bool

    @property
    def data(self) -> bytes:
        """`{topic, state: {…}}`, or `{topic, patch: {…}}` in which null means gone."""
        parts = b",".join(orjson.dumps(key) + b":" + (value or b"null") for key, value in self.parts.items())
        name = b"state" if self.is_whole else b"patch"
        return b'{"topic":%b,"%b":{%b}}' % (orjson.dumps(self.topic), name, parts)


class States:
    """Every state topic of a gateway, read while somebody looks at it."""

    def __init__(self, topics: Iterable[StateTopic] = (), listener: Listener | None = None) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._listener = listener
        self._sources: dict[Hashable, Source] = {}

    def add(self, topic: StateTopic) -> None:
        """Offer one more topic."""
        self._topics[topic.name] = topic

    def watch(self, caller: Caller, name: str, bell: asyncio.Event) -> "Watch":
        """Look at a state from now on. Raises NotFound, Forbidden."""
        topic = self._topics.get(name)
        if topic is None:
            raise NotFound("topic", name)
        caller.require(topic.permission)
        key = (name, topic.scope(caller))
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = Source(topic, caller, self._is_deaf)
        watch = Watch(source, bell)
        source.watches.add(watch)
        return watch

    def leave(self, watch: "Watch") -> None:
        """Forget a watch; the last one takes its source along."""
        watch.source.watches.discard(watch)
        if not watch.source.watches:
            watch.source.close()
            self._sources = {key: source for key, source in self._sources.items() if source is not watch.source}

    def wake(self, name: str, tenant_id: TenantId | None) -> None:
        """Read a state again, of one tenant or of all."""
        for source in self._sources.values():
            if source.topic.name == name and tenant_id in (None, source.caller.tenant_id):
                source.dirty.set()

    def wake_all(self) -> None:
        """Read every state again: notifications were missed."""
        for source in self._sources.values():
            source.dirty.set()

    def ring_all(self) -> None:
        """Have every watch looked at: the server is about to stop."""
        for source in self._sources.values():
            for watch in source.watches:
                watch.bell.set()

    @property
    def watchers(self) -> int:
        """How many watches there are."""
        return sum(len(source.watches) for source in self._sources.values())

    def close(self) -> None:
        """Stop reading."""
        for source in self._sources.values():
            source.close()

    def _is_deaf(self) -> bool:
        return self._listener is None or not self._listener.is_connected


class Source:
    """One state in one scope: read when woken or when it gets old, and told to its watches when it differs."""

    def __init__(self, topic: StateTopic, caller: Caller, is_deaf: Callable[[], bool]) -> None:
        self.topic, self.caller = topic, caller
        self.parts: dict[str, bytes] | None = None  # not read yet
        self.watches: set[Watch] = set()
        self.dirty = asyncio.Event()
        self._is_deaf = is_deaf
        self._task = asyncio.create_task(self._run(), name=f"state {topic.name}")

    def close(self) -> None:
        """Stop reading."""
        self._task.cancel()

    @property
    def is_closed(self) -> bool:
        """Whether it reads no more."""
        return self._task.cancelling() > 0 or self._task.done()

    async def _run(self) -> None:
        while True:
            self.dirty.clear()
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001  the watches wait for this task, through every outage
                log.warning("a state could not be read", topic=self.topic.name, error=repr(error))
            await asyncio.sleep(_GATHER_S)
            await rings(self.dirty, _DEAF_S if self._is_deaf() else self.topic.refresh_s)

    async def _read(self) -> None:
        state = await self.topic.read(self.caller)
        parts = {key: orjson.dumps(value) for key, value in state.items()}
        if parts != self.parts:
            self.parts = parts
            for watch in self.watches:
                watch.bell.set()


class Watch:
    """One reader of a state."""

    def __init__(self, source: Source, bell: asyncio.Event) -> None:
        self.source, self.bell = source, bell
        self._shown: dict[str, bytes] | None = None

    def take(self) -> StateChange | None:
        """The whole state the first time, then what changed since the last time; nothing when nothing did."""
        parts, shown = self.source.parts, self._shown
        if parts is None or parts is shown:
            return None
        self._shown = parts
        if shown is None:
            return StateChange(self.source.topic.name, parts, parts, is_whole=True)
        changed: dict[str, bytes | None] = {key: value for key, value in parts.items() if shown.get(key) != value}
        changed |= dict.fromkeys(shown.keys() - parts.keys())
        return StateChange(self.source.topic.name, changed, parts, is_whole=False)


async def rings(bell: asyncio.Event, patience_s: float) -> bool:
    """Wait for a bell; false when it stayed silent for so long."""
    try:
        async with asyncio.timeout(patience_s):
            await bell.wait()
    except TimeoutError:
        return False
    return True
