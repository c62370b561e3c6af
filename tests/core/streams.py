"""The parts of a live stream, for tests: a tenant of one's own, a hub with its wake-ups, and short ways to write."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.events import Events
from windlass.core.frames import Frame
from windlass.core.listener import Listener
from windlass.core.states import States
from windlass.core.stream import Hub, Subscription
from windlass.core.wakeup import Notifier, PollOnly, Wakeup


@dataclass(frozen=True, slots=True)
class Live:
    """A gateway's half (hub, listener) and a writer's half (events, wakeup) of one tenant's streams."""

    tenant_id: TenantId
    database: Database
    wakeup: Wakeup
    events: Events
    listener: Listener
    hub: Hub

    async def open(self) -> UUID:
        """Open a stream."""
        return await open_stream(self.database, self.tenant_id)

    async def append(self, stream_id: UUID, *events: NewEvent) -> None:
        """Append events and wake whoever follows."""
        await self.events.append(self.tenant_id, stream_id, events)

    async def subscribe(self, stream_id: UUID, after: int = 0) -> Subscription:
        """Follow a stream."""
        return await self.hub.subscribe(self.tenant_id, stream_id, after)


@asynccontextmanager
async def live_streams(database_url: str, *, notifies: bool = True, listens: bool = True) -> AsyncGenerator[Live]:
    """A hub on the given database, with notifications or with the poll alone."""
    database = await Database.connect(database_url, max_size=8)
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    notifier, listener = Notifier(database_url), Listener(database_url)
    await notifier.start()
    wakeup: Wakeup = notifier if notifies else PollOnly()
    hub = Hub(database, jobs, listener if listens else None, States(listener=listener))
    await listener.start()
    await until(lambda: listener.is_connected)
    async with hub:
        yield Live(TenantId(new_id()), database, wakeup, Events(database, wakeup), listener, hub)
    await listener.close()
    await notifier.close()
    await jobs.close()
    await database.close()


async def open_stream(database: Database, tenant_id: TenantId) -> UUID:
    """Open a stream of a tenant."""
    stream_id = new_id()
    async with database.open() as connection:
        await connection.fetchval("select open_stream($1, $2, 'run')", tenant_id, stream_id)
    return stream_id


def results(first: int, last: int, producer: str = "agent:0", size: int = 1) -> list[NewEvent]:
    """Events of one producer, numbered from `first` to `last`."""
    return [NewEvent(EventKind.RESULT, {"n": n, "text": "x" * size}, producer, n) for n in range(first, last + 1)]


def status(name: str, producer: str = "run:1", pseq: int = 1) -> NewEvent:
    """A status event; `finished`, `failed` and `cancelled` end the stream."""
    return NewEvent(EventKind.STATUS, {"status": name}, producer, pseq)


async def follow(subscription: Subscription, count: int | None = None, patience_s: float = 20) -> list[Frame]:
    """The frames of a subscription: the first `count`, or all up to its end."""
    frames: list[Frame] = []
    async with asyncio.timeout(patience_s):
        async for batch in subscription.batches(patience_s):
            frames += batch
            if count is not None and len(frames) >= count:
                break
    return frames


def seqs(frames: Sequence[Frame]) -> list[int | None]:
    """The seqs of frames; None for text on its way."""
    return [frame.seq for frame in frames]


async def until(predicate: Callable[[], object], patience_s: float = 60) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(patience_s):
        while not predicate():  # noqa: ASYNC110  any state of any part may be asked for
            await asyncio.sleep(0.005)
