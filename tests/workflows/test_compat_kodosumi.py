"""A client of Kodosumi, of which nothing but the base URL was changed, through a real gateway and a real host."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import orjson
import pytest
import yaml

from api.authentication import OLD_CLIENTS
from api.routes.compat.kodosumi.words import STATUSES
from stack.temporal import Server
from tests.api.people import PASSWORD, Gateway, Person, running_gateway
from tests.parts import free_ports, short_folder
from tests.workflows.engines import PROGRAMS, running_engine, settings_of, until
from windlass.contracts.runs import RunStatus

BOOTSTRAP = yaml.safe_dump({"import_path": "ported:app", "runtime_env": {"working_dir": str(PROGRAMS)}})
FORM = [
    {"type": "markdown", "text": "# hello world"},
    {"type": "boolean", "name": "continue", "label": "Continue", "value": False, "option": "CONTINUE"},
    {"type": "submit", "text": "yes"},
    {"type": "cancel", "text": "no"},
]


@pytest.fixture(scope="module")
async def gateway(database_url: str, temporal: Server) -> AsyncGenerator[Gateway]:
    """A gateway, with everything behind it."""
    (port,) = free_ports(1)
    with short_folder() as folder:
        more = {"port": port, "signup": "open"}
        settings = settings_of(folder, database_url, temporal).model_copy(update=more)
        async with running_engine(settings), running_gateway(settings) as running:
            yield running


@pytest.fixture(scope="module")
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


@pytest.fixture(scope="module")
async def panel(gateway: Gateway, ada: Person) -> httpx.AsyncClient:
    """What such a client does first: sign in by a form, keep the cookie, expose its service."""
    http = await gateway.browser()
    http.base_url = f"{gateway.url}{OLD_CLIENTS}"
    assert (await http.post("/login", data={"name": ada.email, "password": PASSWORD})).status_code == 200
    exposed = await http.post("/expose", json={"name": "bench", "bootstrap": BOOTSTRAP})
    assert exposed.status_code == 201, exposed.text

    async def is_up() -> bool:
        return (await http.get("/expose/bench")).json()["state"] == "RUNNING"

    await until(is_up)
    return http


async def launched(panel: httpx.AsyncClient, url: str = "/-/bench", **inputs: Any) -> str:
    """A run, by the answer to its form."""
    answer = await panel.post(url, json=inputs)
    assert answer.status_code == 200, answer.text
    assert answer.headers["kodosumi_launch"] == answer.json()["result"]
    return answer.json()["result"]


async def status_of(panel: httpx.AsyncClient, fid: str, wanted: str) -> dict[str, Any]:
    """How a run is, once it is that."""

    async def has_come() -> bool:
        return (await panel.get(f"/outputs/status/{fid}")).json()["status"] == wanted

    await until(has_come)
    return (await panel.get(f"/outputs/status/{fid}")).json()


async def told(panel: httpx.AsyncClient, view: str, fid: str) -> list[tuple[str, str]]:
    """The frames of a stream, to its end: kind and payload."""
    async with asyncio.timeout(60), panel.stream("GET", f"/outputs/{view}/{fid}") as answer:
        text = (await answer.aread()).decode()
    frames: list[tuple[str, str]] = []
    for block in text.split("\n\n"):
        lines = [(line.partition(": ")[0], line.partition(": ")[2]) for line in block.splitlines()]
        known = dict(lines)
        if {"id", "event", "data"} <= known.keys():
            kind, payload = known["event"], "\n".join(value for name, value in lines if name == "data")
            frames.append((kind, payload if kind == "eof" else payload.partition(":")[2]))
    return [frame for frame in frames if frame[0] != "alive"]


async def test_a_flow_is_found_by_its_words_and_shows_its_form(panel: httpx.AsyncClient):
    (flow,) = (await panel.get("/flow", params={"q": "org"})).json()["items"]
    form = (await panel.get(flow["url"])).json()
    twice = (await panel.get("/-/bench/bench")).json()  # as Kodosumi repeats the name

    assert (flow["url"], flow["summary"], flow["author"]) == ("/-/bench", "Locker", "me@example.com")
    assert [each["type"] for each in form["elements"]] == ["errors", "text", "boolean", "file", "submit", "cancel"]
    assert form["openapi_extra"]["x-kodosumi"] is True
    assert twice == form
    assert (await panel.get("/flow", params={"q": "nothing"})).json() == {"items": [], "offset": None}
    assert (await panel.get("/flow/tags")).json() == {"Test": 1}
    assert (await panel.get("/flow/register")).json() == {"routes": ["bench"]}
    assert (await panel.get("/-/bench/other")).status_code == 404
    assert (await panel.get("/-/bench/plain?word=tea")).json() == {"word": "tea", "below": f"{OLD_CLIENTS}-/bench"}


async def test_inputs_that_cannot_be_used_are_named_by_field_in_a_200_and_start_nothing(panel: httpx.AsyncClient):
    empty, bad = await panel.post("/-/bench", json={}), await panel.post("/-/bench", json={"name": "bad"})
    page = await panel.post("/inputs/-/bench", data={"name": "bad", "active": "off"})
    cancelled = await panel.post("/inputs/-/bench", data={"name": "Ada", "__cancel__": "__cancel__"})
    in_parts = await panel.post("/inputs/-/bench", data={"name": "Ada"}, files={"notes": b"x"})

    assert (empty.status_code, empty.json()["errors"]) == (200, {"_global_": [], "name": ["is required"]})
    assert bad.json()["errors"] == {"_global_": ["global message"], "name": ["name must not be bad"]}
    assert (page.status_code, "name must not be bad" in page.text, 'value="bad"' in page.text) == (422, True, True)
    assert (cancelled.headers["location"], in_parts.status_code) == ("/", 400)
    assert (await panel.get("/timeline/list")).json()["items"] == []


async def test_a_run_asks_is_answered_and_told_in_the_old_words(panel: httpx.AsyncClient):
    fid = await launched(panel, name="Ada")
    waiting = await status_of(panel, fid, "awaiting")
    (lid,) = waiting["locks"]
    lock = await panel.get(f"/lock/{fid}/{lid}")
    refused = await panel.post(f"/lock/{fid}/{lid}", json={"continue": "perhaps"})
    leased = await panel.post(f"/lock/{fid}/{lid}", json={"name": "Test User", "active": "off"})
    again = await panel.post(f"/lock/{fid}/{lid}", json={})
    over = await status_of(panel, fid, "finished")
    everything, main, stdio = [await told(panel, view, fid) for view in ("stream", "main", "stdio")]

    result = {"phase": "lease-1", "inputs": {"name": "Test User", "active": "off", "continue": False}}
    assert lock.json() == FORM
    assert (refused.status_code, refused.json()["errors"]["continue"]) == (200, ["must be on or off"])
    assert (leased.status_code, leased.json()["result"], again.status_code) == (200, result, 409)
    assert (orjson.loads(over["final"]), over["locks"]) == ({"dict": {"lock-result": result}}, [])
    assert (over["author"], over["version"], over["fid"]) == ("me@example.com", "1.2.3", fid)
    words = [payload for kind, payload in everything if kind == "status"]
    assert words == ["starting", "running", "awaiting", "running", "finished"]
    said = dict(everything)
    assert orjson.loads(said["lock"])["dict"] | {"expires": 0} == {
        "name": "lock-1", "lid": lid, "data": {"hello": "Ada"}, "expires": 0,
    }  # fmt: skip
    assert orjson.loads(said["lease"]) == {"dict": {"name": "lock-1", "lid": lid, "result": result}}
    assert orjson.loads(said["meta"])["dict"]["fid"] == fid
    assert (said["debug"], said["stdout"]) == ("this is a debug message\nin two lines", "this is stdout")
    assert everything[-2:] == [("status", "finished"), ("eof", "end of stream")]
    assert {kind for kind, _ in main} == {"meta", "inputs", "status", "lock", "lease", "final", "eof"}
    assert [kind for kind, _ in stdio] == ["debug", "stdout", "eof"]
    assert (await panel.get(f"/outputs/raw/{fid}")).json() == {"dict": {"lock-result": result}}


async def uploaded(panel: httpx.AsyncClient, **contents: bytes) -> dict[str, Any]:
    """A batch as a form's page sends it, and what it then writes into the field; one file was chosen and left."""
    batch = (await panel.post("/files/init_batch")).json()["batch_id"]
    items: dict[str, Any] = {}
    for name, content in {**contents, "left": b"x"}.items():
        new = {"filename": f"notes/{name}", "total_chunks": 1, "batch_id": batch}
        upload_id = (await panel.post("/files/init", json=new)).json()["upload_id"]
        form = {"upload_id": upload_id, "chunk_number": "0"}
        told = await panel.post("/files/chunk", data=form, files={"chunk": ("chunk_0", content)})
        assert told.json() == {"status": "chunk received", "chunk_number": 0, "received_chunks": 1}
        items[upload_id] = {"filename": f"notes/{name}", "totalChunks": 1}
    items.popitem()
    return {"batchId": batch, "name": "notes", "items": items}


