"""How many requests a caller may send: places of a limit that all gateways share, leased in blocks.

A request takes a place from memory. The database is asked once for many requests, and mostly before the last place is
gone, so that nobody waits for it. What is leased is counted at once: all gateways together never pass the limit.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from windlass.core.callers import Caller
from windlass.core.database import OUTAGES, Away, Database
from windlass.core.errors import TooMany
from windlass.core.limiter import Limit, key_of

PERIOD = timedelta(minutes=1)
BLOCKS = 100  # a lease is this part of the limit
LEASE_S = 10.0  # a place that was not used by then is given up
KEPT = 5_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller may still do, of how many in how many seconds."""

    limit: int
    period_s: int
    remaining: int
    name: str = "requests"


@dataclass(slots=True)
class Bucket:
    """The places this gateway holds for one caller, and what is left in the database."""

    places: int = 0
    left: int = 0
    until: float = 0.0  # of the lease, or of the refusal when there are no places
    is_refused: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Allowances:
    """Counts the requests of callers against one limit."""

    def __init__(self, database: Database, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._limit = Limit("requests", per_minute, PERIOD)
        self._block = max(1, per_minute // BLOCKS)
        self._now = now
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._leasing: set[asyncio.Task[None]] = set()

    async def take(self, caller: Caller) -> Allowance | None:
        """Take a place for one request; None without a limit. Raises TooMany."""
        if not self._limit.count:
            return None
        bucket = self._bucket(caller.id)
        if not self._has_place(bucket):
            await self._fill(caller.id, bucket)
        if bucket.is_refused:
            wait = max(0.001, bucket.until - self._now())
            raise TooMany(f"At most {self._limit.count:,} requests a minute. Nothing was changed; wait.", wait)
        bucket.places -= 1
        if bucket.places == self._block // 2 and self._block > 1:
            self._fill_soon(caller.id, bucket)
        return Allowance(self._limit.count, int(PERIOD.total_seconds()), max(0, bucket.places) + bucket.left)

    def _bucket(self, who: str) -> Bucket:
        bucket = self._buckets.setdefault(who, Bucket())
        self._buckets.move_to_end(who)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        return bucket

    def _has_place(self, bucket: Bucket) -> bool:
        """Whether the answer is known without asking: a place, or a refusal that still holds."""
        return (bucket.places > 0 or bucket.is_refused) and self._now() < bucket.until

    async def _fill(self, who: str, bucket: Bucket) -> None:
        """Lease a block; of many who wait the first one asks."""
        async with bucket.turn:
            if not self._has_place(bucket):
                bucket.places = 0
                await self._lease(who, bucket)

    def _fill_soon(self, who: str, bucket: Bucket) -> None:
        async def fill() -> None:
            async with bucket.turn:
                await self._lease(who, bucket)

        task = asyncio.create_task(fill(), name="lease requests")
        self._leasing.add(task)
        task.add_done_callback(self._leasing.discard)

    async def _lease(self, who: str, bucket: Bucket) -> None:
        query, key = "select * from identity_lease($1, $2, $3, $4)", key_of(self._limit.name, who)
        granted, left, wait_s = 1, 0, None  # a database that is away refuses nobody: the request learns it itself
        with suppress(Away, *OUTAGES):
            async with self._database.open() as connection:
                row = await connection.fetchrow(query, key, self._limit.count, self._limit.period, self._block)
            assert row is not None  # noqa: S101 - the function always answers one row
            granted, left, wait_s = row.values()
        bucket.places += granted
        bucket.left = left
        bucket.is_refused = bucket.places == 0
        bucket.until = self._now() + (LEASE_S if wait_s is None or bucket.places else wait_s)
