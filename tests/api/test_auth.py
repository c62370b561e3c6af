"""Signing in and out: passwords, access and refresh tokens, sessions, registration."""

import asyncio
import secrets

import httpx
import pytest

from tests.api.people import FIRST_PASSWORD, PASSWORD, Gateway, Organisation, Person, running_gateway, settings_for
from tests.owner import as_owner, eventually
from windlass.core.identity.passwords import Cost
from windlass.core.permissions import Role


async def shift(database_url: str, statement: str, *args: object) -> None:
    """Change a time in the database, as if it had passed."""
    async with as_owner(database_url) as owner:
        await owner.execute(statement, *args)


async def refresh(person: Person, token: str) -> httpx.Response:
    return await person.http.post("/v1/auth/refresh", json={"refresh_token": token})


async def status_of_me(person: Person, token: str | None = None) -> int:
    headers = {"authorization": f"Bearer {token}"} if token else None
    return (await person.http.get("/v1/me", headers=headers)).status_code


async def test_who_signed_in_finds_themselves(acme: Organisation):
    me = (await acme.builder.http.get("/v1/me")).json()

    assert me["person"]["email"] == acme.builder.email
    assert me["tenant"] == acme.builder.signed_in["tenant"]
    assert me["tenant"]["role"] == "builder"


async def test_nobody_is_told_to_sign_in(gateway: Gateway):
    answer = await (await gateway.browser()).get("/v1/me")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["title"] == "Not signed in"


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer x", "Bearer wl_1_2", "Bearer a.b.c", "x"])
async def test_odd_credentials_are_refused_alike(gateway: Gateway, header: str):
    answer = await (await gateway.browser()).get("/v1/me", headers={"authorization": header})

    assert answer.status_code == 401


async def test_unknown_people_and_wrong_passwords_get_the_same_answer(gateway: Gateway, acme: Organisation):
    """C4."""
    bodies: list[dict[str, object]] = []
    for email in (acme.viewer.email, "nobody@example.org"):
        http = await gateway.browser()
        answer = await http.post("/v1/auth/login", json={"email": email, "password": "not this one"})
        bodies.append(answer.json() | {"request_id": "", "status": answer.status_code})

    assert bodies[0] == bodies[1]
    assert bodies[0]["status"] == 401


async def test_the_eleventh_failure_is_refused_at_every_gateway(gateway: Gateway, database_url: str):
    """C5: for the account, whatever the address."""
    person = await gateway.sign_up()
    wrong = {"email": person.email, "password": "not this one"}
    async with running_gateway(settings_for(database_url)) as other:
        for n in range(10):
            http = await (gateway, other)[n % 2].browser()
            assert (await http.post("/v1/auth/login", json=wrong)).status_code == 401

        right = {"email": person.email, "password": PASSWORD}
        answers = [await (await each.browser()).post("/v1/auth/login", json=right) for each in (gateway, other)]

    assert [answer.status_code for answer in answers] == [429, 429]
    assert 0 < int(answers[0].headers["retry-after"]) <= 900


async def test_an_address_that_guesses_is_refused_for_every_account(gateway: Gateway, acme: Organisation):
    """C5: for the address, whatever the account."""
    http = await gateway.browser()
    for n in range(10):
        wrong = {"email": f"guess-{n}-{secrets.token_hex(4)}@example.org", "password": "not this one"}
        assert (await http.post("/v1/auth/login", json=wrong)).status_code == 401

    right = {"email": acme.viewer.email, "password": PASSWORD}
    here = await http.post("/v1/auth/login", json=right)
    elsewhere = await (await gateway.browser()).post("/v1/auth/login", json=right)

    assert (here.status_code, elsewhere.status_code) == (429, 200)


async def test_many_sign_ins_at_once_leave_the_gateway_responsive(database_url: str):
    """C4: hashing is done two at a time beside the event loop, at what a hash really costs."""
    async with running_gateway(settings_for(database_url), cost=Cost()) as gateway:
        ada, http = await gateway.sign_up(), await gateway.browser()
        right = {"email": ada.email, "password": PASSWORD}
        flood = [asyncio.create_task(http.post("/v1/auth/login", json=right)) for _ in range(6)]

        async with asyncio.timeout(30):
            answers = [await ada.http.get("/v1/me") for _ in range(4)]
        is_flooded = not all(task.done() for task in flood)
        logins = await asyncio.gather(*flood)

    assert {answer.status_code for answer in answers} == {200}
    assert is_flooded
    assert {login.status_code for login in logins} == {200}


async def test_a_refresh_token_gives_a_new_pair(gateway: Gateway):
    person = await gateway.sign_up()

    answer = await refresh(person, person.signed_in["refresh_token"])

    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != person.signed_in["refresh_token"]
    assert await status_of_me(person, answer.json()["access_token"]) == 200


