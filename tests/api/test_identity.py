"""Members, tenants, keys and the audit of all that."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.people import (
    FIRST_PASSWORD,
    PASSWORD,
    Gateway,
    Organisation,
    Person,
    running_gateway,
    settings_for,
    some_email,
)
from tests.owner import as_owner, eventually
from windlass.core.callers import Origin
from windlass.core.permissions import PERSONAL, ROLES, Role


async def audit(person: Person, action: str) -> list[dict[str, Any]]:
    return (await person.http.get("/v1/audit", params={"action": action})).json()["items"]


async def with_key(gateway: Gateway, key: str) -> httpx.AsyncClient:
    return await gateway.browser(headers={"authorization": f"Bearer {key}"})


async def made_key(person: Person, **wish: Any) -> dict[str, Any]:
    answer = await person.http.post("/v1/api-keys", json={"name": "ci", **wish})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_member_is_added_found_and_audited(acme: Organisation):
    email = some_email("Grace")
    wish = {"name": "Grace", "email": email, "password": FIRST_PASSWORD, "role": "builder"}
    member = (await acme.admin.http.post("/v1/members", json=wish)).json()

    found = await acme.viewer.http.get(f"/v1/members/{member['id']}")

    assert found.json() == member
    assert (member["email"], member["role"], member["must_change_password"]) == (email.lower(), "builder", True)
    row = next(row for row in await audit(acme.owner, "member.add") if row["subject"].endswith(member["id"]))
    assert row["after"] == {"email": email.lower(), "role": "builder"}
    assert (row["actor_id"], row["session_id"] is not None) == (str(acme.admin.id), True)


async def test_somebody_with_an_account_joins_and_keeps_their_password(gateway: Gateway, acme: Organisation):
    person = await gateway.sign_up()
    wish = {"name": "Other", "email": person.email, "password": FIRST_PASSWORD, "role": "viewer"}

    added = await acme.admin.http.post("/v1/members", json=wish)
    again = await acme.admin.http.post("/v1/members", json=wish)

    assert (added.status_code, again.status_code) == (201, 409)
    assert (added.json()["name"], added.json()["must_change_password"]) == ("Ada", False)
    there = await gateway.sign_in(person.email, PASSWORD, tenant=str(acme.id))
    assert there.tenant_id == acme.id


@pytest.mark.parametrize(
    ("who", "role"), [(Role.ADMIN, Role.ADMIN), (Role.ADMIN, Role.OWNER), (Role.OWNER, Role.OWNER)]
)
async def test_nobody_gives_a_role_as_high_as_their_own(acme: Organisation, who: Role, role: Role):
    wish = {"name": "Eve", "email": some_email(), "password": FIRST_PASSWORD, "role": role}
    added = await acme.people[who].http.post("/v1/members", json=wish)
    raised = await acme.people[who].http.patch(f"/v1/members/{acme.viewer.id}", json={"role": role})

    assert (added.status_code, raised.status_code) == (403, 403)


async def test_nobody_touches_who_stands_as_high(acme: Organisation):
    answers = [
        await acme.admin.http.patch(f"/v1/members/{acme.owner.id}", json={"role": "viewer"}),
        await acme.admin.http.patch(f"/v1/members/{acme.admin.id}", json={"active": False}),
        await acme.admin.http.delete(f"/v1/members/{acme.owner.id}"),
        await acme.owner.http.delete(f"/v1/members/{acme.owner.id}"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4


async def test_a_member_who_was_taken_out_is_out_with_their_keys(gateway: Gateway):
    """C3, C7."""
    boss = await gateway.sign_up()
    worker = await gateway.hire(boss, Role.BUILDER)
    key = await with_key(gateway, (await made_key(worker))["key"])
    assert (await key.get("/v1/me")).status_code == 200

    assert (await boss.http.delete(f"/v1/members/{worker.id}")).status_code == 204

    assert (await worker.http.get("/v1/me")).status_code == 401
    assert (await key.get("/v1/me")).status_code == 401
    assert (await boss.http.get(f"/v1/members/{worker.id}")).status_code == 404


async def test_a_password_set_by_an_administrator_must_be_changed(gateway: Gateway):
    boss = await gateway.sign_up()
    worker = await gateway.hire(boss, Role.VIEWER)

    answer = await boss.http.patch(f"/v1/members/{worker.id}", json={"password": "set by the boss"})

    assert answer.json()["must_change_password"]
    assert (await worker.http.get("/v1/me")).status_code == 401
    assert (await gateway.sign_in(worker.email, "set by the boss")).signed_in["must_change_password"]


async def test_an_administrator_cannot_take_over_who_also_belongs_elsewhere(gateway: Gateway, acme: Organisation):
    """A tenant's admin is nobody in other tenants."""
    person = await gateway.sign_up()
    wish = {"name": "x", "email": person.email, "password": FIRST_PASSWORD, "role": "viewer"}
    await acme.admin.http.post("/v1/members", json=wish)

    answer = await acme.admin.http.patch(f"/v1/members/{person.id}", json={"password": "set by the boss"})

    assert answer.status_code == 403
    assert (await gateway.sign_in(person.email, PASSWORD)).id == person.id


