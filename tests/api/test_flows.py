"""Flows and services over HTTP: what is said of flows, and how services are when they are really asked."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal
from windlass.cli import service_logs
from windlass.cli.codes import INTERRUPTED
from windlass.contracts.hosts import socket_path
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.permissions import Role
from windlass.core.settings import Settings
from windlass.core.wakeup import PollOnly
from windlass.core.wanted import HostFacts, Wanted, WantedService

PROGRAM = "select generation, env, project, enabled, replicas from service"
FLOW: dict[str, Any] = {"path": "/x", "summary": "", "description": "", "tags": [], "elements": [], "schema": {}}


class Kept:
    """A service that a worker has seen up, and the socket of its host."""

    def __init__(self, house: Organisation, wanted: Wanted, service: WantedService, settings: Settings) -> None:
        self.house, self.wanted, self.service = house, wanted, service
        self.node = settings.node
        self.boot_id, self.logs = "", settings.home / "logs"
        folder = settings.home / "hosts"
        folder.mkdir(parents=True, exist_ok=True)
        self.address = socket_path(folder, str(service.tenant_id), str(service.id))

    async def up(self, *flows: str, node: str | None = None) -> None:
        """Its host describes these flows."""
        described = [{**FLOW, "name": name, "summary": name.capitalize(), "author": "Ada"} for name in flows]
        self.boot_id = new_id().hex
        facts = HostFacts(self.boot_id, 7, node or self.node, 1)
        await self.wanted.record_up(self.service, facts, {"isolation": "shared", "flows": described})

    @asynccontextmanager
    async def answering(self, *flows: str, **more: Any) -> AsyncGenerator[None]:
        """A host that answers."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            said = {
                "ping": {"op": "pong", "boot_id": "b", "pid": 7, "runs": 2, "loop_lag_s": 0.5},
                "describe": {"op": "description", "flows": [{**FLOW, **more, "name": name} for name in flows]},
            }
            while line := await reader.readline():
                writer.write(orjson.dumps(said[orjson.loads(line)["op"]]) + b"\n")
            writer.close()

        async with await asyncio.start_unix_server(serve, str(self.address)):
            yield


@pytest.fixture
async def kept(gateway: Gateway, database: Database, database_url: str) -> Kept:
    owner = await gateway.sign_up("Flows")
    house = Organisation({Role.OWNER: owner, Role.VIEWER: await gateway.hire(owner, Role.VIEWER)})
    body = {"name": "texts", "project": "/srv/texts", "import_path": "app:app"}
    assert (await house.owner.http.post("/v1/services", json=body)).is_success
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    wanted = Wanted(database, jobs, PollOnly())
    service = next(each for each in await wanted.services() if each.tenant_id == TenantId(house.id))
    await jobs.close()
    return Kept(house, wanted, service, gateway.state["settings"])


async def test_what_somebody_says_of_a_flow_is_shown_and_outlives_its_next_boot(kept: Kept):
    http = kept.house.owner.http
    await kept.up("count", "read")
    said = {"display": "Counter", "tags": ["house"], "organization": "Acme"}

    changed = (await http.patch("/v1/services/texts/flows/count", json=said)).json()
    await kept.up("count")
    agent = (await http.get("/v1/agents/texts/count")).json()
    back = (await http.patch("/v1/services/texts/flows/count", json={"display": None})).json()

    assert changed["edited"] == ["display", "tags", "organization"]
    assert (agent["summary"], agent["tags"], agent["organization"]) == ("Counter", ["house"], "Acme")
    assert agent["author"] == "Ada"
    assert (back["display"], back["edited"]) == ("Count", ["tags", "organization"])


