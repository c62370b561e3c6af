"""Values too large for an event move to the object store and come back whole."""

from typing import Any

import pytest

from tests.core.shelves import Shelf
from windlass.contracts.ids import TenantId, new_id
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.errors import NotFound
from windlass.core.events import MAX_PAYLOAD_BYTES, payload_bytes, storable

TENANT = TenantId(new_id())


@pytest.fixture
def artifacts(database: Database, shelf: Shelf) -> Artifacts:
    return Artifacts(Contents(database, shelf.objects))


async def test_a_small_payload_stays_as_it_is(artifacts: Artifacts, shelf: Shelf):
    payload = {"str": "x" * 30_000}

    assert await artifacts.fold(TENANT, None, payload) is payload
    assert shelf.names() == []


async def test_the_largest_value_becomes_a_reference_with_a_preview(artifacts: Artifacts):
    payload = {"key": "k", "result": "long " * 20_000}

    folded = await artifacts.fold(TENANT, None, payload)

    assert folded["key"] == "k"
    assert (folded["result"]["size_bytes"], folded["result"]["preview"][:9]) == (100_002, "long long")
    assert await artifacts.unfold(TENANT, folded["result"]) == payload["result"]


async def test_what_is_no_reference_unfolds_to_itself(artifacts: Artifacts):
    values: list[Any] = [None, 1, "text", [1], {"a": 1}]

    assert [await artifacts.unfold(TENANT, value) for value in values] == values


async def test_the_same_value_is_kept_once(artifacts: Artifacts, shelf: Shelf):
    for _ in range(2):
        await artifacts.fold(TENANT, None, {"str": "x" * 40_000})

    assert len(shelf.names()) == 1


async def test_a_reference_of_another_tenant_leads_nowhere(artifacts: Artifacts):
    folded = await artifacts.fold(TENANT, None, {"str": "x" * 40_000})

    with pytest.raises(NotFound):
        await artifacts.unfold(TenantId(new_id()), folded["str"])


@pytest.mark.parametrize(
    "payload",
    [
        {"list": [1] * 12_000},  # short when written without spaces
        {"str": "ä" * 20_000},
        {"str": "\u2028\t\n" * 9_000},
        {"a": "x" * 20_000, "b": "y" * 20_000, "c": "z" * 20_000},
        {f"field {n}": "x" * 900 for n in range(60)},  # no value is larger than a reference
        {"list": [1e300] * 300},  # PostgreSQL writes every digit
        {"dict": {"deep": {"deeper": ["x" * 40_000]}}},
    ],
    ids=lambda payload: next(iter(payload)) + str(len(str(payload))),
)
async def test_whatever_comes_fits_into_an_event_afterwards(
    artifacts: Artifacts, database: Database, payload: dict[str, Any]
):
    folded = await artifacts.fold(TENANT, None, payload)

    assert payload_bytes(storable(folded)) <= MAX_PAYLOAD_BYTES
    assert await artifacts.whole(TENANT, folded) == payload
    async with database.open() as connection:
        assert await connection.fetchval("select octet_length($1::jsonb::text)", folded) <= MAX_PAYLOAD_BYTES


async def test_a_value_that_only_looks_like_a_reference_comes_back_as_it_is(artifacts: Artifacts):
    forged = {"$artifact": f"../{new_id()}/somebody-else's"}

    folded = await artifacts.fold(TENANT, None, {"key": "k", "result": forged})

    assert folded["result"] != forged
    assert await artifacts.unfold(TENANT, folded["result"]) == forged


async def test_text_no_database_can_hold_is_made_storable(artifacts: Artifacts):
    folded = await artifacts.fold(TENANT, None, {"str": "\ud800\x00" * 20_000})

    assert await artifacts.unfold(TENANT, folded["str"]) == "\ufffd\ufffd" * 20_000