async def test_ownership_is_handed_over_to_one_person(gateway: Gateway):
    boss = await gateway.sign_up()
    heir, other = await asyncio.gather(gateway.hire(boss, Role.VIEWER), gateway.hire(boss, Role.ADMIN))
    path = f"/v1/tenants/{boss.tenant_id}/transfer"

    refused = await other.http.post(path, json={"person_id": str(other.id)})
    handed = await boss.http.post(path, json={"person_id": str(heir.id)})
    again = await boss.http.post(path, json={"person_id": str(other.id)})

    assert [refused.status_code, handed.status_code, again.status_code] == [403, 200, 403]
    members = (await heir.http.get("/v1/members")).json()["items"]
    assert {member["id"]: member["role"] for member in members}[str(boss.id)] == "admin"
    assert [member["id"] for member in members if member["role"] == "owner"] == [str(heir.id)]


async def test_ownership_goes_to_a_member_only(acme: Organisation, umbrella: Organisation):
    path = f"/v1/tenants/{acme.id}/transfer"
    stranger = await acme.owner.http.post(path, json={"person_id": str(umbrella.viewer.id)})
    oneself = await acme.owner.http.post(path, json={"person_id": str(acme.owner.id)})

    assert (stranger.status_code, oneself.status_code) == (404, 409)


async def test_a_tenant_is_made_named_and_ended(gateway: Gateway):
    person = await gateway.sign_up()
    made = (await person.http.post("/v1/tenants", json={"name": "Second"})).json()
    switched = await person.http.post("/v1/auth/switch", json={"tenant_id": made["id"]})
    person.http.headers["authorization"] = f"Bearer {switched.json()['access_token']}"

    named = await person.http.patch(f"/v1/tenants/{made['id']}", json={"name": "Renamed"})
    listed = (await person.http.get("/v1/tenants")).json()["items"]
    ended = await person.http.delete(f"/v1/tenants/{made['id']}")

    assert (named.json()["name"], ended.status_code) == ("Renamed", 204)
    assert (listed[0]["name"], listed[0]["is_current"]) == ("Renamed", True)
    assert (await person.http.get("/v1/me")).status_code == 401
    assert (await gateway.sign_in(person.email, PASSWORD)).tenant_id == person.tenant_id


async def test_only_the_tenant_of_the_session_is_changed(gateway: Gateway):
    """B1: a token is for one tenant, also for who belongs to two."""
    person = await gateway.sign_up()
    second = (await person.http.post("/v1/tenants", json={"name": "Second"})).json()["id"]

    answers = [
        await person.http.patch(f"/v1/tenants/{second}", json={"name": "x"}),
        await person.http.delete(f"/v1/tenants/{second}"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]


async def test_a_tenant_with_live_runs_is_not_ended(gateway: Gateway):
    person = await gateway.sign_up()
    started = await person.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}})

    answer = await person.http.delete(f"/v1/tenants/{person.tenant_id}")

    assert (started.status_code, answer.status_code) == (202, 409)


async def test_a_tenant_that_has_ended_keeps_no_process_up(gateway: Gateway):
    person = await gateway.sign_up()
    service = {"name": "theirs", "project": "/srv/theirs", "import_path": "app:app"}
    assert (await person.http.post("/v1/services", json=service)).status_code == 201

    assert (await person.http.delete(f"/v1/tenants/{person.tenant_id}")).status_code == 204

    async with gateway.state["jobs"].open() as connection:
        query = "select count(*) from service where enabled and tenant_id = $1"
        assert await connection.fetchval(query, person.tenant_id) == 0


