"""Settings of an organisation: what holds, who may change it, and that it does hold."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from tests.api.machines import on_paper
from tests.api.people import Gateway, Organisation, Person, running_gateway, settings_for
from tests.api.terminals import Terminal
from windlass.contracts.ids import TenantId
from windlass.core.screenshots import Look

PATH = "/v1/settings/screenshot_link_minutes"
BUCKET = {
    "WINDLASS_STORAGE_URL": "s3://pictures",
    "WINDLASS_S3_ENDPOINT": "http://127.0.0.1:1",  # an address is signed without asking the store
    "WINDLASS_S3_ACCESS_KEY": "key",
    "WINDLASS_S3_SECRET_KEY": "secret",
}


async def link_seconds(person: Person, desktop_id: str) -> int:
    """How long the address of its last picture is good for."""
    url: str = (await person.http.get(f"/v1/desktops/{desktop_id}/screenshot")).json()["url"]
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])


async def test_the_address_of_a_screenshot_lasts_as_long_as_the_organisation_says(database_url: str):
    async with running_gateway(settings_for(database_url, **BUCKET)) as gateway:
        engine = gateway.state["engine"]
        await on_paper(gateway.state["database"])
        ada, bob = await gateway.sign_up("Ada"), await gateway.sign_up("Bob")
        desktops = [(await each.http.post("/v1/desktops")).json()["id"] for each in (ada, bob)]
        for person, desktop in zip((ada, bob), desktops, strict=True):
            tenant_id = TenantId(person.tenant_id)
            begun = await engine.screenshots.begin(tenant_id, UUID(desktop), Look("a" * 64, 1280, 800))
            assert begun is not None
            await engine.screenshots.finish(tenant_id, UUID(desktop), begun.id, 4)

        before = await link_seconds(ada, desktops[0])
        assert (await ada.http.put(PATH, json={"value": 10})).status_code == 200

        assert (before, await link_seconds(ada, desktops[0])) == (36_000, 600)
        assert await link_seconds(bob, desktops[1]) == 36_000
        assert (await ada.http.delete(PATH)).status_code == 204
        assert await link_seconds(ada, desktops[0]) == 36_000
        for person, desktop in zip((ada, bob), desktops, strict=True):
            await person.http.delete(f"/v1/desktops/{desktop}")


async def test_an_organisation_may_have_its_files_take_less_than_the_installation_allows(acme: Organisation):
    admin = acme.admin.http
    quota = "/v1/settings/files_quota_mib"

    more = await admin.put(quota, json={"value": 102_401})
    less = await admin.put(quota, json={"value": 0})
    refused = await admin.post("/v1/artifacts/uploads", json={"files": [{"path": "a", "size_bytes": 1}]})

    assert (more.status_code, more.json()["errors"][0]["message"]) == (422, "must be between 0 and 102400 MiB")
    assert (less.json()["value"], less.json()["most"]) == (0, 102_400)
    assert refused.status_code == 409
    assert "may take 0 MiB" in refused.json()["detail"]
    assert (await admin.delete(quota)).status_code == 204


async def test_a_setting_says_whose_it_is_and_every_change_is_in_the_audit_log(acme: Organisation):
    admin = acme.admin.http
    first = (await admin.get(PATH)).json()
    await admin.put(PATH, json={"value": 60})
    own = (await acme.viewer.http.get("/v1/settings")).json()["items"]
    for _ in range(2):
        assert (await admin.delete(PATH)).status_code == 204

    assert (first["value"], first["is_own"], first["changed_at"]) == (600, False, None)
    assert [(each["value"], each["is_own"], each["installation"], each["changed_by"]) for each in own] == [
        (60, True, 600, "Admin"),
        (102_400, False, 102_400, ""),
    ]
    acts = (await admin.get("/v1/audit", params={"subject": "setting:screenshot_link_minutes"})).json()["items"]
    assert [(each["action"], each["before"], each["after"]) for each in acts] == [
        ("setting.reset", {"value": 60}, None),
        ("setting.put", None, {"value": 60}),
    ]


@pytest.mark.parametrize(
    "body", [{"value": 0}, {"value": 10_081}, {"value": "10"}, {"value": 1.5}, {"value": True}, {}]
)
async def test_what_cannot_hold_is_refused(acme: Organisation, body: dict[str, Any]):
    assert (await acme.owner.http.put(PATH, json=body)).status_code == 422
    assert (await acme.owner.http.put("/v1/settings/secret_key", json={"value": 1})).status_code == 404


async def test_it_is_changed_on_its_page_by_whoever_administers(acme: Organisation):
    http, html = acme.admin.http, {"accept": "text/html"}
    address = "/settings/organisation/screenshot_link_minutes"
    wrong = await http.post(address, data={"value": "ten"}, headers=html)
    saved = await http.post(address, data={"value": "10"}, headers=html)
    page = (await acme.viewer.http.get("/settings/organisation", headers=html)).text
    denied = await acme.builder.http.post(address, data={"value": "20"}, headers=html)
    await http.post(address, data={"reset": "yes"}, headers=html)

    assert (wrong.status_code, "must be a whole number" in wrong.text, 'value="ten"' in wrong.text) == (422, True, True)
    assert (saved.status_code, denied.status_code) == (303, 403)
    assert "Set by Admin" in page
    assert "Save" not in page
    assert (await http.get(PATH)).json()["is_own"] is False


async def test_the_command_line_sets_and_resets_it(
    gateway: Gateway, acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    windlass = Terminal.of(gateway, acme.owner, monkeypatch, tmp_path, "setting").say

    assert "is 15 minutes" in await windlass("set", "screenshot_link_minutes", "15")
    assert "15 minutes" in await windlass("list")
    assert "holds again" in await windlass("reset", "screenshot_link_minutes")
