"""The event log: append once, read from any cursor."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import asyncpg
import orjson
import structlog

from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.ids import TenantId
from windlass.core.database import UNSTORABLE, Database, encode_json
from windlass.core.errors import NotFound, WindlassError
from windlass.core.wakeup import Wakeup

MAX_PAYLOAD_BYTES = 32 * 1024
PAGE = 500

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class PayloadTooLarge(WindlassError):
    """An event's payload is over 32 KiB: store it as an artifact and append the reference."""

    status = 413
    title = "Payload too large"


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the event at place `n` (from 1) of a batch.

    `fresh`: stored now; otherwise it was stored before, and `same` says whether with this very content.
    """

    n: int
    seq: int
    same: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream stands."""

    last_seq: int
    epoch: int
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a message that is still being written: `ord` counts within the attempt at its item."""

    item: str
    attempt: int
    ord: int
    text: str


class Events:
    """The log of every stream of a tenant."""

    def __init__(self, database: Database, wakeup: Wakeup) -> None:
        self._database, self._wakeup = database, wakeup

    async def append(
        self, tenant_id: TenantId, stream_id: UUID, events: Sequence[NewEvent], *, epoch: int | None = None
    ) -> list[Appended]:
        """Append a batch in one transaction; what was appended before keeps its place.

        No answer for an event: its writer is stale or its stream is closed or unknown, and it must stop.
        """
        columns = zip(*((e.producer, e.pseq, e.kind.value, storable(e.payload)) for e in events), strict=True)
        producers, pseqs, kinds, payloads = (list(column) for column in columns)
        query = "select n, seq, same, fresh from append_events($1, $2, $3, $4, $5, $6, $7)"
        try:
            async with self._database.open() as connection:
                rows = await connection.fetch(query, tenant_id, stream_id, epoch, producers, pseqs, kinds, payloads)
        except asyncpg.ProgramLimitExceededError as error:
            raise PayloadTooLarge(str(error)) from error
        answer = [Appended(**row) for row in rows]
        self._wake(tenant_id, stream_id, events, answer)
        return answer

    async def say(self, tenant_id: TenantId, event: NewEvent) -> None:
        """Say something in the organisation's own log. The second time nothing changes."""
        async with self._database.open() as connection:
            await connection.execute("select open_stream($1, $1, 'tenant')", tenant_id)
        await self.append(tenant_id, tenant_id, [event])

    async def append_deltas(
        self, tenant_id: TenantId, stream_id: UUID, deltas: Sequence[Delta], *, epoch: int | None = None
    ) -> None:
        """Show text on its way; it goes with its final message, and nobody may count on it."""
        columns = zip(*((d.item, d.attempt, d.ord, UNSTORABLE.sub("\ufffd", d.text)) for d in deltas), strict=True)
        query = "select append_deltas($1, $2, $3, $4, $5, $6, $7)"
        async with self._database.open() as connection:
            added = await connection.fetchval(query, tenant_id, stream_id, epoch, *(list(column) for column in columns))
        if added:
            self._wakeup.poke_text(stream_id)

    async def read(
        self,
        tenant_id: TenantId,
        stream_id: UUID,
        after: int = 0,
        limit: int = PAGE,
        kinds: Sequence[EventKind] | None = None,
    ) -> list[Event]:
        """Read what follows `after`, at most `limit` events, of these kinds or of all."""
        query = "select seq, at, kind, payload from read_events($1, $2, $3, $4, $5)"
        names = None if kinds is None else [kind.value for kind in kinds]
        async with self._database.open() as connection:
            rows = await connection.fetch(query, tenant_id, stream_id, after, min(limit, PAGE), names)
        return [Event(row["seq"], row["at"], EventKind(row["kind"]), row["payload"]) for row in rows]

    async def head(self, tenant_id: TenantId, stream_id: UUID) -> Head:
        """Tell where a stream stands."""
        return await read_head(self._database, tenant_id, stream_id)

    async def raise_epoch(self, tenant_id: TenantId, stream_id: UUID) -> int | None:
        """Take a stream over from its last executor; nothing for a stream that is closed or unknown."""
        async with self._database.open() as connection:
            return await connection.fetchval("select raise_epoch($1, $2)", tenant_id, stream_id)

    def _wake(
        self, tenant_id: TenantId, stream_id: UUID, events: Sequence[NewEvent], answer: Sequence[Appended]
    ) -> None:
        fresh = [appended for appended in answer if appended.fresh]
        if fresh:
            changed = any(events[appended.n - 1].kind is EventKind.STATUS for appended in fresh)
            self._wakeup.poke(tenant_id, stream_id, fresh[-1].seq, changed=changed)


async def read_head(database: Database, tenant_id: TenantId, stream_id: UUID) -> Head:
    """Tell where a stream of the tenant stands."""
    query = "select last_seq, epoch, is_closed from stream_head($1, $2)"
    async with database.open() as connection:
        row = await connection.fetchrow(query, tenant_id, stream_id)
    if row is None:
        raise NotFound("stream", stream_id)
    return Head(**row)


async def ensure_partitions(jobs: Database, today: date, months: int = 6) -> int:
    """Make the partitions of the coming months, at start and once a day; answers how many were missing."""
    async with jobs.open() as connection:
        return await connection.fetchval("select ensure_event_partitions($1, $2)", today, months)


async def keep_partitions(jobs: Database, today: Callable[[], date], pause_s: float = 6 * 3600) -> None:
    """Make the partitions of the coming months, now and every few hours until cancelled, whatever happens."""
    while True:
        try:
            await ensure_partitions(jobs, today())
        except Exception as error:  # noqa: BLE001  the loop outlives every outage; months of partitions are in store
            log.warning("no partitions could be made", error=repr(error))
        await asyncio.sleep(pause_s)


def storable(payload: Payload) -> Payload:
    """The payload again, if the log can hold it. Raises PayloadTooLarge over 32 KiB, TypeError for what is no JSON."""
    encoded = encode_json(payload)
    if len(encoded) * 4 <= MAX_PAYLOAD_BYTES:  # at most three bytes a character, and a space for every second one
        return payload
    size = payload_bytes(orjson.loads(encoded))
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"An event's payload has {size} bytes, at most {MAX_PAYLOAD_BYTES} fit.")
    return payload


def payload_bytes(payload: Payload) -> int:
    """The size of a payload as the log measures it: JSON with a space after every comma and colon."""
    return len(json.dumps(payload, ensure_ascii=False).encode())
