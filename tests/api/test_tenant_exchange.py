"""A whole organisation as a document: taken in elsewhere, item by item, after a backup; twice is as once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal
from windlass.core import tenant_sections
from windlass.core.permissions import Role

KIND = {"kind": "windlass.tenant/1"}
TASK: dict[str, Any] = {"name": "News", "agent": "reporter", "inputs": {"prompt": "News of {{ parameters.topic }}"}}
TASK["parameters"] = {"topic": {"type": "text", "default": "tea"}}
DOCUMENT: dict[str, Any] = KIND | {
    "settings": [{"name": "screenshot_link_minutes", "value": 7}],
    "desktop_templates": [{"name": "wide", "width": 1920, "egress": ["example.org:443"]}],
    "desktop_skills": [{"name": "tea", "text": "Tea first."}],
    "mcp_servers": [{"name": "files", "url": "https://93.184.216.34/mcp", "headers": ["Authorization"]}],
    "service_defaults": [
        {"env": {"PLACE": "here"}, "secrets": ["TOKEN"], "replicas": 2, "limits": {"memory_mib": 512}}
    ],
    "services": [{"name": "texts", "project": "/srv/texts", "import_path": "app:app", "secrets": ["KEY"]}],
    "agents": [
        {"name": "reporter", "system": "Short.", "tools": ["read"], "mcp_servers": [{"server": "files"}]}
        | {"policy": [{"tool": "shell", "decision": "deny"}], "budget": {"usd": 1.5}}
    ],
    "tasks": [TASK],
    "schedules": [
        {"name": "Mornings", "task": "News", "cron": "30 7 * * 1-5", "time_zone": "Europe/Berlin", "paused": True}
    ],
}
WRONG: dict[str, Any] = KIND | {
    "settings": [{"name": "screenshot_link_minutes", "value": 0}, {"name": "nothing", "value": 1}],
    "desktop_skills": [{"name": "a", "text": "a"}, {"name": "a", "text": "b"}, {"text": "b"}],
    "agents": [{"name": "claude"}, {"name": "b", "tools": ["fly"]}],
    "tasks": [{"name": "t", "agent": "nobody"}, {"name": "u", "agent": "claude", "inputs": {"prompt": "{{ x }}"}}],
    "schedules": [{"name": "s", "task": "t", "cron": "never"}],
}


@pytest.fixture
async def house(gateway: Gateway) -> Organisation:
    return await gateway.organisation("Exchanges")


async def taken(house: Organisation, document: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    answer = await house.owner.http.post("/v1/exchange/import", params={"dry_run": dry_run}, json=document)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def exported(house: Organisation) -> dict[str, Any]:
    return (await house.owner.http.get("/v1/exchange/export")).json() | {"exported_at": None}


def outcomes(done: dict[str, Any]) -> dict[str, list[str]]:
    found = {each["section"]: [item["outcome"] for item in each["items"]] for each in done["sections"]}
    return {section: items for section, items in found.items() if items}


async def test_what_is_exported_is_taken_in_elsewhere_and_is_the_same_the_second_time(
    gateway: Gateway, house: Organisation
):
    other = await gateway.organisation("Exchanged")
    dry, nothing = await taken(house, DOCUMENT, dry_run=True), await exported(house)
    first = await taken(house, DOCUMENT)
    document = await exported(house)
    second, elsewhere = await taken(house, document), await taken(other, document)
    secrets = [each for section in first["sections"] for item in section["items"] for each in item["missing_secrets"]]

    sections = {name: ["added"] for name in DOCUMENT.keys() - {"kind"}}
    assert outcomes(dry) == outcomes(first) == outcomes(elsewhere) == sections
    assert (dry["backup_id"], nothing["agents"]) == (None, [])
    assert "service_defaults" not in nothing  # a gateway from before there were any takes no such section
    assert secrets == ["mcp_servers.files.headers.Authorization", "service_defaults.defaults.secrets.TOKEN", "KEY"]
    assert (outcomes(second), second["backup_id"]) == ({name: ["same"] for name in sections}, None)
    twin = await exported(other)
    assert {**twin, "mcp_servers": document["mcp_servers"]} == document
    assert (document["service_defaults"][0]["env"], document["services"][0]["replicas"]) == ({"PLACE": "here"}, None)
    (schedule,) = (await other.owner.http.get("/v1/schedules")).json()["items"]
    assert (schedule["state"], schedule["task_name"], schedule["agent"]) == ("paused", "News", "reporter")


async def test_how_things_were_is_kept_and_what_is_wrong_keeps_the_rest_from_nothing(house: Organisation):
    await taken(house, DOCUMENT)
    before = await exported(house)
    change = KIND | {
        "agents": [{**before["agents"][0], "system": "Long."}, {"name": "second"}],
        "tasks": [{**before["tasks"][0], "description": "Daily."}],
        "schedules": [{**before["schedules"][0], "cron": "0 8 * * *", "paused": False}],
        "services": [{"name": "texts"}],
    }

    dry, wrong = await taken(house, WRONG, dry_run=True), await taken(house, WRONG)
    done = await taken(house, change)
    changed = await exported(house)
    kept = (await house.owner.http.get(f"/v1/exchange/backups/{done['backup_id']}")).json()
    again = await taken(house, kept)

    refused = {"settings": 2, "agents": 2, "tasks": 2, "schedules": 1}
    assert {name: items.count("refused") for name, items in outcomes(wrong).items()} == {**refused, "desktop_skills": 2}
    assert outcomes(dry)["tasks"] == ["added", "refused"]  # whether there is its agent shows when it is saved
    assert outcomes(done) == {
        "agents": ["changed", "added"], "tasks": ["changed"], "schedules": ["changed"], "services": ["refused"],
    }  # fmt: skip
    assert (changed["schedules"][0]["cron"], changed["schedules"][0]["paused"]) == ("0 8 * * *", False)
    assert kept["agents"] == before["agents"]
    assert outcomes(again)["agents"] == ["changed"]
    assert (await exported(house))["schedules"] == before["schedules"]
    assert len((await house.owner.http.get("/v1/exchange/backups")).json()["items"]) == 4


async def test_what_one_document_cannot_hold_is_an_error_and_no_part_of_it(
    house: Organisation, monkeypatch: pytest.MonkeyPatch
):
    await taken(
        house, KIND | {"tasks": [{"name": each, "agent": "claude", "inputs": {"prompt": "x"}} for each in "ab"]}
    )
    monkeypatch.setattr(tenant_sections, "MOST_ITEMS", 1)

    answer = await house.owner.http.get("/v1/exchange/export")

    assert (answer.status_code, "more than 1 tasks" in answer.text) == (409, True)


async def test_only_who_may_write_all_of_it_exchanges_an_organisation(gateway: Gateway, house: Organisation):
    key = await house.owner.http.post("/v1/api-keys", json={"name": "half", "permissions": ["tenants:write"]})
    program = await gateway.browser(headers={"authorization": f"Bearer {key.json()['key']}"})

    answers = [await house.people[Role.BUILDER].http.get("/v1/exchange/export")]
    answers.append(await house.people[Role.VIEWER].http.post("/v1/exchange/import", json=DOCUMENT))
    answers.append(await program.get("/v1/exchange/export"))
    large = {**KIND, "desktop_skills": [{"name": "x", "text": "x" * 3_000_000}]}

    assert [each.status_code for each in answers[:2]] == [403, 403]
    assert (answers[2].status_code, "services:write" in answers[2].text) == (403, True)
    assert outcomes(await taken(house, large)) == {"desktop_skills": ["refused"]}
    assert (await house.owner.http.post("/v1/exchange/import", json={"kind": "windlass.services/1"})).status_code == 422


async def test_the_command_line_and_the_page_take_a_whole_organisation_too(
    gateway: Gateway, house: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    terminal = Terminal.of(gateway, house.owner, monkeypatch, tmp_path / "config", "exchange")
    file, html = tmp_path / "house.json", {"accept": "text/html"}
    form = {"document": json.dumps(DOCUMENT), "deed": "import"}

    page = await house.owner.http.post("/services/exchange", data=form, headers=html)
    weak = await house.people[Role.BUILDER].http.post("/services/exchange", data=form, headers=html)
    said = await terminal.say("export", str(file), "--tenant")
    again = await terminal.say("import", str(file))
    backups = await terminal.read("backups", "--tenant")

    assert ("What became of it" in page.text, "schedules: Mornings" in page.text) == (True, True)
    assert (weak.status_code, "who may write all of it" in weak.text) == (422, True)
    assert ("1 mcp server," in said, "tasks: News" in again, len(backups["items"])) == (True, True, 1)
