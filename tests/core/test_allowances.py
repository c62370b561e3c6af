"""Requests are counted over all gateways, and mostly without asking the database."""

import asyncio
import time
from datetime import timedelta

import pytest

from tests.core.records import somebody
from tests.owner import eventually
from windlass.core.allowances import LEASE_S, Allowances
from windlass.core.callers import Caller
from windlass.core.database import Away, Database
from windlass.core.errors import TooMany


class Counting:
    """A database that counts how often it is asked, and may be away."""

    def __init__(self, database: Database) -> None:
        self._database, self.asked, self.is_away = database, 0, False

    def open(self) -> object:
        """A connection."""
        self.asked += 1
        if self.is_away:
            raise Away("It is away.")
        return self._database.open()


async def passes(allowances: Allowances, caller: Caller) -> bool:
    try:
        await allowances.take(caller)
    except TooMany:
        return False
    return True


@pytest.mark.parametrize("per_minute", [60, 500])
async def test_two_gateways_together_let_exactly_the_limit_through(database: Database, per_minute: int):
    """G2: also when places are leased in blocks."""
    gateways, caller = [Allowances(database, per_minute), Allowances(database, per_minute)], somebody()

    begun = time.monotonic()

    passed = await asyncio.gather(*(passes(gateways[n % 2], caller) for n in range(per_minute * 2)))

    came_back = (time.monotonic() - begun) * per_minute / 60
    assert per_minute <= sum(passed) <= per_minute + came_back + 1


async def test_many_requests_ask_the_database_once(database: Database):
    counting = Counting(database)
    allowances, caller = Allowances(counting, 30_000), somebody()  # pyright: ignore[reportArgumentType]

    found = [await allowances.take(caller) for _ in range(150)]

    assert counting.asked == 1
    assert [each.remaining for each in found if each][:2] == [29_999, 29_998]
    assert (await allowances.take(caller)) is not None
    await eventually(lambda: _is(counting.asked == 2))  # the next block is fetched before this one is used up


async def test_a_refusal_says_when_and_is_not_asked_for_again(database: Database):
    counting = Counting(database)
    allowances, caller = Allowances(counting, 2), somebody()  # pyright: ignore[reportArgumentType]
    begun = time.monotonic()
    for _ in range(2):
        await allowances.take(caller)

    with pytest.raises(TooMany) as refusal:
        await allowances.take(caller)
    asked = counting.asked
    assert not await passes(allowances, caller)

    assert 29 - (time.monotonic() - begun) < refusal.value.retry_after_s <= 30
    assert counting.asked == asked


async def test_after_the_wait_the_database_is_asked_again_and_old_places_are_given_up(database: Database):
    counting, clock = Counting(database), [0.0]
    allowances, caller = Allowances(counting, 6_000, lambda: clock[0]), somebody()  # pyright: ignore[reportArgumentType]
    await allowances.take(caller)
    clock[0] += LEASE_S + 1

    for _ in range(29):
        await allowances.take(caller)
    assert counting.asked == 2  # for a new block of 60, although 59 places of the old one were left
    await allowances.take(caller)

    await eventually(lambda: _is(counting.asked == 3))  # at half of the new one: the old places are not in it


async def test_callers_do_not_share_and_no_limit_is_no_limit(database: Database):
    allowances, one, other = Allowances(database, 1), somebody(), somebody()

    assert [await passes(allowances, each) for each in (one, one, other)] == [True, False, True]
    assert await Allowances(database, 0).take(one) is None


async def test_a_database_that_is_away_refuses_nobody(database: Database):
    counting = Counting(database)
    counting.is_away = True
    allowances = Allowances(counting, 60)  # pyright: ignore[reportArgumentType]

    assert await passes(allowances, somebody())


async def _is(claim: bool) -> bool:
    return claim


def test_a_lease_ends_long_before_its_places_would_come_back():
    assert timedelta(seconds=LEASE_S) < timedelta(minutes=1)