async def test_a_replayed_refresh_token_ends_its_family(gateway: Gateway, database_url: str):
    """C2: the thief and the owner are both out, and one audit row says so."""
    person = await gateway.sign_up()
    first = person.signed_in["refresh_token"]
    second = (await refresh(person, first)).json()
    await shift(database_url, "update refresh_token set used_at = used_at - interval '6 seconds'")

    replays = [await refresh(person, first) for _ in range(2)]

    assert [answer.status_code for answer in replays] == [401, 401]
    assert (await refresh(person, second["refresh_token"])).status_code == 401
    gateway.state["authentication"].forget()  # the five seconds
    assert await status_of_me(person, second["access_token"]) == 401
    again = await gateway.sign_in(person.email, PASSWORD)
    rows = (await again.http.get("/v1/audit", params={"action": "session.revoked"})).json()["items"]
    assert [row["session_id"] for row in rows] == [row["subject"].removeprefix("session/") for row in rows]
    assert len(rows) == 1


async def test_two_tabs_may_refresh_at_once(gateway: Gateway):
    """C2: within five seconds one family survives."""
    person = await gateway.sign_up()
    token = person.signed_in["refresh_token"]

    answers = await asyncio.gather(refresh(person, token), refresh(person, token))

    assert [answer.status_code for answer in answers] == [200, 200]
    for answer in answers:
        assert await status_of_me(person, answer.json()["access_token"]) == 200


async def test_a_refresh_token_that_was_not_used_for_seven_days_is_dead(gateway: Gateway, database_url: str):
    """C2."""
    person = await gateway.sign_up()
    query = "update refresh_token set expires_at = expires_at - interval '7 days 1 second'"
    await shift(database_url, query)

    answer = await refresh(person, person.signed_in["refresh_token"])

    assert answer.status_code == 401


async def test_a_family_ends_after_thirty_days_however_much_it_is_used(gateway: Gateway, database_url: str):
    """C2."""
    person = await gateway.sign_up()
    query = "update login_session set ends_at = now(), expires_at = now() where person_id = $1"
    await shift(database_url, query, person.id)

    answer = await refresh(person, person.signed_in["refresh_token"])

    assert answer.status_code == 401


async def test_signing_out_ends_the_token_at_once(gateway: Gateway):
    """C3."""
    person = await gateway.sign_up()

    assert (await person.http.post("/v1/auth/logout")).status_code == 204
    assert await status_of_me(person) == 401
    assert (await refresh(person, person.signed_in["refresh_token"])).status_code == 401


async def test_signing_out_elsewhere_is_heard_within_five_seconds(gateway: Gateway, database_url: str):
    """C3: the other gateway believes what it knows for less than five seconds."""
    person = await gateway.sign_up()
    async with running_gateway(settings_for(database_url)) as other:
        http = await other.browser(headers={"authorization": f"Bearer {person.token}"})
        assert (await http.get("/v1/me")).status_code == 200

        await person.http.post("/v1/auth/logout")

        async def is_out() -> bool:
            return (await http.get("/v1/me")).status_code == 401

        await eventually(is_out)


async def test_sessions_are_listed_and_ended_one_by_one(gateway: Gateway):
    person = await gateway.sign_up()
    phone = await gateway.sign_in(person.email, PASSWORD)

    items = (await person.http.get("/v1/auth/sessions")).json()["items"]
    other = next(item for item in items if not item["is_current"])
    ended = await person.http.delete(f"/v1/auth/sessions/{other['id']}")

    assert len(items) == 2
    assert ended.status_code == 204
    assert await status_of_me(phone) == 401
    assert await status_of_me(person) == 200


async def test_all_other_sessions_end_together(gateway: Gateway):
    person = await gateway.sign_up()
    others = [await gateway.sign_in(person.email, PASSWORD) for _ in range(2)]

    assert (await person.http.delete("/v1/auth/sessions")).status_code == 204

    assert [await status_of_me(other) for other in others] == [401, 401]
    assert await status_of_me(person) == 200


async def test_somebody_elses_session_is_not_found(acme: Organisation, umbrella: Organisation):
    """A2."""
    theirs = (await umbrella.owner.http.get("/v1/auth/sessions")).json()["items"][0]["id"]

    answer = await acme.owner.http.delete(f"/v1/auth/sessions/{theirs}")

    assert answer.status_code == 404
    assert await status_of_me(umbrella.owner) == 200


