"""A POST with an Idempotency-Key is done once (control G1)."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from tests.api.people import SECRET, Gateway, Organisation, Person, running_gateway, settings_for
from tests.owner import as_owner
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.idempotency import ClaimState, Idempotency
from windlass.core.permissions import ROLES, Role


def fresh() -> str:
    return secrets.token_hex(8)


async def make_key(person: Person, key: str, name: str = "ci") -> httpx.Response:
    return await person.http.post("/v1/api-keys", json={"name": name}, headers={"idempotency-key": key})


async def count(person: Person, name: str) -> int:
    items = (await person.http.get("/v1/api-keys", params={"limit": 200})).json()["items"]
    return sum(item["name"] == name for item in items)


def caller_of(person: Person) -> Caller:
    tenant: Any = person.tenant_id
    who: Any = person.id
    return Caller(tenant, who, "A", Role.OWNER, ROLES[Role.OWNER])


async def test_fifty_at_once_make_one_thing_and_hear_one_answer(acme: Organisation):
    """G1."""
    key, name = fresh(), fresh()

    answers = await asyncio.gather(*(make_key(acme.admin, key, name) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count(acme.admin, name) == 1


async def test_two_gateways_share_what_they_did(acme: Organisation, database_url: str):
    """G1."""
    key, name = fresh(), fresh()
    first = await make_key(acme.admin, key, name)
    async with running_gateway(settings_for(database_url)) as other:
        http = await other.browser(headers={"authorization": f"Bearer {acme.admin.token}"})
        second = await http.post("/v1/api-keys", json={"name": name}, headers={"idempotency-key": key})

    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"


async def test_the_same_key_with_another_body_is_refused(acme: Organisation):
    """G1."""
    key = fresh()
    await make_key(acme.admin, key, "one")

    answer = await make_key(acme.admin, key, "two")

    assert answer.status_code == 422
    assert await count(acme.admin, "two") == 0


async def test_a_key_belongs_to_its_caller(acme: Organisation):
    """G1."""
    key = fresh()

    mine, theirs = await make_key(acme.admin, key), await make_key(acme.builder, key)

    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_request_that_failed_may_be_sent_again(acme: Organisation):
    headers = {"idempotency-key": fresh()}
    wish = {"name": "Bo", "email": f"{fresh()}@example.org", "password": "x", "role": "viewer"}
    first = await acme.admin.http.post("/v1/members", json=wish, headers=headers)
    second = await acme.admin.http.post("/v1/members", json=wish, headers=headers)

    assert (first.status_code, second.status_code) == (422, 422)
    assert "idempotency-replayed" not in second.headers


async def test_a_request_in_flight_elsewhere_answers_conflict(gateway: Gateway, acme: Organisation):
    """G1: after five seconds of waiting 409 with Retry-After."""
    key, store = fresh(), gateway.state["idempotency"]
    asked = b"\0".join([b"POST", b"/v1/api-keys", b"", b'{"name":"ci"}'])
    claim = await store.claim(caller_of(acme.admin), key, asked)
    holding = asyncio.create_task(store.hold(caller_of(acme.admin), key))

    answer = await make_key(acme.admin, key)

    holding.cancel()
    assert claim.state is ClaimState.MINE
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")


async def test_a_request_whose_gateway_died_is_tried_again_under_the_same_id(
    database: Database, database_url: str, acme: Organisation
):
    """G1: what it makes may take that id, so it is made once."""
    store, caller, key = Idempotency(database, SECRET.encode()), caller_of(acme.admin), fresh()
    first = await store.claim(caller, key, b"request")
    busy = await store.claim(caller, key, b"request")
    async with as_owner(database_url) as owner:
        await owner.execute("update idempotency set leased_until = now() where key = $1", key)

    again = await store.claim(caller, key, b"request")

    assert [first.state, busy.state, again.state] == [ClaimState.MINE, ClaimState.BUSY, ClaimState.MINE]
    assert again.id == first.id


async def test_a_key_is_forgotten_after_a_day(database: Database, database_url: str, acme: Organisation):
    """G1."""
    store, caller, key = Idempotency(database, SECRET.encode()), caller_of(acme.admin), fresh()
    first = await store.claim(caller, key, b"request")
    await store.keep(caller, key, 201, b"answer")
    assert (await store.claim(caller, key, b"request")).answer == b"answer"
    async with as_owner(database_url) as owner:
        await owner.execute(
            "update idempotency set created_at = now() - interval '24 hours 1 second' where key = $1", key
        )

    again = await store.claim(caller, key, b"another request")

    assert again.state is ClaimState.MINE
    assert again.id != first.id


async def test_kept_answers_are_sealed(database_url: str, acme: Organisation):
    """C7: a dump of the database holds no key that opens anything."""
    key = fresh()
    text = (await make_key(acme.admin, key)).json()["key"]
    secret = text.split("_", 2)[2].encode()  # which may hold a "_" itself

    async with as_owner(database_url) as owner:
        rows = await owner.fetch("select answer from idempotency where key = $1", key)
        kept = await owner.fetch("select row(k.*)::text as text from api_key k")

    assert len(rows) == 1
    assert secret not in rows[0]["answer"]
    assert all(text not in row["text"] and secret.decode() not in row["text"] for row in kept)


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
async def test_an_odd_key_is_refused(acme: Organisation, key: str):
    answer = await make_key(acme.admin, key)

    assert answer.status_code == 400


async def test_signing_in_takes_no_notice_of_keys(gateway: Gateway, acme: Organisation):
    """An answer with tokens is never kept."""
    http, headers = await gateway.browser(), {"idempotency-key": fresh()}
    body = {"email": acme.viewer.email, "password": acme.viewer.password}
    answers = [await http.post("/v1/auth/login", json=body, headers=headers) for _ in range(2)]

    assert answers[0].json()["access_token"] != answers[1].json()["access_token"]
