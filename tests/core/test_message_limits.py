"""Messages are counted by the minute and by the hour, in the transaction that keeps them."""

from dataclasses import replace

import pytest

from tests.core.records import somebody
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.message_limits import MessageLimits, TooManyMessages


async def take(database: Database, limits: MessageLimits, caller: Caller) -> list[int]:
    async with database.tenant(caller.tenant_id) as connection:
        return [each.remaining for each in await limits.take(connection, caller)]


async def wait_of(database: Database, limits: MessageLimits, caller: Caller) -> float:
    with pytest.raises(TooManyMessages, match="At most 1 messages an hour") as refusal:
        await take(database, limits, caller)
    return refusal.value.retry_after_s


async def test_all_keys_of_a_person_share_both_limits_and_other_people_have_their_own(database: Database):
    limits, ada, bert = MessageLimits(1, 2), somebody(), somebody()

    assert await take(database, limits, ada) == [0, 1]
    with pytest.raises(TooManyMessages, match=r"At most 1 messages a minute\. .* again in \d+ s") as refusal:
        await take(database, limits, replace(ada, key_id="a key"))
    assert 0 < refusal.value.retry_after_s <= 60
    assert await take(database, limits, bert) == [0, 1]


async def test_a_refusal_takes_no_place_of_the_other_limit_and_names_the_longer_wait(database: Database):
    limits, ada = MessageLimits(60, 1), somebody()
    await take(database, limits, ada)

    waits = [await wait_of(database, limits, ada) for _ in range(3)]

    assert all(60 < wait <= 3600 for wait in waits)
    assert await take(database, MessageLimits(60, 0), ada) >= [58]  # 59 but for the one that was kept


async def test_zero_is_no_limit(database: Database):
    limits, ada = MessageLimits(0, 0), somebody()

    assert [await take(database, limits, ada) for _ in range(3)] == [[]] * 3
