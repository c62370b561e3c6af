"""Secrets of services: what is given is shown by name alone, stays when nothing is said of it, and goes when asked."""

from typing import Any

from tests.api.people import Gateway, Organisation
from windlass.contracts.ids import TenantId
from windlass.core.services import sealed_for
from windlass.core.vault import Vault

SECRET = "only-the-host-may-know-0815"  # noqa: S105
SERVICE = {"name": "vaulted", "project": "/srv/vaulted", "import_path": "app:app", "enabled": False}


async def test_a_secret_is_given_and_never_shown(gateway: Gateway, acme: Organisation):
    builder = acme.builder.http

    made = await builder.post("/v1/services", json={**SERVICE, "env": {"OPEN": "1"}, "secrets": {"TOKEN": SECRET}})
    changed = await builder.patch("/v1/services/vaulted", json={"secrets": {"OTHER": SECRET}})
    read = await builder.get("/v1/services/vaulted")
    kept = await builder.patch("/v1/services/vaulted", json={"secrets": {"TOKEN": None}})
    said = [made.text, changed.text, read.text, kept.text, (await builder.get("/v1/services")).text]
    said += [(await acme.owner.http.get(path)).text for path in ("/v1/audit", "/services", "/services/vaulted")]
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        row = await connection.fetchrow("select * from service where name = 'vaulted'")

    assert (made.status_code, changed.status_code) == (201, 200)
    assert [each.json()["secrets"] for each in (made, read, kept)] == [["TOKEN"], ["OTHER", "TOKEN"], ["OTHER"]]
    assert len({each.json()["etag"] for each in (made, changed, kept)}) == 3
    assert [SECRET in each for each in (*said, str(row))] == [False] * 9
    assert (await builder.delete("/v1/services/vaulted")).status_code == 204


async def test_a_viewer_gives_none_and_names_are_names(acme: Organisation):
    denied = await acme.viewer.http.post("/v1/services", json={**SERVICE, "secrets": {"TOKEN": SECRET}})
    wrong = await acme.builder.http.post("/v1/services", json={**SERVICE, "secrets": {"A B": SECRET}})

    assert (denied.status_code, wrong.status_code) == (403, 422)
    assert SECRET not in denied.text + wrong.text


async def test_the_page_sets_variables_and_secrets_one_by_one(acme: Organisation):
    page, path = acme.builder.http, "/services/paged/variables"
    await page.post("/v1/services", json={**SERVICE, "name": "paged", "env": {"LEVEL": "low", "OLD": "1"}})

    done = [
        await page.post(path, data=form)
        for form in (
            {"kind": "env", "variable": "LEVEL", "value": "high"},
            {"kind": "secrets", "variable": "TOKEN", "value": SECRET},
            {"kind": "env", "variable": "OLD", "deed": "take"},
        )
    ]
    wrong = await page.post(path, data={"kind": "secrets", "variable": "1 A", "value": SECRET})
    empty = await page.post(path, data={"kind": "env", "variable": "LEVEL", "value": ""})
    by_viewer = await acme.viewer.http.post(path, data={"kind": "env", "variable": "A", "value": "1"})
    shown, read = await page.get("/services/paged"), (await page.get("/v1/services/paged")).json()

    assert ([each.status_code for each in done], by_viewer.status_code) == ([303] * 3, 403)
    assert (read["env"], read["secrets"]) == (["LEVEL"], ["TOKEN"])
    assert (wrong.status_code, "Name must be letters" in wrong.text, SECRET in wrong.text + shown.text) == (
        422,
        True,
        False,
    )
    assert (empty.status_code, "Value is required" in empty.text) == (422, True)
    assert ('value="1 A"' in wrong.text, "Take TOKEN away" in shown.text) == (True, True)


async def opened(gateway: Gateway, house: Organisation, name: str) -> dict[str, Any]:
    """The secrets of a service as its host is given them."""
    async with gateway.state["database"].tenant(TenantId(house.id)) as connection:
        row = await connection.fetchrow("select id, secrets from service where name = $1", name)
    assert row is not None
    vault = Vault(gateway.state["settings"].require_secret_key())
    return dict(vault.open(TenantId(house.id), sealed_for(row["id"]), row["secrets"]))


async def test_spaces_around_what_is_typed_on_the_page_are_kept(gateway: Gateway, acme: Organisation):
    page, path = acme.builder.http, "/services/spaced/variables"
    await page.post("/v1/services", json={**SERVICE, "name": "spaced"})

    for name, value in (("PADDED", "  two before, one after "), ("BLANK", "   ")):
        answer = await page.post(path, data={"kind": "secrets", "variable": f" {name} ", "value": value})
        assert answer.status_code == 303
    await page.post(path, data={"kind": "env", "variable": "INDENT", "value": "  "})
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        env = await connection.fetchval("select env from service where name = 'spaced'")

    assert await opened(gateway, acme, "spaced") == {"PADDED": "  two before, one after ", "BLANK": "   "}
    assert env == {"INDENT": "  "}