async def test_a_new_password_ends_the_other_sessions(gateway: Gateway):
    """C3."""
    person = await gateway.sign_up()
    phone = await gateway.sign_in(person.email, PASSWORD)

    change = {"current_password": PASSWORD, "new_password": "quite another passphrase"}
    answer = await person.http.post("/v1/auth/password", json=change)

    assert answer.status_code == 204
    assert await status_of_me(phone) == 401
    assert (await gateway.sign_in(person.email, "quite another passphrase")).id == person.id


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("not this one", "quite another passphrase", "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, PASSWORD, "new_password"),
    ],
)
async def test_a_password_that_cannot_be_taken_says_why(gateway: Gateway, current: str, new: str, field: str):
    person = await gateway.sign_up()

    answer = await person.http.post("/v1/auth/password", json={"current_password": current, "new_password": new})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_given_password_opens_nothing_but_its_own_change(gateway: Gateway, acme: Organisation):
    email = f"new-{secrets.token_hex(4)}@example.org"
    wish = {"name": "New", "email": email, "password": FIRST_PASSWORD, "role": "viewer"}
    await acme.admin.http.post("/v1/members", json=wish)
    person = await gateway.sign_in(email, FIRST_PASSWORD)

    refused = await person.http.get("/v1/members")
    me = await person.http.get("/v1/me")
    change = {"current_password": FIRST_PASSWORD, "new_password": PASSWORD}
    changed = await person.http.post("/v1/auth/password", json=change)

    assert person.signed_in["must_change_password"]
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (403, "password-change-required")
    assert (me.status_code, changed.status_code) == (200, 204)
    assert (await person.http.get("/v1/members")).status_code == 200


async def test_switching_moves_the_session_and_ends_the_old_token(gateway: Gateway):
    person = await gateway.sign_up()
    second = (await person.http.post("/v1/tenants", json={"name": "Second"})).json()["id"]

    answer = await person.http.post("/v1/auth/switch", json={"tenant_id": second})

    assert answer.json()["tenant"] == {"id": second, "name": "Second", "role": "owner"}
    assert await status_of_me(person) == 401
    assert await status_of_me(person, answer.json()["access_token"]) == 200


async def test_signing_in_takes_the_tenant_asked_for_or_used_last(gateway: Gateway):
    person = await gateway.sign_up()
    second = (await person.http.post("/v1/tenants", json={"name": "Second"})).json()["id"]

    asked = await gateway.sign_in(person.email, PASSWORD, tenant="Second")
    last = await gateway.sign_in(person.email, PASSWORD)

    assert (str(asked.tenant_id), str(last.tenant_id)) == (second, second)


async def test_nobody_signs_in_or_switches_to_a_tenant_of_others(gateway: Gateway, acme: Organisation):
    """B1."""
    stranger = await gateway.sign_up()

    switched = await stranger.http.post("/v1/auth/switch", json={"tenant_id": str(acme.id)})
    body = {"email": stranger.email, "password": PASSWORD, "tenant": str(acme.id)}
    signed_in = await (await gateway.browser()).post("/v1/auth/login", json=body)

    assert (switched.status_code, signed_in.status_code) == (404, 403)


async def test_registration_is_closed_unless_opened(database_url: str):
    wish = {"name": "Eve", "email": "eve@example.org", "password": PASSWORD, "tenant": "Eve"}
    async with running_gateway(settings_for(database_url, WINDLASS_SIGNUP="closed")) as closed:
        answer = await (await closed.browser()).post("/v1/auth/register", json=wish)

    assert answer.status_code == 404


async def test_an_address_registers_once(gateway: Gateway):
    person = await gateway.sign_up()
    wish = {"name": "Eve", "email": person.email.upper(), "password": PASSWORD, "tenant": "Eve"}

    answer = await (await gateway.browser()).post("/v1/auth/register", json=wish)

    assert answer.status_code == 409


async def test_an_address_of_the_network_registers_five_people_an_hour(gateway: Gateway):
    http = await gateway.browser()
    answers: list[int] = []
    for n in range(6):
        email = f"r{n}-{secrets.token_hex(4)}@example.org"
        wish = {"name": "R", "email": email, "password": "short", "tenant": "R"}
        answers.append((await http.post("/v1/auth/register", json=wish)).status_code)

    assert answers == [422] * 5 + [429]


async def test_lifetimes_are_settings(database_url: str):
    """C1: ten minutes when so set."""
    async with running_gateway(
        settings_for(database_url, WINDLASS_ACCESS_TOKEN_MINUTES=10, WINDLASS_SIGNUP="open")
    ) as g:
        person = await g.sign_up()

    assert person.signed_in["expires_in"] == 600


async def test_a_lower_role_counts_from_the_next_request(gateway: Gateway):
    """C3."""
    boss = await gateway.sign_up()
    worker = await gateway.hire(boss, Role.BUILDER)
    assert (await worker.http.post("/v1/services", json={})).status_code == 422

    await boss.http.patch(f"/v1/members/{worker.id}", json={"role": "viewer"})

    assert (await worker.http.post("/v1/services", json={})).status_code == 403


async def test_a_disabled_member_is_out_at_once(gateway: Gateway):
    """C3: a fresh token of 120 minutes does not help."""
    boss = await gateway.sign_up()
    worker = await gateway.hire(boss, Role.BUILDER)

    await boss.http.patch(f"/v1/members/{worker.id}", json={"active": False})

    assert await status_of_me(worker) == 401
    body = {"email": worker.email, "password": PASSWORD}
    assert (await (await gateway.browser()).post("/v1/auth/login", json=body)).status_code == 401