async def test_another_name_that_is_shown_leaves_all_else_alone_and_is_on_every_page(kept: Kept, database: Database):
    http, tenant_id = kept.house.owner.http, TenantId(kept.house.id)
    await kept.up("count")
    before = (await http.patch("/v1/services/texts", json={"env": {"LEVEL": "3"}})).json()
    async with database.tenant(tenant_id) as connection:
        known = await connection.fetchrow(PROGRAM)

    after = (await http.patch("/v1/services/texts", json={"display": "Texts for all"})).json()
    stale = await http.patch("/v1/services/texts", json={"display": "x"}, headers={"if-match": before["etag"]})
    pages = [(await http.get(path)).text for path in ("/services", "/services/texts", "/agents")]

    new = {name for name in before if before[name] != after[name]}
    assert (after["display"], new) == ("Texts for all", {"display", "etag", "updated_at"})
    async with database.tenant(tenant_id) as connection:
        assert await connection.fetchrow(PROGRAM) == known
    assert stale.status_code == 412
    assert ["Texts for all" in text for text in pages] == [True] * 3


async def test_a_flow_that_is_off_is_in_no_catalogue_and_does_not_start(kept: Kept):
    http = kept.house.owner.http
    await kept.up("count", "read")
    run: dict[str, Any] = {"agent": "texts/count", "inputs": {}}
    for name, tags in (("count", ["house", "Test"]), ("read", ["Test"])):
        await http.patch(f"/v1/services/texts/flows/{name}", json={"tags": tags, "display": "\N{WHALE}" * 200})
    both = (await http.get("/v1/agents/tags")).json()
    first = (await http.get("/v1/agents?limit=2")).json()
    (second,) = (await http.get("/v1/agents", params={"limit": 2, "after": first["next"]})).json()["items"]

    off = await http.patch("/v1/services/texts/flows/count", json={"enabled": False})
    listed = [each["name"] for each in (await http.get("/v1/agents")).json()["items"]]
    tags = (await http.get("/v1/agents/tags")).json()
    refused = await http.post("/v1/runs", json=run)
    await http.patch("/v1/services/texts/flows/count", json={"enabled": True})
    started = await http.post("/v1/runs", json=run)

    assert (off.json()["enabled"], off.json()["available"]) == (False, False)
    assert "texts/count" not in listed
    assert (first["items"][1]["name"], second["name"]) == ("texts/count", "texts/read")
    assert (both, tags) == ({"tags": {"house": 1, "Test": 2}}, {"tags": {"Test": 1}})
    assert (refused.status_code, started.status_code) == (404, 202)
    flow = (await http.get("/v1/services/texts/flows")).json()["items"][0]
    assert (flow["live"], flow["finished"], flow["available"]) == (1, 0, True)


async def test_flows_are_edited_by_those_who_may_write_services(kept: Kept, acme: Organisation):
    await kept.up("count")
    path = "/v1/services/texts/flows/count"

    by_viewer = await kept.house.people[Role.VIEWER].http.patch(path, json={"display": "Mine"})
    by_others = await acme.owner.http.patch(path, json={"display": "Mine"})
    wrong = await kept.house.owner.http.patch(path, json={"display": "", "tags": ["x" * 101]})

    assert (by_viewer.status_code, by_others.status_code, wrong.status_code) == (403, 404, 422)


async def test_a_service_is_asked_how_it_is(kept: Kept):
    http = kept.house.owner.http
    await kept.up("count", "gone")

    async with kept.answering("count"):
        well = (await http.post("/v1/services/texts/health")).json()
    silent = (await http.post("/v1/services/health")).json()["items"][0]
    await kept.up("count", node="elsewhere")
    far = (await http.post("/v1/services/texts/health")).json()
    await http.patch("/v1/services/texts", json={"enabled": False})
    off = (await http.post("/v1/services/texts/health")).json()

    assert (well["answers"], well["pid"], well["runs"], well["loop_lag_s"]) == (True, 7, 2, 0.5)
    assert {each["name"]: each["state"] for each in well["flows"]} == {
        "texts/count": "alive",
        "texts/gone": "not-found",
    }
    assert (silent["answers"], {each["state"] for each in silent["flows"]}) == (False, {"dead"})
    assert (far["answers"], off["answers"]) == (None, None)
    assert "elsewhere" in far["message"]