async def test_a_key_is_a_person_with_less(gateway: Gateway, acme: Organisation):
    """C7."""
    key = await with_key(gateway, (await made_key(acme.builder))["key"])

    me = (await key.get("/v1/me")).json()

    assert me["person"]["email"] == acme.builder.email
    assert set(me["permissions"]) == ROLES[Role.BUILDER] - PERSONAL
    assert (await key.patch("/v1/me", json={"name": "x"})).status_code == 403
    assert (await key.post("/v1/auth/switch", json={"tenant_id": str(acme.id)})).status_code == 403


async def test_a_key_that_reads_cannot_write(gateway: Gateway, acme: Organisation):
    """C7."""
    key = await with_key(gateway, (await made_key(acme.owner, permissions=["runs:read"]))["key"])

    assert (await key.get("/v1/runs")).status_code == 200
    assert (await key.post("/v1/runs", json={"agent": "claude"})).status_code == 403


@pytest.mark.parametrize("permission", ["members:write", "me:write", "platform:read", "tenants:own"])
async def test_nobody_gives_a_key_what_they_do_not_hold(acme: Organisation, permission: str):
    """C7."""
    wish = {"name": "x", "permissions": [permission]}
    answer = await acme.builder.http.post("/v1/api-keys", json=wish)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "permissions"


async def test_a_key_loses_what_its_maker_loses(gateway: Gateway):
    """C7."""
    boss = await gateway.sign_up()
    worker = await gateway.hire(boss, Role.BUILDER)
    key = await with_key(gateway, (await made_key(worker))["key"])
    assert (await key.post("/v1/services", json={})).status_code == 422

    await boss.http.patch(f"/v1/members/{worker.id}", json={"role": "viewer"})

    assert (await key.post("/v1/services", json={})).status_code == 403


async def test_a_revoked_key_is_refused_at_once_here_and_within_five_seconds_elsewhere(
    gateway: Gateway, acme: Organisation, database_url: str
):
    """C7."""
    made = await made_key(acme.builder)
    here = await with_key(gateway, made["key"])
    async with running_gateway(settings_for(database_url)) as other:
        there = await with_key(other, made["key"])
        assert (await here.get("/v1/me")).status_code == (await there.get("/v1/me")).status_code == 200

        await acme.builder.http.delete(f"/v1/api-keys/{made['id']}")

        assert (await here.get("/v1/me")).status_code == 401

        async def is_refused() -> bool:
            return (await there.get("/v1/me")).status_code == 401

        await eventually(is_refused)


