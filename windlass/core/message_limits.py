"""How many messages a person may send: to all their sessions, over all gateways, in a minute and in an hour.

A place is taken in the transaction that keeps the message: what is not kept takes none, nor does what was kept before.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil

from windlass.core.allowances import Allowance
from windlass.core.callers import Caller
from windlass.core.database import Connection
from windlass.core.errors import TooMany
from windlass.core.limiter import Limit, key_of

LEASES = """
select granted, remaining, wait_s
from unnest($1::text[], $2::int[], $3::interval[]) limits (key, count, period),
  identity_lease(limits.key, limits.count, limits.period, 1)
"""
HOUR = timedelta(hours=1)


class TooManyMessages(TooMany):
    """You have said as much as you may for now; nothing was kept."""

    def __init__(self, detail: str, retry_after_s: float, allowances: Sequence[Allowance]) -> None:
        super().__init__(detail, retry_after_s)
        self.allowances = tuple(allowances)


class MessageLimits:
    """Counts the messages of people against both limits; zero is no limit."""

    def __init__(self, per_minute: int, per_hour: int) -> None:
        limits = (Limit("messages", per_minute, timedelta(minutes=1)), Limit("messages-hour", per_hour, HOUR))
        self._limits = tuple(limit for limit in limits if limit.count)

    async def take(self, connection: Connection, caller: Caller) -> tuple[Allowance, ...]:
        """Take a place for one message of theirs; answers what is left. Raises TooManyMessages: roll back then."""
        keys = [key_of(limit.name, str(caller.person_id)) for limit in self._limits]
        counts, periods = [limit.count for limit in self._limits], [limit.period for limit in self._limits]
        rows = await connection.fetch(LEASES, keys, counts, periods)
        left = [
            Allowance(limit.count, int(limit.period.total_seconds()), row["remaining"], limit.name)
            for limit, row in zip(self._limits, rows, strict=True)
        ]
        full = [(row["wait_s"], limit) for limit, row in zip(self._limits, rows, strict=True) if not row["granted"]]
        if full:
            wait_s, limit = max(full, key=lambda each: each[0])
            of = "an hour" if limit.period == HOUR else "a minute"
            detail = f"At most {limit.count:,} messages {of}. Nothing was kept; say it again in {ceil(wait_s)} s."
            raise TooManyMessages(detail, wait_s, left)
        return tuple(left)