async def test_files_the_timeline_and_the_end_of_a_run(panel: httpx.AsyncClient):
    batch = await uploaded(panel, a=b"tea", b=b"milk")
    half = {
        "batchId": batch["batchId"],
        "items": {next(iter(batch["items"])): {"filename": "notes/a", "totalChunks": 2}},
    }
    early = (await panel.post("/-/bench", json={"name": "Bea", "notes": orjson.dumps(half).decode()})).json()
    fid = await launched(panel, name="Bea", notes=orjson.dumps(batch).decode())
    done = await panel.post(f"/files/complete/{fid}/{batch['batchId']}/in", json=batch["items"])
    late = await panel.post(f"/files/complete/{fid}/{batch['batchId']}/out", json=batch["items"])
    (lid,) = (await status_of(panel, fid, "awaiting"))["locks"]
    (item,) = (await panel.get("/timeline/list", params={"pp": 1})).json()["items"]
    wrong, away, right = [
        await panel.post(f"/inputs/lock/{fid}/{lid}", data=sent)
        for sent in ({"continue": "perhaps"}, {"__cancel__": "__cancel__"}, {"continue": "on", "more": "tea"})
    ]
    over = await status_of(panel, fid, "finished")
    (file,), taken = (await panel.get(f"/files/{fid}/out")).json(), (await panel.get(f"/files/{fid}/in")).json()
    content = await panel.get(f"/files/{fid}/{file['path']}")
    removed = [(await panel.delete(f"/outputs/{fid}")).status_code for _ in range(2)]

    assert (item["fid"], item["status"], item["locks"]) == (fid, "awaiting", [lid])
    names = ["notes/a", "notes/b"]
    assert item["inputs"] == {"dict": {"name": "Bea", "active": False, "notes": names}}
    assert [(each["path"], each["size"]) for each in taken] == [("in/notes/a", 3), ("in/notes/b", 4)]
    assert early["errors"]["notes"] == ["Not all chunks uploaded"]
    assert [(each["completion_id"], each["final_file"]) for each in done.json()] == [(fid, each) for each in names]
    assert all("takes files when it is launched" in each["error"] for each in late.json())
    assert (file["path"], file["size"], content.text) == ("out/report.txt", 9, "well done")
    assert removed == [204, 404]
    assert (wrong.status_code, "must be on or off" in wrong.text) == (422, True)
    assert [each.headers["location"] for each in (away, right)] == [f"/runs/{fid}"] * 2
    assert orjson.loads(over["final"])["dict"]["lock-result"]["inputs"] == {"continue": True, "more": "tea"}


