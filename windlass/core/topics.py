"""Topics: one watched stream, its newest frames, and everybody who follows them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from windlass.contracts.ids import TenantId
from windlass.core.frames import Frame

RING_FRAMES, RING_BYTES, RING_S = 2_000, 4 * 1024 * 1024, 30
PAGE = 200  # frames a fetch publishes before it lets the subscribers run

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Log(Protocol):
    """Where topics read from."""

    async def events(self, tenant_id: TenantId, stream_id: UUID, after: int, limit: int) -> list[Frame]:
        """The events of a stream after a seq."""
        ...

    async def deltas(self, tenant_id: TenantId, stream_id: UUID, after: int) -> list[Frame]:
        """The text on its way after a delta id."""
        ...


class Topic:
    """The newest frames of a stream in a ring that every subscriber reads at its own place."""

    def __init__(self, log_: Log, tenant_id: TenantId, stream_id: UUID, seq: int) -> None:
        self.tenant_id, self.stream_id = tenant_id, stream_id
        self.seq = seq  # the newest event in the ring or before it
        self.place = 0  # how many frames the ring has seen
        self.bells: set[asyncio.Event] = set()
        self._log = log_
        self._base = seq  # every event after it that is known is in the ring
        self._ring: deque[Frame] = deque()
        self._bytes = 0
        self._marks: deque[int] = deque(maxlen=RING_S)
        self._delta_id = 0
        self._has_events = self._has_text = False
        self._task: asyncio.Task[None] | None = None

    def wake(self, *, text: bool = False) -> None:
        """Fetch what is new; wake-ups during a fetch are one more fetch."""
        self._has_events = self._has_events or not text
        self._has_text = self._has_text or text
        if self._task is None:
            self._task = asyncio.create_task(self._fetch_all(), name=f"topic {self.stream_id}")

    def close(self) -> None:
        """Stop fetching."""
        if self._task is not None:
            self._task.cancel()

    def reaches(self, cursor: int) -> bool:
        """Whether the ring holds every event after `cursor`."""
        return cursor >= self._base

    def after(self, cursor: int) -> int:
        """The place of the first frame that follows an event in the ring."""
        newer = 0
        for frame in reversed(self._ring):
            if frame.seq is not None and frame.seq <= cursor:
                break
            newer += 1
        return self.place - newer

    def frames(self, place: int, limit: int) -> Sequence[Frame] | None:
        """At most `limit` frames from a place on; nothing at all when the ring has moved past it."""
        start = place - self.oldest_place
        if start < 0:
            return None
        return [self._ring[index] for index in range(start, min(start + limit, len(self._ring)))]

    @property
    def oldest_place(self) -> int:
        """The place of the oldest frame in the ring."""
        return self.place - len(self._ring)

    def age(self) -> None:
        """Once a second: let go of frames that are older than half a minute."""
        self._marks.append(self.place)
        self._trim(max(0, self._marks[0] - self.oldest_place) if len(self._marks) == RING_S else 0)

    async def _fetch_all(self) -> None:
        pause_s = 0.05
        while self._has_events or self._has_text:
            try:
                await self._fetch()
                pause_s = 0.05
            except Exception as error:  # noqa: BLE001  the subscribers wait for this task, through every outage
                log.warning("topic fetches again", stream_id=str(self.stream_id), error=repr(error))
                self._has_events = self._has_text = True
                await asyncio.sleep(pause_s)
                pause_s = min(1.0, 2 * pause_s)
        self._task = None

    async def _fetch(self) -> None:
        if self._has_events:
            self._has_events = False
            await self._pages(lambda: self._log.events(self.tenant_id, self.stream_id, self.seq, PAGE))
        if self._has_text:
            self._has_text = False
            await self._pages(lambda: self._log.deltas(self.tenant_id, self.stream_id, self._delta_id))

    async def _pages(self, read: Callable[[], Awaitable[list[Frame]]]) -> None:
        while frames := await read():
            self._publish(frames)
            if len(frames) < PAGE:
                return

    def _publish(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._ring.append(frame)
            self._bytes += len(frame.data)
            self.place += 1
            self.seq = frame.seq or self.seq
            self._delta_id = max(self._delta_id, frame.delta_id)
        self._trim(len(self._ring) - RING_FRAMES)
        for bell in self.bells:
            bell.set()

    def _trim(self, count: int) -> None:
        while count > 0 or self._bytes > RING_BYTES:
            old = self._ring.popleft()
            self._bytes -= len(old.data)
            self._base = old.seq or self._base
            count -= 1
