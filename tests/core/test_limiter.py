"""Limits hold exactly, over any number of gateways."""

import asyncio
import re
import secrets
from datetime import timedelta

import pytest

from tests.owner import eventually
from windlass.core.database import Database
from windlass.core.errors import TooMany
from windlass.core.limiter import Failures, Limit, Limiter, network


def fresh() -> str:
    return secrets.token_hex(8)


async def is_allowed(limiter: Limiter, limit: Limit, who: str) -> bool:
    try:
        await limiter.take(limit, who)
    except TooMany:
        return False
    return True


async def test_of_two_hundred_at_once_exactly_the_limit_passes(database: Database):
    """G2: GCRA in one statement."""
    limiter, limit, who = Limiter(database), Limit("test", 60, timedelta(hours=1)), fresh()

    passed = await asyncio.gather(*(is_allowed(limiter, limit, who) for _ in range(200)))

    assert sum(passed) == 60


async def test_a_refusal_says_when_to_come_back(database: Database):
    limiter, limit, who = Limiter(database), Limit("test", 1, timedelta(hours=1)), fresh()
    await limiter.take(limit, who)

    with pytest.raises(TooMany) as refusal:
        await limiter.take(limit, who)

    assert 3590 < refusal.value.retry_after_s <= 3600
    assert re.fullmatch(
        r"At most 1 try in 60 minutes\. Nothing was changed; try again in 3\d{3} s\.", str(refusal.value)
    )


async def test_a_place_comes_back_with_time(database: Database):
    limiter, limit, who = Limiter(database), Limit("test", 10, timedelta(seconds=1)), fresh()
    while await is_allowed(limiter, limit, who):
        pass

    await eventually(lambda: is_allowed(limiter, limit, who))


async def test_failures_are_counted_for_account_and_address(database: Database):
    """C5."""
    failures, account, address = Failures(database), fresh(), fresh()
    for _ in range(10):
        await failures.check(account, address)
        await failures.count(account, address)

    for blocked in ((account, fresh()), (fresh(), address)):
        with pytest.raises(TooMany) as refusal:
            await failures.check(*blocked)
        assert 890 < refusal.value.retry_after_s <= 900
    await failures.check(fresh(), fresh())


async def test_the_right_password_forgives_the_account_and_not_the_address(database: Database):
    """C5: who owns one account cannot wash an address that guesses others."""
    failures, account, address = Failures(database), fresh(), fresh()
    for _ in range(10):
        await failures.count(account, address)

    await failures.forgive(account)

    await failures.check(account, fresh())
    with pytest.raises(TooMany):
        await failures.check(account, address)


def test_a_network_of_ipv6_counts_as_one_address():
    assert network("2001:db8::1") == network("2001:db8::ffff") == "2001:db8::/64"
    assert network("::ffff:192.0.2.1") == network("192.0.2.1") == "192.0.2.1"
    assert network("a socket") == "a socket"
