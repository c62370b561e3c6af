"""The log, live: one hub per gateway fans each watched stream out to its subscribers."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from windlass.contracts.ids import TenantId
from windlass.core.database import Database
from windlass.core.errors import BadCursor
from windlass.core.events import read_head
from windlass.core.frames import Frame, delta_frame, event_frame
from windlass.core.listener import Listener
from windlass.core.states import States, rings
from windlass.core.topics import PAGE, Topic
from windlass.core.wakeup import CHANNEL

POLL_S = 1.0
TAKE = 64  # frames handed out at a time

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HubHealth:
    """How the hub is doing: `poll_hits` that grow beside few `notifications` say that wake-ups get lost.

    The recent figures are those of the last minute.
    """

    topics: int
    subscribers: int
    is_listening: bool
    notifications: int
    polls: int
    poll_hits: int
    resyncs: int
    recent_notifications: int
    recent_poll_hits: int


class DatabaseLog:
    """The log as frames, read from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, tenant_id: TenantId, stream_id: UUID, after: int, limit: int) -> list[Frame]:
        """The events of a stream after a seq."""
        query = "select seq, at, kind, payload::text as payload from read_events($1, $2, $3, $4)"
        async with self._database.open() as connection:
            return [event_frame(row) for row in await connection.fetch(query, tenant_id, stream_id, after, limit)]

    async def deltas(self, tenant_id: TenantId, stream_id: UUID, after: int) -> list[Frame]:
        """The text on its way after a delta id."""
        query = "select id, item, attempt, ord, text from read_deltas($1, $2, $3)"
        async with self._database.open() as connection:
            return [delta_frame(row) for row in await connection.fetch(query, tenant_id, stream_id, after)]


class Hub:
    """Watches the streams somebody follows: woken by notifications, sure by a poll every second."""

    def __init__(self, database: Database, jobs: Database, listener: Listener | None, states: States) -> None:
        self._database, self._jobs, self._listener, self.states = database, jobs, listener, states
        self._log = DatabaseLog(database)
        self._topics: dict[UUID, Topic] = {}
        self._subscriptions: set[Subscription] = set()
        self.is_drained = False
        self._look = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._notifications = self._polls = self._poll_hits = self._resyncs = 0
        self._minute = deque([(0, 0)], maxlen=60)  # notifications and poll hits at each poll
        if listener is not None:
            listener.on(CHANNEL, self._hear)
            listener.on_connect(self._catch_up)

    async def __aenter__(self) -> Self:
        self._poller = asyncio.create_task(self._poll(), name="hub poll")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drain()
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller
        for topic in self._topics.values():
            topic.close()
        self.states.close()

    def drain(self) -> None:
        """End every subscription, so that clients go on at another gateway; call it before the server stops."""
        self.is_drained = True
        for subscription in tuple(self._subscriptions):
            subscription.end()
        self.states.ring_all()

    async def subscribe(
        self, tenant_id: TenantId, stream_id: UUID, after: int, bell: asyncio.Event | None = None
    ) -> "Subscription":
        """Follow a stream from a cursor on; `bell` rings when there is something. Raises NotFound, BadCursor."""
        head = await read_head(self._database, tenant_id, stream_id)
        if not 0 <= after <= head.last_seq:
            raise BadCursor(f"The stream has {head.last_seq} events, it cannot go on after {after}.")
        topic = self._topics.get(stream_id)
        if topic is None:
            topic = self._topics[stream_id] = Topic(self._log, tenant_id, stream_id, head.last_seq)
            topic.wake()  # for what was appended since the head was read
        subscription = Subscription(self, self._log, topic, after, bell or asyncio.Event())
        self._subscriptions.add(subscription)
        topic.bells.add(subscription.bell)
        if head.is_closed and after == head.last_seq:
            subscription.end()
        return subscription

    def leave(self, subscription: "Subscription", *, resync: bool) -> None:
        """Forget a subscription; the last one takes its topic along."""
        if subscription not in self._subscriptions:
            return
        self._subscriptions.remove(subscription)
        self._resyncs += resync
        topic = subscription.topic
        topic.bells.discard(subscription.bell)
        if not topic.bells and self._topics.get(topic.stream_id) is topic:
            topic.close()
            del self._topics[topic.stream_id]

    def health(self) -> HubHealth:
        """Count what the hub holds and what woke it."""
        return HubHealth(
            topics=len(self._topics),
            subscribers=len(self._subscriptions) + self.states.watchers,
            is_listening=self._listener is not None and self._listener.is_connected,
            notifications=self._notifications,
            polls=self._polls,
            poll_hits=self._poll_hits,
            resyncs=self._resyncs,
            recent_notifications=self._notifications - self._minute[0][0],
            recent_poll_hits=self._poll_hits - self._minute[0][1],
        )

    def _hear(self, text: str) -> None:
        for item in text.split(","):
            self._notifications += 1
            if "@" in item:
                tenant, topic = item.split("@", 1)
                self.states.wake(topic, None if tenant == "*" else TenantId(UUID(tenant)))
            elif item.endswith("~"):
                self._wake(UUID(item[:-1]), 0, text=True)
            else:
                stream, _, seq = item.partition(":")
                self._wake(UUID(stream), int(seq), text=False)

    def _wake(self, stream_id: UUID, seq: int, *, text: bool) -> None:
        topic = self._topics.get(stream_id)
        if topic is not None and (text or seq > topic.seq):
            topic.wake(text=text)

    def _catch_up(self) -> None:
        self._look.set()
        self.states.wake_all()

    async def _poll(self) -> None:
        while True:
            self._look.clear()
            await rings(self._look, POLL_S)
            try:
                await self._compare()
            except Exception as error:  # noqa: BLE001  the last resort of every subscriber outlives every outage
                log.warning("the poll of watched streams failed", error=repr(error))

    async def _compare(self) -> None:
        """Wake the topics that are behind their streams."""
        self._minute.append((self._notifications, self._poll_hits))
        for topic in self._topics.values():
            topic.age()
        if not self._topics:
            return
        self._polls += 1
        async with self._jobs.open() as connection:
            rows = await connection.fetch("select id, last_seq from stream_heads($1)", list(self._topics))
        for row in rows:
            topic = self._topics.get(row["id"])
            if topic is not None and row["last_seq"] > topic.seq:
                self._poll_hits += 1
                topic.wake()


