"""Somebody is invited by a link that works once, with an account of their own choosing."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.people import FIRST_PASSWORD, PASSWORD, Gateway, Organisation, Person, some_email
from tests.owner import as_owner


async def invited(person: Person, email: str, role: str = "operator") -> dict[str, Any]:
    answer = await person.http.post("/v1/invitations", json={"email": email, "role": role})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def join(gateway: Gateway, code: str, **account: str) -> httpx.Response:
    return await (await gateway.browser()).post("/v1/auth/join", json={"code": code, **account})


async def test_somebody_new_joins_once_and_the_code_is_kept_nowhere(
    gateway: Gateway, acme: Organisation, database_url: str
):
    email = some_email("New")
    made = await invited(acme.admin, email)
    link, account = urlsplit(str(made["url"])), {"name": "New", "password": PASSWORD}

    first = await join(gateway, made["code"], **account)
    again = await join(gateway, made["code"], **account)

    assert (link.path, link.query, link.fragment) == ("/join", "", made["code"])
    assert (first.json()["email"], first.json()["role"], again.status_code) == (email.lower(), "operator", 422)
    person = await gateway.sign_in(email, PASSWORD)
    assert person.tenant_id == acme.id
    assert (await acme.admin.http.get("/v1/invitations")).json()["items"] == []
    audit = (await acme.owner.http.get("/v1/audit", params={"action": "member.join"})).json()["items"]
    assert [row["after"]["invited_by"] for row in audit if row["actor_id"] == str(person.id)] == ["Admin"]
    async with as_owner(database_url) as owner:
        found = await owner.fetchval(
            "select count(*) from invitation i where i::text like '%' || $1 || '%'", made["code"]
        )
    assert found == 0


async def test_who_has_an_account_joins_with_it_and_nobody_can_change_it(gateway: Gateway, acme: Organisation):
    bob = await gateway.sign_up("Bob")
    made = await invited(acme.owner, bob.email, "viewer")

    joined = await join(gateway, made["code"], name="Mallory", password=FIRST_PASSWORD)

    assert joined.json()["role"] == "viewer"
    mine = (await bob.http.get("/v1/tenants")).json()["items"]
    assert str(acme.id) in {tenant["id"] for tenant in mine}
    again = await gateway.sign_in(bob.email, bob.password)
    assert again.signed_in["person"]["name"] == "Bob"


@pytest.mark.parametrize("end", ["taken back", "replaced", "over"])
async def test_an_invitation_that_has_ended_lets_nobody_in(
    gateway: Gateway, acme: Organisation, database_url: str, end: str
):
    made = await invited(acme.admin, some_email("Late"))
    if end == "taken back":
        assert (await acme.admin.http.delete(f"/v1/invitations/{made['id']}")).status_code == 204
    elif end == "replaced":
        await invited(acme.admin, made["email"])
    else:
        async with as_owner(database_url) as owner:
            await owner.execute("update invitation set expires_at = now() where id = $1", made["id"])

    answer = await join(gateway, made["code"], name="Late", password=PASSWORD)

    assert (answer.status_code, "no longer good" in answer.text) == (422, True)
    assert (await gateway.browser()).cookies == {}


async def test_nobody_invites_above_their_own_rank_or_without_the_right(acme: Organisation):
    wish = {"email": some_email(), "role": "owner"}

    assert (await acme.owner.http.post("/v1/invitations", json=wish)).status_code == 403
    assert (await acme.admin.http.post("/v1/invitations", json=wish | {"role": "admin"})).status_code == 403
    assert (await acme.builder.http.post("/v1/invitations", json=wish | {"role": "viewer"})).status_code == 403
    member = await acme.admin.http.post("/v1/invitations", json={"email": acme.viewer.email, "role": "viewer"})
    assert member.status_code == 409