async def test_a_run_that_is_deleted_while_it_lives_is_ended(panel: httpx.AsyncClient):
    sent = await panel.post("/inputs/-/bench", data={"name": "Cleo", "active": "off"})
    fid = sent.headers["location"].removeprefix("/runs/")
    await status_of(panel, fid, "awaiting")

    assert (await panel.request("DELETE", "/outputs", json={"fid": [fid]})).status_code == 204
    over = await status_of(panel, fid, "error")

    assert "Text" in orjson.loads(over["final"])
    assert (await told(panel, "main", fid))[-2:] == [("status", "error"), ("eof", "end of stream")]


async def test_an_expose_is_changed_by_what_it_showed_and_a_stale_one_is_refused(panel: httpx.AsyncClient):
    shown = (await panel.get("/expose/bench")).json()
    sent = {name: shown[name] for name in ("name", "enabled", "bootstrap", "meta", "etag")}
    more = yaml.safe_load(shown["bootstrap"])
    more["runtime_env"]["env_vars"] = {"WORD": "tea"}

    same = await panel.post("/expose", json=sent)
    sent |= {"name": "other", "etag": None}
    foreign = await panel.post("/expose", json={**sent, "bootstrap": yaml.dump(more)})
    two = yaml.dump({**more, "deployments": [{"name": "other", "num_replicas": 2}]})
    other = await panel.post("/expose", json={**sent, "meta": None, "enabled": False, "bootstrap": two})
    words = await panel.post("/expose", json=sent)
    changed = await panel.post("/expose", json={**sent, "meta": None, "bootstrap": yaml.dump(more)})
    stale = await panel.post("/expose", json={**sent, "meta": None, "etag": other.json()["etag"]})
    pip = yaml.dump({**more, "runtime_env": {**more["runtime_env"], "pip": []}})
    unknown = await panel.post("/expose", json={**sent, "bootstrap": pip})

    assert (same.status_code, same.json()["etag"]) == (201, shown["etag"])
    assert (shown["flow_stats"], shown["stale"], other.json()["state"]) == ("1/1", False, "DEAD")
    assert (foreign.status_code, words.status_code) == (422, 422)  # it has no flows of which anything could be said
    assert yaml.safe_load(changed.json()["bootstrap"])["runtime_env"]["env_vars"] == {"WORD": None}
    assert (stale.status_code, unknown.status_code) == (412, 422)
    assert "bootstrap.runtime_env.pip" in unknown.text
    kept, back = (yaml.safe_load(each.json()["bootstrap"]).get("deployments") for each in (other, changed))
    assert (kept, back) == ([{"name": "other", "num_replicas": 2}], None)
    assert (await panel.post("/expose/bench/health")).json()["results"][0]["alive_count"] == 1
    assert (await panel.delete("/expose/other")).status_code == 204