class Subscription:
    """One reader's place in a stream: first what is stored, then what arrives; it never holds frames of its own."""

    def __init__(self, hub: Hub, log_: DatabaseLog, topic: Topic, after: int, bell: asyncio.Event) -> None:
        self.topic, self.cursor, self.bell = topic, after, bell
        self.is_over = self.must_resync = False
        self._hub, self._log = hub, log_
        self._place: int | None = None  # in the ring of the topic, once it is live
        self._delta_id = 0

    async def batches(self, patience_s: float) -> AsyncGenerator[list[Frame]]:
        """Everything after the cursor, to the end of the stream; an empty batch says that it was silent for so long."""
        while frames := await self.replay():
            yield frames
        while not self.is_over:
            self.bell.clear()
            while frames := self.take():
                yield frames
            if not (self.is_over or await rings(self.bell, patience_s)):
                yield []

    async def replay(self) -> list[Frame]:
        """The next page of what is stored; nothing once the subscription is live or over."""
        if self.is_over or self._place is not None:
            return []
        if self.topic.reaches(self.cursor):
            self._place = self.topic.after(self.cursor)
            return self._sift(await self._log.deltas(self.topic.tenant_id, self.topic.stream_id, 0))
        return self._sift(await self._log.events(self.topic.tenant_id, self.topic.stream_id, self.cursor, PAGE))

    def take(self) -> list[Frame]:
        """What has arrived, at most 64 frames at a time."""
        if self.is_over or self._place is None:
            return []
        taken = self.topic.frames(self._place, TAKE)
        if taken is None:  # the ring went on without this reader
            if not self.topic.reaches(self.cursor):
                self.must_resync = True
                self.end()
                return []
            self._place = self.topic.oldest_place  # only text on its way was missed
            taken = self.topic.frames(self._place, TAKE) or ()
        self._place += len(taken)
        return self._sift(taken)

    def end(self) -> None:
        """Stop following."""
        self.is_over = True
        self._hub.leave(self, resync=self.must_resync)
        self.bell.set()

    def _sift(self, frames: Iterable[Frame]) -> list[Frame]:
        """Drop what this reader has, and end with the terminal event."""
        fresh: list[Frame] = []
        for frame in frames:
            if frame.seq is None:
                if frame.delta_id <= self._delta_id:
                    continue
                self._delta_id = frame.delta_id
            elif frame.seq <= self.cursor:
                continue
            else:
                self.cursor = frame.seq
            fresh.append(frame)
            if frame.is_last:
                self.end()
                break
        return fresh