async def test_a_key_ends_by_itself(gateway: Gateway, acme: Organisation, database_url: str):
    """C7."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = await made_key(acme.builder, expires_at=tomorrow)
    past = {"name": "x", "expires_at": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
    assert (await acme.builder.http.post("/v1/api-keys", json=past)).status_code == 422
    async with as_owner(database_url) as owner:
        await owner.execute("update api_key set expires_at = now() where id = $1", made["id"])

    key = await with_key(gateway, made["key"])

    assert (await key.get("/v1/me")).status_code == 401


@pytest.mark.parametrize(
    "spoil", ["{id}", "wl_{id}", "wl_{id}_", "wl_{id}_x", "wl__{secret}", "WL_{id}_{secret}", "wl_{id}_{secret}x"]
)
async def test_half_a_key_opens_nothing(gateway: Gateway, acme: Organisation, spoil: str):
    """C7."""
    made = await made_key(acme.builder)
    secret = made["key"].removeprefix(f"wl_{made['id']}_")

    key = await with_key(gateway, spoil.format(id=made["id"], secret=secret))

    assert (await key.get("/v1/me")).status_code == 401


async def test_people_see_their_own_keys_and_administrators_all(acme: Organisation):
    mine, theirs = await made_key(acme.builder), await made_key(acme.admin)
    path = f"/v1/api-keys/{theirs['id']}"

    builder = {item["id"] for item in (await acme.builder.http.get("/v1/api-keys")).json()["items"]}
    admin = {item["id"] for item in (await acme.admin.http.get("/v1/api-keys")).json()["items"]}

    assert mine["id"] in builder & admin
    assert theirs["id"] in admin - builder
    assert (await acme.builder.http.get(path)).status_code == 404
    assert (await acme.builder.http.delete(path)).status_code == 404
    assert "key" not in (await acme.admin.http.get(path)).json()


async def test_a_key_is_renamed_and_shows_its_use(gateway: Gateway, acme: Organisation):
    made = await made_key(acme.builder)
    await (await with_key(gateway, made["key"])).get("/v1/me")

    renamed = await acme.builder.http.patch(f"/v1/api-keys/{made['id']}", json={"name": "nightly"})

    assert renamed.json()["name"] == "nightly"
    assert renamed.json()["last_used_at"] is not None


async def test_a_person_changes_their_name(gateway: Gateway):
    person = await gateway.sign_up()

    changed = await person.http.patch("/v1/me", json={"name": "  Ada Lovelace "})

    assert changed.json()["person"]["name"] == "Ada Lovelace"
    assert (await person.http.get("/v1/me")).json()["person"]["name"] == "Ada Lovelace"
    assert (await audit(person, "person.rename"))[0]["before"] == {"name": "Ada"}


async def test_signing_in_and_starting_leave_audit_rows(gateway: Gateway):
    person = await gateway.sign_up()
    await gateway.sign_in(person.email, PASSWORD)
    await made_key(person)
    run = (await person.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}})).json()
    await person.http.post(f"/v1/runs/{run['id']}/cancel", json={})

    items = (await person.http.get("/v1/audit")).json()["items"]

    assert [item["action"] for item in items] == [
        "run.cancel",
        "run.start",
        "key.create",
        "session.open",
        "person.register",
    ]
    assert all(item["request_id"] and item["address"].startswith("127.") for item in items)


async def test_the_platform_is_for_its_operator(gateway: Gateway, acme: Organisation, database_url: str):
    """A5: health, settings and tenants of the whole installation, no tenant's content."""
    person = await gateway.sign_up("Root")
    async with as_owner(database_url) as owner:
        await owner.execute("update person set is_operator = true where id = $1", person.id)
    gateway.state["authentication"].forget()

    tenants = (await person.http.get("/v1/admin/tenants", params={"limit": 200})).json()["items"]
    health = (await person.http.get("/v1/admin/health")).json()
    settings = (await person.http.get("/v1/admin/settings")).json()["items"]
    own = (await person.http.get("/v1/admin/system-schedules")).json()["items"]
    did = await person.http.get("/v1/admin/system-schedules/cleanup/reports", params={"limit": 1})
    gone = await person.http.delete("/v1/admin/system-schedules/cleanup")
    pages = [
        (await person.http.get(path, headers={"accept": "text/html"})).text for path in ("/system", "/system/cleanup")
    ]

    sizes = {tenant["id"]: tenant["members"] for tenant in tenants}
    assert sizes[str(acme.id)] >= len(Role)
    assert "database" in {part["name"] for part in health["parts"]}
    shown = {setting["name"]: setting for setting in settings}
    assert (shown["WINDLASS_SECRET_KEY"]["value"], shown["WINDLASS_DATABASE_URL"]["value"]) == ("set", "set")
    assert (shown["WINDLASS_SIGNUP"]["value"], shown["WINDLASS_SIGNUP"]["is_default"]) == ("open", False)
    assert [each["name"] for each in own] == ["cleanup", "retention", "archive", "reconciliation"]
    assert (own[0]["when"], own[0]["time_zone"]) == ("At 03:00 every day", "UTC")
    assert (did.status_code, gone.status_code) == (200, 404)
    assert ["What it does by itself" in pages[0], "Removes old screenshots" in pages[1]] == [True, True]
    assert (await person.http.get(f"/v1/members/{acme.viewer.id}")).status_code == 404


async def test_what_has_ended_is_swept(gateway: Gateway, database_url: str):
    person = await gateway.sign_up()
    async with as_owner(database_url) as owner:
        query = "update login_session set ended_at = now() - interval '91 days' where person_id = $1"
        await owner.execute(query, person.id)
        async with gateway.state["database"].open() as connection:
            await connection.execute("select identity_sweep()")
        left = await owner.fetchval("select count(*) from login_session where person_id = $1", person.id)

    assert left == 0


async def test_a_stream_knows_when_its_caller_is_out(gateway: Gateway):
    """C3: what a long stream asks every few seconds."""
    person = await gateway.sign_up()
    authentication = gateway.state["authentication"]
    caller = await authentication.by_token(person.token, Origin())
    assert await authentication.still(caller)

    await person.http.post("/v1/auth/logout")

    assert not await authentication.still(caller)