async def test_flows_are_read_anew_from_a_host_and_stay_where_it_says_none(kept: Kept):
    http, path = kept.house.owner.http, "/v1/services/texts/discover"
    await kept.up("count")

    async with kept.answering("count", "read"):
        found = (await http.post(path)).json()
        denied = await kept.house.people[Role.VIEWER].http.post(path)
    async with kept.answering("count", path=None):
        senseless = await http.post(path)
    silent = await http.post(path)

    assert found["flows"] == ["texts/count", "texts/read"]
    assert (denied.status_code, senseless.status_code, silent.status_code) == (403, 502, 409)
    assert (await http.get("/v1/services/texts")).json()["flows"] == found["flows"]


async def test_a_service_without_a_program_is_a_draft_until_somebody_says_the_rest(kept: Kept):
    http = kept.house.owner.http

    draft = (await http.post("/v1/services", json={"name": "Draft2"})).json()
    refreshed = await http.post("/v1/services/draft2/refresh")
    half = (await http.patch("/v1/services/draft2", json={"project": "/srv/d"})).json()
    whole = (await http.patch("/v1/services/draft2", json={"import_path": "app:app"})).json()

    assert (draft["name"], draft["state"], half["state"], whole["state"]) == ("draft2", "draft", "draft", "deploying")
    assert (refreshed.status_code, draft["etag"] != half["etag"]) == (409, True)


async def test_the_page_of_a_service_edits_switches_and_asks(kept: Kept):
    await kept.up("count")
    page = kept.house.owner.http

    await page.post("/services/texts/flows/count", data={"display": "<b>Counter</b>", "tags": "a, b"})
    await page.post("/services/texts/flows/count/switch", data={"enabled": "off"})
    shown = (await page.get("/services/texts")).text
    asked = (await page.post("/services/texts/check")).text
    everything = (await page.post("/services/check")).text
    wrong = await page.post("/services", data={"name": "A B", "project": "git+ssh://x", "import_path": "app"})

    assert "&lt;b&gt;Counter&lt;/b&gt;" in shown
    assert "<b>Counter" not in shown
    assert "a, b" in shown
    assert "Switch on" in shown
    assert "Its host does not answer" in asked
    assert "Its host does not answer" in everything
    assert all(f'id="{each}-wrong"' in wrong.text for each in ("name", "project", "import_path"))


async def test_the_page_of_a_service_says_what_is_wrong_and_changes_it(kept: Kept):
    await kept.up("count")
    page = kept.house.owner.http
    await kept.wanted.record_state(kept.service, "unhealthy", "It ended. ValueError: mine\nTraceback\nValueError: mine")

    wrong = (await page.get("/services/texts")).text
    back = await page.post("/services/texts/refresh", data={"here": "1"})
    form = {"name": "letters", "project": "/srv/letters", "import_path": "app:app", "python": "2.7"}
    refused = await page.post("/services/texts/edit", data=form)
    changed = await page.post("/services/texts/edit", data={**form, "python": "", "replicas": "2"})
    await kept.wanted.record_state(replace(kept.service, replica=2), "unhealthy", "Not again.")
    await kept.up("count")
    told = (await page.get("/services/letters")).text
    stale = await page.post("/services/letters/edit", data={**form, "python": "", "etag": "old"})
    by_viewer = await kept.house.people[Role.VIEWER].http.post("/services/letters/edit", data=form)

    assert ("It does not come up" in wrong, "It ended. ValueError: mine<" in wrong) == (True, True)
    assert '<pre class="raw">Traceback\nValueError: mine</pre>' in wrong
    assert (back.status_code, back.headers["location"]) == (303, "/services/texts")
    assert (refused.status_code, "Python must be a version such as 3.12" in refused.text) == (422, True)
    assert (changed.status_code, changed.headers["location"]) == (303, "/services/letters")
    assert all(each in told for each in ("1 of 2 replicas are up", "Replica 2 of 2: Not again.", "1 of 2 processes"))
    assert (stale.status_code, "was changed since you read it" in stale.text) == (422, True)
    assert by_viewer.status_code == 403


