"""Templates and skills over HTTP, on their pages and by the command line: who may change them, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.machines import on_paper
from tests.api.people import Gateway, Organisation, Person
from tests.api.terminals import Terminal
from windlass.contracts.ids import TenantId
from windlass.core.database import Database

BODY = {"summary": "Big", "width": 1600, "height": 900, "egress": ["example.org", "*.example.org:443"]}


@pytest.fixture(autouse=True)
async def machine(gateway: Gateway) -> None:
    await on_paper(gateway.state["database"])


async def page(person: Person, path: str) -> str:
    answer = await person.http.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_template_is_written_chosen_changed_and_deleted(acme: Organisation):
    admin, builder = acme.admin.http, acme.builder.http
    put = await admin.put("/v1/desktop-templates/big", json=BODY)
    stale = await admin.put("/v1/desktop-templates/big", json=BODY, headers={"if-match": '"own-9"'})
    desktop = (await builder.post("/v1/desktops", json={"template": "big"})).json()
    names = [each["name"] for each in (await builder.get("/v1/desktop-templates")).json()["items"]]
    deleted = await admin.delete("/v1/desktop-templates/big")
    unknown = await builder.post("/v1/desktops", json={"template": "big"})

    assert (put.status_code, put.json()["version"], put.json()["is_own"]) == (200, 1, True)
    assert put.json()["egress"] == ["example.org:443", "*.example.org:443"]
    assert (stale.status_code, names) == (412, ["standard", "big", "large"])
    assert (desktop["width"], desktop["template_version"], desktop["egress"]) == (1600, 1, put.json()["egress"])
    assert deleted.status_code == 204
    assert (unknown.status_code, unknown.json()["errors"][0]["message"]) == (422, "must be one of: standard, large")
    assert (await builder.get("/v1/desktop-templates/big")).status_code == 404
    assert (await admin.delete("/v1/desktop-templates/standard")).status_code == 409
    await builder.delete(f"/v1/desktops/{desktop['id']}")


@pytest.mark.parametrize("what", ["templates", "skills"])
async def test_only_who_administers_may_change_what_desktops_are_made_of(acme: Organisation, what: str):
    body: dict[str, Any] = BODY if what == "templates" else {"text": "Be kind."}

    for person in (acme.builder, acme.operator, acme.viewer):
        assert (await person.http.put(f"/v1/desktop-{what}/x", json=body)).status_code == 403
        assert (await person.http.delete(f"/v1/desktop-{what}/x")).status_code == 403
        assert (await person.http.get(f"/v1/desktop-{what}")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{"privileged": True}, {"image": "debian"}, {"width": "wide"}, {"memory_bytes": 1 << 45}, {"egress": ["10.0.0.1"]},
     {"egress": ["https://example.org/"]}, {"egress": "example.org"}, {"cpus": -1}],
)  # fmt: skip
async def test_what_is_no_template_is_refused(acme: Organisation, body: dict[str, Any]):
    assert (await acme.owner.http.put("/v1/desktop-templates/mine", json=body)).status_code == 422


async def test_templates_and_skills_are_changed_on_their_pages(acme: Organisation):
    form = {
        "name": "tall", "summary": "Tall <b>", "width": "1000", "height": "2000", "memory_mib": "512", "cpus": "0.5",
        "home_mib": "64", "processes": "100", "idle_minutes": "5", "hours": "1",
        "egress": "example.org\r\na.example.org:80",
    }  # fmt: skip
    http, html = acme.admin.http, {"accept": "text/html"}

    made = await http.post("/settings/desktops", data=form, headers=html)
    bad = await http.post("/settings/desktops", data=form | {"hours": "soon", "name": "other"}, headers=html)
    told = await http.post("/settings/skills", data={"name": "ways", "text": "Go left.\r\n"}, headers=html)
    shown, skills = await page(acme.admin, "/settings/desktops?name=tall"), await page(acme.viewer, "/settings/skills")
    kept = (await http.get("/v1/desktop-templates/tall")).json()

    assert (made.status_code, told.status_code, bad.status_code) == (303, 303, 422)
    assert "Hours must be a number" in bad.text
    assert (kept["idle_s"], kept["lifetime_s"]) == (300, 3600)
    assert (kept["memory_bytes"], kept["home_bytes"]) == (512 << 20, 64 << 20)
    assert kept["egress"] == ["example.org:443", "a.example.org:80"]
    assert "Tall &lt;b&gt;" in shown
    assert "Change tall" in shown
    assert 'id="skill-ways"' in skills
    assert "Save skill" not in skills
    assert (await http.get("/v1/desktop-skills/ways")).json()["text"] == "Go left.\n"
    for path in ("/settings/desktops/tall/delete", "/settings/skills/ways/delete"):
        assert (await http.post(path, headers=html)).status_code == 303


async def test_the_command_line_changes_what_is_given(
    gateway: Gateway, acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    windlass = Terminal.of(gateway, acme.owner, monkeypatch, tmp_path, "desktop").say

    await windlass("template", "set", "mine", "--screen", "1600x900", "--egress", "example.org", "--memory-mib", "512")
    await windlass("template", "set", "mine", "--cpus", "0.5")
    listed = await windlass("template", "list")
    await windlass("skill", "set", "ways", "-", say="Go left.\n")
    kept = (await acme.owner.http.get("/v1/desktop-templates/mine")).json()

    assert (kept["version"], kept["width"], kept["memory_bytes"], kept["cpus"]) == (2, 1600, 512 << 20, 0.5)
    assert kept["egress"] == ["example.org:443"]
    assert "example.org:443" in listed
    assert await windlass("skill", "show", "ways") == "Go left.\n\n"
    await windlass("template", "delete", "mine")
    await windlass("skill", "delete", "ways")


async def test_the_grid_is_narrowed_by_state_and_owner_and_offers_a_restart(gateway: Gateway, acme: Organisation):
    mine = (await acme.owner.http.post("/v1/desktops", json={"name": "mine"})).json()
    theirs = (await acme.builder.http.post("/v1/desktops", json={"name": "theirs"})).json()
    database: Database = gateway.state["database"]
    async with database.tenant(TenantId(acme.id)) as connection:
        await connection.execute("update desktop set status = 'lost', reason = 'why' where name = 'mine'")
        columns = "tenant_id, day, screenshots, freed_bytes"
        report = f"insert into screenshot_cleanup ({columns}) values ($1, current_date, 12, 3000)"  # noqa: S608
    async with gateway.state["jobs"].open() as connection:
        await connection.execute(report, acme.id)

    lost, starting = [await page(acme.owner, f"/desktops?status={each}") for each in ("lost", "starting")]
    own, none = await page(acme.owner, "/desktops?owner=me"), await page(acme.owner, "/desktops?status=busy")
    odd = await page(acme.owner, "/desktops?status=%3Cscript%3E&owner=x")
    told = (await acme.viewer.http.get("/v1/desktop-cleanups")).json()["items"]

    ids = [f'id="desktop-{each["id"]}"' for each in (mine, theirs)]
    assert [[each in text for each in ids] for text in (lost, starting, own, none, odd)] == [
        [True, False], [False, True], [True, False], [False, False], [True, True],
    ]  # fmt: skip
    assert "Start again" in lost
    assert "Clear filters" in none
    assert "12 old screenshots removed" in odd
    assert (told[0]["screenshots"], told[0]["freed_bytes"]) == (12, 3000)
    for person, desktop in ((acme.owner, mine), (acme.builder, theirs)):
        await person.http.delete(f"/v1/desktops/{desktop['id']}")