async def test_what_is_said_of_a_flow_is_kept_and_one_that_is_off_is_in_no_list(panel: httpx.AsyncClient):
    shown = (await panel.get("/expose/bench")).json()
    sent = {name: shown[name] for name in ("name", "enabled", "bootstrap")}
    (flow,) = shown["meta"]
    said = yaml.dump({"display": "Ours", "tags": ["house"], "author": {"name": "Bea"}})

    edited = await panel.post("/expose", json={**sent, "meta": [{**flow, "data": said, "enabled": False}]})
    listed = (await panel.get("/flow")).json()["items"]
    wrong = await panel.post("/expose", json={**sent, "meta": [{**flow, "data": "image: x"}]})
    back = await panel.post("/expose", json={**sent, "meta": [{**flow, "data": None, "enabled": True}]})

    data = yaml.safe_load(edited.json()["meta"][0]["data"])
    assert (data["display"], data["tags"], data["author"]["name"]) == ("Ours", ["house"], "Bea")
    assert (edited.json()["meta"][0]["enabled"], listed) == (False, [])
    assert (wrong.status_code, back.json()["meta"][0]["enabled"]) == (422, True)


async def test_the_key_opens_the_paths_and_the_cookie_opens_them_to_no_page(gateway: Gateway, ada: Person):
    http = await gateway.browser()
    http.base_url = f"{gateway.url}{OLD_CLIENTS}"
    signed_in = await http.post("/api/login", json={"name": ada.email, "password": PASSWORD})
    key = signed_in.json()["KODOSUMI_API_KEY"]
    by_cookie = await http.get("/role/profile")
    by_page = await http.get("/role/profile", headers={"sec-fetch-site": "same-origin"})
    elsewhere = await http.get(f"{gateway.url}/v1/me", headers={"KODOSUMI_API_KEY": key})
    http.cookies.clear()
    by_key = await http.get("/role/profile", headers={"KODOSUMI_API_KEY": key})

    assert (by_cookie.json()["email"], by_key.json()) == (ada.email, by_cookie.json())
    assert (by_page.status_code, elsewhere.status_code) == (401, 401)
    assert "samesite=strict" in signed_in.headers["set-cookie"].lower()


def test_every_status_of_a_run_has_its_old_word():
    assert set(STATUSES) == set(RunStatus)