async def test_what_a_service_printed_is_read_by_those_who_may_write_it(kept: Kept):
    http, path = kept.house.owner.http, "/v1/services/texts/log"
    await kept.up("count", node="elsewhere")
    (far,) = (await http.get(path)).json()["items"]
    await kept.up("count")
    kept.logs.mkdir(exist_ok=True)
    log = kept.logs / f"host-before-{str(kept.service.id)[-8:]}-{kept.boot_id}.log"
    log.write_bytes(b"\x1b[31mred\x1b[0m <b>\n" + b"x" * 70_000 + b"\nlast\n")

    (long, _) = (await http.get(path)).json()["items"]
    log.write_bytes(b"\x1b[31mred\x1b[0m <b>\n")
    shown = (await http.get("/services/texts/log")).text
    log.unlink()
    by_viewer = await kept.house.people[Role.VIEWER].http.get(path)

    assert (far["node"], far["text"], far["rest"]) == ("elsewhere", None, "")
    assert (long["pid"], long["text"], long["is_cut"]) == (7, "last", True)
    assert '<span class="f1">red</span> &lt;b&gt;' in shown
    assert (by_viewer.status_code, (await http.get("/v1/services/none/log")).status_code) == (403, 404)


async def test_what_a_service_prints_is_followed_line_by_line_and_a_gap_is_told(kept: Kept):
    http, path = kept.house.owner.http, "/v1/services/texts/log"
    await kept.up("count")
    kept.logs.mkdir(exist_ok=True)
    log = kept.logs / f"host-before-{str(kept.service.id)[-8:]}-{kept.boot_id}.log"

    async def read(since: str = "") -> tuple[Any, str]:
        answer = (await http.get(path, params={"since": since})).json()
        return next(each for each in answer["items"] if each["id"] == kept.boot_id), answer["cursor"]

    log.write_bytes("one\ntwó".encode()[:-1])
    first, cursor = await read()
    log.write_bytes("one\ntwó, three\n\nfour\n".encode())
    second, after = await read(cursor)
    page = (await http.get("/services/texts/log", params={"since": cursor})).text
    nothing, same = await read(after)
    log.write_bytes(log.read_bytes() + b"x" * 70_000 + b"\nlast\n")
    gap, end = await read(same)
    log.write_bytes(log.read_bytes() + b"\n")
    blank, _ = await read(end)
    blank_page = (await http.get("/services/texts/log", params={"since": end})).text
    wrong = await http.get(path, params={"since": "elsewhere:1"})
    log.unlink()

    assert (first["text"], first["rest"]) == ("one\ntw\ufffd", "tw\ufffd")
    assert (second["text"], second["rest"], second["is_cut"]) == ("twó, three\n\nfour\n", "", False)
    assert (nothing["text"], same, gap["text"], gap["is_cut"]) == ("", after, "last\n", True)
    assert (blank["text"], "<span data-piece>\n</span>" in blank_page) == ("\n", True)
    assert ("twó, three" in page, ">one" in page, "<html" in page) == (True, False, False)
    assert wrong.status_code == 422


async def test_the_command_follows_whole_lines_until_it_is_interrupted(
    kept: Kept, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await kept.up("count")
    kept.logs.mkdir(exist_ok=True)
    log = kept.logs / f"host-before-{str(kept.service.id)[-8:]}-{kept.boot_id}.log"
    log.write_text("one\nha")
    terminal = Terminal.of(gateway, kept.house.owner, monkeypatch, tmp_path, "service")
    coming = iter(["lf\n", "", "\n", "last\n"])

    def pause(_: float) -> None:
        if (text := next(coming, None)) is None:
            raise KeyboardInterrupt
        log.write_text(log.read_text() + text)

    monkeypatch.setattr(service_logs, "time", SimpleNamespace(sleep=pause))
    ran = await terminal.run("log", "texts", "--follow")
    log.unlink()

    assert (ran.code, ran.out) == (INTERRUPTED, "one\nhalf\n\nlast\n")
    assert ran.err.count("process 7") == 1
