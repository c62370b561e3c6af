"""Wake-ups: tell the other processes that there is something to read. Hints only: losing all of them costs one poll."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID

import structlog

from windlass.contracts.ids import TenantId
from windlass.core.database import APP_ROLE, BROKEN, IDLE_S, OUTAGES, dial

CHANNEL = "event"  # items `{stream}:{seq}`, `{stream}~` (text on its way) and `{tenant or *}@{state topic}`, by commas
RUNS, DESKTOPS = "runs", "desktops"  # state topics

_IDLE_S, _LOADED_S = 0.002, 0.010  # the window after a sending: how long the next ones gather
_LOADED_ITEMS = 4  # more than this in one window is load
_MAX_ITEMS, _MAX_BYTES = 150, 7_900  # PostgreSQL refuses 8,000 bytes
_MAX_PENDING = 20_000  # while the database is away: the poll finds the rest

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Wakeup(Protocol):
    """How a writer tells readers in other processes to look; never waits, never fails."""

    def poke(self, tenant_id: TenantId, stream_id: UUID, seq: int, *, changed: bool = False) -> None:
        """Say that a stream has grown to `seq` (0: it has not); `changed`: the tenant's list of runs did too."""
        ...

    def poke_text(self, stream_id: UUID) -> None:
        """Say that a stream has new text on its way."""
        ...

    def touch(self, topic: str, tenant_id: TenantId | None = None) -> None:
        """Say that a state topic changed, for one tenant or for everybody."""
        ...

    def send(self, channel: str, text: str) -> None:
        """Say something on another channel (at most 7,900 bytes), such as the id of a run to `stop`."""
        ...


class PollOnly:
    """The wake-up of an installation without notifications: readers find out by polling."""

    def poke(self, tenant_id: TenantId, stream_id: UUID, seq: int, *, changed: bool = False) -> None:
        """Say nothing."""

    def poke_text(self, stream_id: UUID) -> None:
        """Say nothing."""

    def touch(self, topic: str, tenant_id: TenantId | None = None) -> None:
        """Say nothing."""

    def send(self, channel: str, text: str) -> None:
        """Say nothing."""


class Notifier:
    """Wake-ups by PostgreSQL's NOTIFY, coalesced, on a connection of its own while there are any, after the commit.

    The first one goes out at once, the others gather for 2 ms, or 10 ms under load; a changed status does not wait.
    """

    def __init__(self, url: str, *, role: str = APP_ROLE, name: str = "windlass", idle_s: float = IDLE_S) -> None:
        self._url, self._role, self._name, self._idle_s = url, role, name, idle_s
        self._pending: dict[str, int] = {}  # what to look at: up to which seq (0: no seq)
        self._messages: list[tuple[str, str]] = []
        self._some, self._urgent = asyncio.Event(), asyncio.Event()
        self._connection: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self.sent = 0

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to send on."""
        return self._connection is not None

    async def start(self) -> None:
        """Begin to send; what was said before is sent now."""
        self._task = asyncio.create_task(self._run(), name="notifier")

    async def close(self) -> None:
        """Send what is left, within a second, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        with suppress(*BROKEN):
            async with asyncio.timeout(1):
                if self._connection is None and (self._pending or self._messages):
                    await self._connect()
                while self._pending or self._messages:
                    await self._send()
        await self._disconnect()

    def poke(self, tenant_id: TenantId, stream_id: UUID, seq: int, *, changed: bool = False) -> None:
        """Say that a stream has grown to `seq` (0: it has not); `changed`: the tenant's list of runs did too."""
        if seq:
            self._add(stream_id.hex, max(seq, self._pending.get(stream_id.hex, 0)))
        if changed:
            self.touch(RUNS, tenant_id)
            self._urgent.set()

    def poke_text(self, stream_id: UUID) -> None:
        """Say that a stream has new text on its way."""
        self._add(f"{stream_id.hex}~", 0)

    def touch(self, topic: str, tenant_id: TenantId | None = None) -> None:
        """Say that a state topic changed, for one tenant or for everybody."""
        self._add(f"{tenant_id.hex if tenant_id else '*'}@{topic}", 0)

    def send(self, channel: str, text: str) -> None:
        """Say something on another channel, at once."""
        self._messages.append((channel, text))
        self._some.set()
        self._urgent.set()

    def _add(self, key: str, seq: int) -> None:
        if key in self._pending or len(self._pending) < _MAX_PENDING:
            self._pending[key] = seq
        self._some.set()

    async def _run(self) -> None:
        pause_s = 0.05
        while True:
            try:
                await self._connect()
                pause_s = 0.05
                while await self._is_wanted():
                    await self._rest(await self._send())
                await self._disconnect()
                await self._some.wait()
            except Exception as error:  # noqa: BLE001  a wake-up loop that dies makes every reader a second late, unseen
                log.warning("notifier starts again", error=repr(error), pending=len(self._pending))
                await self._disconnect()
                await asyncio.sleep(pause_s)
                pause_s = min(1.0, 2 * pause_s)

    async def _is_wanted(self) -> bool:
        """Wait for something to send; false when nobody has said anything for so long that the connection may go."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._idle_s):
                await self._some.wait()
        return self._some.is_set()

    async def _rest(self, items: int) -> None:
        """Let wake-ups gather, until one of them cannot wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOADED_S if items > _LOADED_ITEMS else _IDLE_S):
                await self._urgent.wait()

    async def _send(self) -> int:
        """Send one batch and every message; kept for the next time when the connection is gone."""
        self._urgent.clear()
        batch, messages = take_batch(self._pending), self._messages
        self._messages = []
        if not self._pending:
            self._some.clear()
        try:
            if batch:
                await self._notify(CHANNEL, ",".join(f"{key}:{seq}" if seq else key for key, seq in batch.items()))
            for channel, text in messages:
                await self._notify(channel, text)
        except OUTAGES:
            self._pending = batch | self._pending
            self._messages = messages + self._messages
            self._some.set()
            raise
        return len(batch)

    async def _notify(self, channel: str, text: str) -> None:
        if self._connection is None:
            raise ConnectionResetError("the notifier is not connected")
        await self._connection.fetchval("select pg_notify($1, $2)", channel, text)
        self.sent += 1

    async def _connect(self) -> None:
        line: Line = await dial(self._url, name=f"{self._name} notifier", role=self._role)
        self._connection = line
        await line.execute("set synchronous_commit = off")

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


class Line(Protocol):
    """A connection of its own, outside every pool (asyncpg ships without types)."""

    async def execute(self, query: str) -> str:
        """Run a statement and answer its command tag."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Run a query and answer the first column of its first row."""
        ...

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, str], None]) -> None:
        """Hear a channel."""
        ...

    def add_termination_listener(self, callback: Callable[[object], None]) -> None:
        """Be told when the connection ends."""
        ...

    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        ...

    def terminate(self) -> None:
        """Close the connection without waiting for anybody."""
        ...


def take_batch(pending: dict[str, int]) -> dict[str, int]:
    """Take the oldest wake-ups that fit into one notification out of `pending`."""
    batch = dict(_fitting(pending))
    for key in batch:
        del pending[key]
    return batch


def _fitting(pending: dict[str, int]) -> Iterator[tuple[str, int]]:
    size = 0
    for place, (key, seq) in enumerate(pending.items()):
        size += len(key) + 21  # a colon or comma and the longest seq
        if place == _MAX_ITEMS or size > _MAX_BYTES:
            return
        yield key, seq
