"""Services as documents: taken in item by item, after a backup, and written down again."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal
from windlass.core import services
from windlass.core.permissions import Role

TEXTS: dict[str, Any] = {
    "name": "texts",
    "project": "/srv/texts",
    "import_path": "app:app",
    "python": "3.12",
    "replicas": 2,
    "display": "Texts for all",
    "env": {"LEVEL": "3"},
    "secrets": ["API_KEY"],
    "flows": [{"name": "count", "display": "Count words", "tags": ["text"], "enabled": False}],
}


@pytest.fixture
async def house(gateway: Gateway) -> Organisation:
    return await gateway.organisation("Exchange")


async def taken(house: Organisation, *items: Any, dry_run: bool = False) -> dict[str, Any]:
    return await sent(house, {"services": items}, dry_run=dry_run)


async def sent(house: Organisation, document: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    answer = await house.owner.http.post("/v1/services/import", params={"dry_run": dry_run}, json=document)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def exported(house: Organisation) -> list[dict[str, Any]]:
    answer = await house.owner.http.get("/v1/services/export")
    assert answer.status_code == 200, answer.text
    return answer.json()["services"]


def outcomes(done: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in done["items"]}


async def test_what_is_exported_is_imported_elsewhere_and_changes_nothing_the_second_time(
    gateway: Gateway, house: Organisation
):
    other = await gateway.organisation("Other")
    await taken(house, TEXTS)
    await house.owner.http.patch("/v1/services/texts", json={"secrets": {"API_KEY": "not to be seen"}})

    document = await exported(house)
    first, second = await taken(other, *document), await taken(other, *document)

    assert document == [
        TEXTS | {"flows": document[0]["flows"]} | {each: document[0][each] for each in ("url", "enabled")}
    ]
    assert "not to be seen" not in json.dumps(document)
    assert outcomes(first) == {"texts": "added"}
    assert first["items"][0]["missing_secrets"] == ["API_KEY"]
    assert (outcomes(second), second["backup_id"]) == ({"texts": "same"}, None)
    assert await exported(other) == [{**document[0], "secrets": []}]
    assert document[0]["flows"][0]["enabled"] is False


async def test_items_are_looked_at_one_by_one_and_a_dry_run_changes_nothing(house: Organisation):
    items: tuple[dict[str, Any], ...] = (
        TEXTS,
        {**TEXTS, "env": {}},
        {"name": "export"},
        {"name": "far", "project": "relative"},
        {"nam": "x"},
    )

    dry = await taken(house, *items, dry_run=True)
    before = await exported(house)
    done = await taken(house, *items)

    assert [each["outcome"] for each in dry["items"]] == ["added", *4 * ["refused"]]
    assert dry["items"] == done["items"]
    assert [each["errors"][0]["field"] for each in done["items"][1:]] == ["name", "name", "project", "name"]
    assert (before, [each["name"] for each in await exported(house)]) == ([], ["texts"])


async def test_how_things_were_is_kept_before_an_import_and_can_be_imported_again(house: Organisation):
    http = house.owner.http
    await taken(house, TEXTS)
    before = await exported(house)

    done = await taken(house, {**TEXTS, "env": {"OTHER": "1"}, "flows": []})
    changed = await exported(house)
    kept = (await http.get(f"/v1/services/backups/{done['backup_id']}")).json()
    again = await taken(house, *kept["services"])

    assert outcomes(done) == {"texts": "changed"}
    assert (changed[0]["env"], changed[0]["flows"]) == ({"OTHER": "1"}, [])
    assert kept["services"] == before
    assert outcomes(again) == {"texts": "changed"}
    assert await exported(house) == before
    listed = (await http.get("/v1/services/backups")).json()["items"]
    assert [each["services"] for each in listed] == [1, 1, 0]


async def test_only_the_last_twenty_backups_are_kept(house: Organisation):
    for number in range(22):
        await taken(house, {**TEXTS, "env": {"N": str(number)}})

    listed = (await house.owner.http.get("/v1/services/backups")).json()["items"]

    assert [each["services"] for each in listed] == 20 * [1]


async def test_whoever_may_only_read_services_exports_and_imports_nothing(house: Organisation):
    http = house.people[Role.VIEWER].http
    paths = ("export", "backups", "backups/0190f8a2-0000-7000-8000-000000000000")

    answers = [await http.get(f"/v1/services/{path}") for path in paths]
    answers.append(await http.post("/v1/services/import", json={"services": []}))

    assert [each.status_code for each in answers] == [403, 403, 403, 403]


async def test_the_command_line_writes_a_document_down_and_takes_it_in(
    gateway: Gateway, house: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    terminal = Terminal.of(gateway, house.owner, monkeypatch, tmp_path / "config", "exchange")
    file, bad = tmp_path / "services.json", tmp_path / "bad.json"
    bad.write_text("no json")
    await taken(house, TEXTS)

    await terminal.say("export", str(file))
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "services": [*document["services"], {"name": "boot"}, {"name": "new"}]}))
    tried = await terminal.run("import", str(file), "--dry-run")
    refused = await terminal.run("import", str(bad))

    assert document["services"] == await exported(house)
    assert (tried.code, [word in tried.out for word in ("refused", "same", "added")]) == (1, [True] * 3)
    assert refused.code == 2
    assert len((await terminal.read("backups"))["items"]) == 1


async def test_the_page_tries_a_document_and_then_takes_it_in(house: Organisation):
    http, html = house.owner.http, {"accept": "text/html"}
    document = json.dumps({"services": [TEXTS, {"name": "boot"}]})

    async def sent(deed: str, text: str = document) -> tuple[int, str]:
        answer = await http.post("/services/exchange", data={"document": text, "deed": deed}, headers=html)
        return answer.status_code, answer.text

    tried, before = await sent("try"), await exported(house)
    done, after = await sent("import"), await exported(house)
    wrong = await sent("try", '{"services": 3}')
    unwritable = await sent("import", '{"services": [{"name": "nul", "project": "/\\u0000"}]}')
    page = (await http.get("/services/exchange", headers=html)).text

    assert (tried[0], "What would become of it" in tried[1], "API_KEY" in tried[1], before) == (200, True, True, [])
    assert ("What became of it" in done[1], "not a reserved word" in done[1]) == (True, True)
    assert [each["name"] for each in after] == ["texts"]
    assert (wrong[0], "services: Input should be a valid" in wrong[1]) == (422, True)
    assert (unwritable[0], "U+0000" in unwritable[1]) == (422, True)
    assert page.count("/v1/services/backups/") == 1


async def test_a_draft_of_the_document_takes_no_service_down_and_many_variables_travel(house: Organisation):
    many = [{f"{letter}{number}": "x" for number in range(60)} for letter in "AB"]
    await taken(house, TEXTS)
    for each in many:
        await house.owner.http.patch("/v1/services/texts", json={"env": each})

    refused = await taken(house, {"name": "texts"})
    document = await exported(house)
    same = await taken(house, *document)

    assert outcomes(refused) == {"texts": "refused"}
    assert [each["field"] for each in refused["items"][0]["errors"]] == ["project"]
    assert len(document[0]["env"]) == 121
    assert outcomes(same) == {"texts": "same"}


async def test_a_service_of_more_variables_than_there_may_be_now_travels_and_its_backup_is_taken_in_but_none_grows(
    house: Organisation, monkeypatch: pytest.MonkeyPatch
):
    await taken(house, TEXTS)
    with monkeypatch.context() as before_there_was_a_bound:
        before_there_was_a_bound.setattr(services, "MOST_VARIABLES", 1000)
        for letter in "ABCDEF":
            await house.owner.http.patch("/v1/services/texts", json={"env": {f"{letter}{n}": "x" for n in range(100)}})
    (full,) = await exported(house)
    others, more = dict.fromkeys(full["env"], "y"), {**full["env"], "ONE_MORE": "x"}

    same = await taken(house, full)
    changed = await taken(house, {**full, "env": others})
    kept = (await house.owner.http.get(f"/v1/services/backups/{changed['backup_id']}")).json()
    again = await taken(house, *kept["services"])
    grown = [await taken(house, {**full, "env": more}, dry_run=is_dry) for is_dry in (True, False)]
    new = [await taken(house, {**full, "name": "new"}, dry_run=is_dry) for is_dry in (True, False)]

    assert len(full["env"]) == 601
    assert [outcomes(each)["texts"] for each in (same, changed, again)] == ["same", "changed", "changed"]
    assert [outcomes(each) for each in (*grown, *new)] == 2 * [{"texts": "refused"}] + 2 * [{"new": "refused"}]
    errors = [each["items"][0]["errors"][0] for each in (*grown, *new)]
    assert [each["field"] for each in errors] == 4 * ["env"]
    said = [each["message"].partition("this would make ")[2] for each in errors]
    advice = "take as many out of its env in the document and send that again"
    assert said == 2 * [f"602, 1 too many: {advice}"] + 2 * [f"601, 101 too many: {advice}"]
    assert await exported(house) == [full]


async def test_what_services_inherit_travels_by_the_same_rules(gateway: Gateway, house: Organisation):
    http, other = house.owner.http, await gateway.organisation("Inheritors")
    unsaid = (await http.get("/v1/services/export")).json()
    of_exposes = (await http.get("/compat/kodosumi/exchange/export")).json()
    wish = {"env": {"PLACE": "here"}, "secrets": {"TOKEN": "not to be seen"}, "limits": {"memory_mib": 512}}
    await http.put("/v1/services/defaults", json={**wish, "replicas": 3})
    await taken(house, TEXTS | {"replicas": None})
    document = (await http.get("/v1/services/export")).json()

    tried = await sent(other, document, dry_run=True)
    unchanged = (await other.owner.http.get("/v1/services/export")).json()
    first, second = await sent(other, document), await sent(other, document)
    (service,) = (await other.owner.http.get("/v1/services")).json()["items"]
    carried = (await other.owner.http.get("/v1/services/export")).json()["defaults"]

    for each in (unsaid, of_exposes, unchanged):  # a gateway from before there were defaults takes no other keys
        assert each.keys() == {"kind", "exported_at", "services"}
    assert "not to be seen" not in json.dumps(document)
    assert document["defaults"]["env"] == {"PLACE": "here"}
    assert (document["defaults"]["secrets"], document["defaults"]["limits"]) == (["TOKEN"], {"memory_mib": 512})
    assert outcomes(tried) == outcomes(first) == {"defaults": "added", "texts": "added"}
    assert first["items"][0]["missing_secrets"] == ["TOKEN"]
    assert (outcomes(second), second["backup_id"]) == ({"defaults": "same", "texts": "same"}, None)
    assert (service["replicas"], service["own_replicas"]) == (3, False)
    assert carried == {**document["defaults"], "secrets": []}


async def test_the_command_line_says_that_it_wrote_down_what_services_inherit(
    gateway: Gateway, house: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    terminal = Terminal.of(gateway, house.owner, monkeypatch, tmp_path / "config", "exchange")
    file = tmp_path / "services.json"
    said = [await terminal.say("export", str(file))]
    await house.owner.http.put("/v1/services/defaults", json={"env": {"PLACE": "here"}})
    said.append(await terminal.say("export", str(file)))
    await taken(house, TEXTS, {"name": "draft"})

    said.append(await terminal.say("export", str(file)))
    told = await terminal.read("export", str(file))

    assert [each.partition(" in ")[0] for each in said] == ["Nothing", "Defaults", "Defaults, 2 services"]
    assert told == {"file": str(file), "defaults": 1, "services": 2}


async def test_an_import_of_defaults_keeps_secrets_and_how_they_were_and_refuses_what_cannot_be(house: Organisation):
    http = house.owner.http
    await http.put("/v1/services/defaults", json={"env": {"PLACE": "here"}, "secrets": {"TOKEN": "x"}, "replicas": 2})

    wrong = await sent(house, {"defaults": {"replicas": 9, "env": {"2": "x"}}, "services": [TEXTS]})
    done = await sent(house, {"defaults": {"env": {"OTHER": "1"}}, "services": []})
    then = (await http.get("/v1/services/defaults")).json()
    kept = (await http.get(f"/v1/services/backups/{done['backup_id']}")).json()
    again = await sent(house, kept)
    listed = (await http.get("/v1/services/backups")).json()["items"]

    assert outcomes(wrong) == {"defaults": "refused", "texts": "added"}
    assert {each["field"] for each in wrong["items"][0]["errors"]} >= {"replicas"}
    assert (then["env"], then["secrets"], then["replicas"]) == (["OTHER"], ["TOKEN"], 1)
    assert (kept["defaults"]["env"], kept["defaults"]["replicas"]) == ({"PLACE": "here"}, 2)
    assert outcomes(again) == {"defaults": "changed", "texts": "same"}
    assert [each["services"] for each in listed] == [1, 1, 0]
