"""Services that others run: their flows join the catalogue, requests are carried there, nothing they say is trusted."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.api.people import FAR, Gateway, Organisation
from tests.api.terminals import Terminal
from tests.core.streams import until
from tests.parts import free_ports
from windlass.core import registrations

FORM = [
    {"type": "html", "text": "<script>alert(1)</script>"},
    {"type": "text", "name": "name", "label": "Name", "required": True},
    {"type": "group", "name": "more", "elements": [{"type": "html", "text": "x"}, {"type": "text", "name": "deep"}]},
    {"type": "submit", "text": "Go"},
]
MARKED = {"summary": "Trivial", "tags": ["bench"], "x-author": "me@example.com", "x-kodosumi": True}
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/": {"get": MARKED, "post": {"x-kodosumi": False}},
        "/much/deeper": {"post": {"summary": "Deeper", "x-windlass": True, "description": 7}},
        "/plain": {"get": {"summary": "Plain"}},
        "/{which}": {"get": MARKED},
        "/none": "nothing",
    }
}
NAMED = 'attachment; filename="\N{EURO SIGN}.txt"'
HTML = {"accept": "text/html"}
REFUSED = {
    "/garbage/openapi.json": 502, "/large/openapi.json": 502, "/slow/openapi.json": 504, "/moved/openapi.json": 502,
    "/nul/openapi.json": 502, "/openapi.json?x=1": 422, "/": 422, "http://[x/openapi.json": 422,
    "/waiting/openapi.json": 504,
}  # fmt: skip
PATIENCE = {"/slow/openapi.json": "DOCUMENT_S", "/waiting/openapi.json": "READ_S"}
PAIR = ("/one", "/two")
ROOTS, LEADING_OUT = ("/-/far", "/compat/kodosumi/-/far"), ("/%2e%2e/much", "%2F@127.0.0.1:1/x")


@dataclass
class Far:
    """A service as others run it: what it answers may change."""

    url: str
    document: Any = field(default_factory=lambda: DOCUMENT)
    meeting: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        if request.url.path.removesuffix("/openapi.json") in PAIR:
            await self.meeting.wait()
        await (await self.answer(request))(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """What it says at an address."""
        match request.method, request.url.path:
            case _, "/openapi.json" | "/waiting/openapi.json" | "/one/openapi.json" | "/two/openapi.json":
                return JSONResponse(self.document)
            case "GET", "/":
                return JSONResponse({"elements": FORM})
            case _, "/large/openapi.json":
                return JSONResponse({**DOCUMENT, "info": "x" * (5 << 20)})
            case (_, "/slow/openapi.json") | (_, "/waiting/"):
                return StreamingResponse(dripping())
            case _, "/moved/openapi.json":
                return Response(status_code=307, headers={"location": "/openapi.json"})
            case _, "/nul/openapi.json":
                return Response(b'{"paths": {"/": {"get": {"x-windlass": true, "summary": "\\u0000"}}}}')
            case "POST", _:
                said = {"headers": dict(request.headers), "body": (await request.body()).decode(), "result": "far-1"}
                named = {"content-disposition": NAMED.encode().decode("latin-1")}
                return JSONResponse({**said, "path": request.url.path}, headers=named)
            case _:
                return Response("no JSON")


async def dripping() -> AsyncGenerator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.05)


@pytest.fixture
async def far() -> AsyncGenerator[Far]:
    (port,) = free_ports(1)
    service = Far(f"http://{FAR}:{port}")
    running = uvicorn.Server(
        uvicorn.Config(service, host=FAR, port=port, log_level="error", lifespan="off", loop="none")
    )
    task = asyncio.create_task(running.serve())
    await until(lambda: running.started)
    yield service
    running.should_exit = running.force_exit = True
    await task


@pytest.fixture
async def house(gateway: Gateway) -> Organisation:
    return await gateway.organisation("Registers")


async def registered(house: Organisation, far: Far) -> dict[str, Any]:
    answer = await house.owner.http.post("/v1/services", json={"name": "far", "url": f"{far.url}/openapi.json"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_its_flows_are_found_and_their_requests_carried_there(house: Organisation, far: Far, acme: Organisation):
    http = house.operator.http
    service = await registered(house, far)
    found = (await http.get("/v1/agents", params={"q": "me@example", "tag": "bench"})).json()["items"]
    agent = (await http.get("/v1/agents/far/root")).json()
    proofs = {"cookie": "a=b", "x-kodosumi_user": "root", "x-note": "\xe9"}
    request = http.build_request("POST", "/-/far/", json={"name": "Ada"}, headers=httpx.Headers(proofs, "latin-1"))
    del request.headers["accept-encoding"]
    carried = await http.send(request)
    deep = await http.post("/-/far/much/deeper?a=1", content=b"x" * (3 << 20))
    started = await http.post("/v1/runs", json={"agent": "far/root", "inputs": {"name": "Ada"}})
    out = [await http.post(f"{root}{each}") for root in ROOTS for each in LEADING_OUT]
    page = (await http.get("/agents/far/root", headers=HTML)).text

    assert (service["state"], service["flows"]) == ("running", ["far/root", "far/much.deeper"])
    assert [each["name"] for each in found] == ["far/root"]
    assert [each["type"] for each in agent["elements"]] == ["text", "group", "submit"]
    assert [each["type"] for each in agent["elements"][1]["elements"]] == ["text"]
    told = carried.json()
    assert (told["result"], told["body"], told["path"]) == ("far-1", '{"name":"Ada"}', "/")
    assert told["headers"]["x-kodosumi_user"] == str(house.operator.id)
    assert told["headers"]["host"] in far.url
    assert not {"cookie", "authorization"} & told["headers"].keys()
    assert (told["headers"]["accept-encoding"], told["headers"]["x-note"]) == ("identity", "\xe9")
    assert carried.headers["content-disposition"] == NAMED
    assert (deep.json()["path"], len(deep.json()["body"])) == ("/much/deeper", 3 << 20)
    assert (started.status_code, "runs elsewhere" in started.json()["detail"]) == (409, True)
    assert [each.status_code for each in out] == [404] * 4
    assert ("/-/far/" in page, "Start far/root" in page) == (True, False)
    assert (await acme.owner.http.get("/v1/services/far")).status_code == 404
    assert (await acme.owner.http.post("/-/far/", json={})).status_code == 404
    assert (await http.post("/v1/services", json={"name": "x", "url": f"{far.url}/openapi.json"})).status_code == 403


async def test_it_is_read_anew_and_what_it_said_stays_while_it_says_nothing(
    house: Organisation, far: Far, monkeypatch: pytest.MonkeyPatch
):
    http = house.owner.http
    await registered(house, far)
    await http.patch("/v1/services/far/flows/root", json={"display": "Ours"})

    await http.put("/v1/services/defaults", json={"replicas": 3})
    far.document = {"paths": {"/": {"get": MARKED}}}
    less = (await http.post("/v1/services/far/refresh")).json()
    far.document = {"paths": {}}
    nothing = (await http.post("/v1/services/far/discover")).json()
    health = (await http.post("/v1/services/far/health")).json()
    changed = await http.patch("/v1/services/far", json={"project": "/srv/far"})
    off = (await http.patch("/v1/services/far", json={"enabled": False})).json()
    shut = await http.post("/-/far/", json={})
    document = (await http.get("/v1/services/export")).json()
    same = (await http.post("/v1/services/import", json=document)).json()["items"]
    far.document = DOCUMENT
    again = await registered(house, far)
    await http.patch("/v1/services/far", json={"enabled": True})
    monkeypatch.setattr(registrations, "FORMS_BYTES", 100)
    await http.post("/v1/services/far/refresh")
    formless = (await http.get("/v1/agents/far/root")).json()

    assert (less["state"], less["flows"]) == ("running", ["far/root"])
    assert (nothing["state"], nothing["flows"]) == ("unhealthy", ["far/root"])
    assert "names no flow" in nothing["reason"]
    assert (health["answers"], changed.status_code, off["state"], shut.status_code) == (None, 422, "dead", 404)
    assert {each["name"]: each["outcome"] for each in same} == {"defaults": "same", "far": "same"}
    assert off["replicas"] == 1
    assert (again["state"], formless["elements"]) == ("dead", [])
    assert (await http.delete("/v1/services/far")).status_code == 204
    assert (await http.get("/v1/agents/far/root")).status_code == 404


async def test_what_is_no_description_registers_nothing(house: Organisation, far: Far, monkeypatch: pytest.MonkeyPatch):
    answers: dict[str, int] = {}
    for address in REFUSED:
        url = f"{far.url}{address}" if address.startswith("/") else address
        with monkeypatch.context() as impatient:
            if address in PATIENCE:
                impatient.setattr(registrations, PATIENCE[address], 0.3)
            refused = await house.owner.http.post("/v1/services", json={"name": "far", "url": url})
        answers[address] = refused.status_code

    assert answers == REFUSED
    assert (await house.owner.http.get("/v1/services")).json()["items"] == []


async def test_several_are_read_side_by_side_in_the_time_of_one(
    house: Organisation, far: Far, monkeypatch: pytest.MonkeyPatch
):
    http, old = house.owner.http, "/compat/kodosumi/flow/register"
    silent, pair = [{"url": [f"{far.url}{each}/openapi.json" for each in two]} for two in (("/waiting", ""), PAIR)]

    with monkeypatch.context() as alone:
        alone.setattr(registrations, "AT_ONCE", 1)
        alone.setattr(registrations, "READ_S", 0.3)
        refused = await http.post(old, json=silent)
    none = (await http.get("/v1/services")).json()["items"]
    met = await http.post(old, json=pair)  # neither says anything before the other one is asked
    anew = await http.put(old)

    assert (refused.status_code, none) == (504, [])
    assert "/waiting/openapi.json did not show all" in refused.json()["detail"]
    assert (met.status_code, len(met.json()), anew.json()["total"]) == (201, 4, 4)
    assert {each["state"] for each in (await http.get("/v1/services")).json()["items"]} == {"running"}


async def test_no_page_offers_to_start_what_others_run_and_each_leads_to_where_it_is(house: Organisation, far: Far):
    http = house.operator.http
    await registered(house, far)
    task = {"name": "far away", "agent": "far/root", "inputs": {"name": "Ada"}}

    shown = {page: (await http.get(page, headers=HTML)).text for page in ("/", "/agents", "/start", "/find?q=far")}
    tasks = (await http.get("/tasks/new", headers=HTML)).text
    led = [await http.get(f"{page}?agent=far/root", headers=HTML) for page in ("/start", "/tasks/new")]
    posted = await http.post("/start", data={"agent": "far/root", "p-name": "Ada"}, headers=HTML)
    old = await http.get("/compat/kodosumi/inputs/-/far", headers=HTML)
    saved = await http.post("/v1/tasks", json=task)

    assert [page for page, text in shown.items() if "start?agent=far" in text] == []
    assert [page for page, text in shown.items() if 'href="/agents/far/root"' not in text] == []
    assert ("far/root" in tasks, "agent=claude" in tasks) == (False, True)
    assert {each.headers["location"] for each in (*led, posted, old)} == {"/agents/far/root"}
    assert (saved.status_code, "POST its inputs to /-/far/" in saved.json()["detail"]) == (409, True)
    assert (await http.get("/v1/agents/far/root")).json()["address"] == "/-/far/"


async def test_no_address_inside_is_reached_and_nothing_is_half_a_service(house: Organisation):
    http = house.owner.http
    inner = await http.post("/v1/services", json={"name": "far", "url": "http://127.0.0.1:1/openapi.json"})
    both = {"name": "far", "url": "https://agents.example.com/openapi.json", "project": "/srv/far"}

    assert (inner.status_code, inner.json()["errors"][0]["field"]) == (422, "url")
    assert (await http.post("/v1/services", json=both)).status_code == 422
    assert (await http.get("/v1/services")).json()["items"] == []


async def test_the_panels_clients_the_command_line_and_the_page_do_the_same(
    gateway: Gateway, house: Organisation, far: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    http, url, old = house.owner.http, f"{far.url}/openapi.json", "/compat/kodosumi/flow"
    listed = await http.post(f"{old}/register", json={"url": url})
    refused = await http.post(f"{old}/register", json={"url": "http://[x/openapi.json"})
    refreshed = await http.put(f"{old}/register")
    answered = await http.post(f"/compat/kodosumi{listed.json()[0]['url']}", json={"name": "Ada"})
    gone = [await http.post(f"{old}/unregister", json={"url": [url]}) for _ in range(2)]
    terminal = Terminal.of(gateway, house.owner, monkeypatch, tmp_path / "config", "flow")
    said = await terminal.say("register", "far", url)
    page = (await http.get("/services", headers=HTML)).text
    removed = await terminal.say("unregister", "far")
    posted = await http.post("/services/register", data={"far_name": "page", "url": url}, headers=HTML)
    wrong = await http.post("/services/register", data={"far_name": "page2", "url": "nowhere"}, headers=HTML)

    assert [each["summary"] for each in listed.json()] == ["Deeper", "Trivial"]
    assert (refreshed.json()["total"], answered.json()["result"]) == (2, "far-1")
    assert [each.status_code for each in (refused, *gone)] == [422, 200, 404]
    assert ("its flows: far/root, far/much.deeper" in said, url in page, "out of the catalogue" in removed) == (
        True,
        True,
        True,
    )
    assert (posted.status_code, wrong.status_code) == (303, 422)
    assert [each["name"] for each in (await http.get("/v1/services")).json()["items"]] == ["page"]
