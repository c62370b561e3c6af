"""Limits that hold over every gateway, kept in an unlogged table of the database."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from windlass.core.database import Database
from windlass.core.errors import TooMany

MINUTE = timedelta(minutes=1)
FAILURES = 10
WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in so much time, all at once or spread (GCRA)."""

    name: str
    count: int
    period: timedelta


class Limiter:
    """Counts what callers do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, limit: Limit, who: str) -> None:
        """Take one place of a limit. Raises TooMany when there is none."""
        async with self._database.open() as connection:
            wait = await connection.fetchval(
                "select identity_take($1, $2, $3)", key_of(limit.name, who), limit.count, limit.period
            )
        if wait is not None:
            tries = "1 try" if limit.count == 1 else f"{limit.count} tries"
            span = f"{tries} in {limit.period // MINUTE} minutes"
            raise TooMany(f"At most {span}. Nothing was changed; try again in {ceil(wait)} s.", wait)


class Failures:
    """Counts failed sign-ins: ten in 15 minutes for an account or an address, then nobody is let in for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, account: str, address: str) -> None:
        """Go on only while both may still fail. Raises TooMany."""
        async with self._database.open() as connection:
            wait = await connection.fetchval(
                "select greatest(identity_blocked($1, $3, $4), identity_blocked($2, $3, $4))",
                *(*_keys(account, address), FAILURES, WINDOW),
            )
        if wait is not None:
            raise TooMany("Too many failed sign-ins. Nothing was changed; wait, then try again.", wait)

    async def count(self, account: str, address: str) -> None:
        """Count a failure for both."""
        async with self._database.open() as connection:
            await connection.execute(
                "select identity_failed(key, $3) from unnest(array[$1, $2]) key", *_keys(account, address), FAILURES
            )

    async def forgive(self, account: str) -> None:
        """Forget the failures of an account whose owner has shown the right password; the address keeps its own."""
        async with self._database.open() as connection:
            await connection.execute("select identity_forgive($1)", key_of("account", account))


def _keys(account: str, address: str) -> tuple[str, str]:
    return key_of("account", account), key_of("address", network(address))


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network an IPv6 client may pick from at will."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return address


def key_of(name: str, who: str) -> str:
    """A short key that says nothing about whom it counts."""
    return f"{name}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
