"""Desktops over HTTP: what is asked, what is answered, and what may not be."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.api.machines import on_paper
from tests.api.people import Gateway, Organisation, Person
from windlass.contracts.desktops import BYTES, script_bytes, script_text
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import Database
from windlass.core.screenshots import Look

MIB = 1 << 20


@pytest.fixture(autouse=True)
async def machine(gateway: Gateway) -> None:
    await on_paper(gateway.state["database"])


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def made(person: Person, **wish: Any) -> dict[str, Any]:
    answer = await person.http.post("/v1/desktops", json=wish)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_desktop_is_made_read_and_deleted(ada: Person):
    desktop = await made(ada, name="research")

    assert (desktop["status"], desktop["width"], desktop["height"]) == ("starting", 1280, 800)
    assert (await ada.http.get(f"/v1/desktops/{desktop['id']}")).json()["name"] == "research"
    assert [each["id"] for each in (await ada.http.get("/v1/desktops")).json()["items"]] == [desktop["id"]]
    events = (await ada.http.get(f"/v1/desktops/{desktop['id']}/events")).json()["items"]
    assert [event["payload"] for event in events] == [{"status": "starting"}]
    assert (await ada.http.delete(f"/v1/desktops/{desktop['id']}")).status_code == 202
    assert (await ada.http.get(f"/v1/desktops/{desktop['id']}")).status_code == 404


async def test_the_fourth_is_refused_with_the_limit_named(ada: Person):
    for _ in range(3):
        await made(ada)

    answer = await ada.http.post("/v1/desktops")

    assert (answer.status_code, "3 is the limit" in answer.json()["detail"]) == (409, True)


async def test_the_pages_show_it_before_anybody_has_looked(ada: Person):
    desktop = await made(ada, name="research")

    for page in ("/desktops", f"/desktops/{desktop['id']}"):
        answer = await ada.http.get(page)
        assert (answer.status_code, "1280" in answer.text) == (200, True)


async def test_the_same_key_makes_one(ada: Person):
    key = {"idempotency-key": str(new_id())}

    answers = [await ada.http.post("/v1/desktops", json={}, headers=key) for _ in range(2)]

    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert len((await ada.http.get("/v1/desktops")).json()["items"]) == 1


@pytest.mark.parametrize(
    "wish",
    [{"image": "debian"}, {"name": ""}, {"name": "x" * 64}, {"name": "../etc"}, {"template": "root"}, {"name": 1}],
)
async def test_nobody_chooses_more_than_a_name_and_a_template(ada: Person, wish: dict[str, Any]):
    assert (await ada.http.post("/v1/desktops", json=wish)).status_code == 422


async def test_what_cannot_be_done_in_its_state_is_a_conflict(ada: Person):
    desktop = await made(ada)

    answers = [await ada.http.post(f"/v1/desktops/{desktop['id']}/{deed}") for deed in ("pause", "resume")]

    assert [answer.status_code for answer in answers] == [409, 409]


async def test_a_colleague_without_read_all_does_not_see_it(acme: Organisation):
    desktop = await made(acme.builder)

    assert (await acme.operator.http.get(f"/v1/desktops/{desktop['id']}")).status_code == 404
    assert (await acme.viewer.http.get(f"/v1/desktops/{desktop['id']}")).status_code == 200
    assert (await acme.owner.http.delete(f"/v1/desktops/{desktop['id']}")).status_code == 404
    await acme.builder.http.delete(f"/v1/desktops/{desktop['id']}")


async def test_readiness_says_that_no_machine_has_a_hole_in_its_wall(gateway: Gateway):
    async def found() -> tuple[str, str]:
        parts = (await (await gateway.browser()).get("/ready")).json()["parts"]
        return next((part["status"], part["detail"]) for part in parts if part["name"] == "desktops")

    async with gateway.state["database"].open() as connection:
        well = await found()
        await connection.execute("update desktop_machine set engine = 'Docker 1, no firewall (not root)'")
        open_wall = await found()
        await connection.execute("update desktop_machine set engine = '', problem = 'no container engine: …'")
        missing = await found()
        await connection.execute("update desktop_machine set engine = 'Docker 1', problem = null")

    assert well == ("pass", "Docker 1")
    assert open_wall == ("warn", "paper: Docker 1, no firewall (not root)")
    assert missing == ("warn", "paper: no container engine: …")


async def test_a_desktop_nobody_has_looked_at_has_no_screenshot(ada: Person):
    desktop = await made(ada)

    plain = await ada.http.get(f"/v1/desktops/{desktop['id']}/screenshot")
    fresh = await ada.http.get(f"/v1/desktops/{desktop['id']}/screenshot?fresh=true")

    assert (plain.status_code, "Start it" in plain.json()["detail"]) == (409, True)
    assert (fresh.status_code, "a task of your own" in fresh.json()["detail"]) == (409, True)


async def test_the_last_screenshot_is_answered_with_its_age_and_served_to_whoever_may_see_the_desktop(
    gateway: Gateway, acme: Organisation
):
    desktop = await made(acme.builder)
    engine, tenant_id, desktop_id = gateway.state["engine"], TenantId(acme.id), UUID(desktop["id"])
    begun = await engine.screenshots.begin(tenant_id, desktop_id, Look("a" * 64, 1280, 800))
    assert begun is not None
    await engine.objects.put(begun.key, b"RIFF")
    await engine.screenshots.finish(tenant_id, desktop_id, begun.id, 4)
    async with gateway.state["database"].tenant(tenant_id) as connection:
        await connection.execute("update desktop set status = 'offline' where id = $1", desktop_id)

    answer = (await acme.builder.http.get(f"/v1/desktops/{desktop['id']}/screenshot")).json()
    path = answer["url"].removeprefix(gateway.state["settings"].url)
    found, denied = await acme.builder.http.get(path), await acme.operator.http.get(path)

    pages = [(await acme.builder.http.get(page)).text for page in ("/desktops", f"/desktops/{desktop['id']}")]

    assert all(f'src="{path}"' in page and "ago</span>" in page for page in pages)
    assert answer.keys() == {"url", "taken_at", "age_s", "width", "height"}
    assert answer["age_s"] < 60
    assert (found.content, found.headers["content-type"]) == (b"RIFF", "image/webp")
    assert denied.status_code == 404
    await acme.builder.http.delete(f"/v1/desktops/{desktop['id']}")
    assert (await acme.builder.http.get(path)).status_code == 404


async def test_the_page_shows_what_a_model_did_and_how_the_screen_looked_after_it(gateway: Gateway, ada: Person):
    desktop = await made(ada)
    work = {"prompt": "Look.", "title": "Looking"}
    run = (await ada.http.post(f"/v1/desktops/{desktop['id']}/tasks", json=work)).json()
    call = {"id": "a", "name": "computer", "input": {"action": "left_click", "coordinate": [3, 4]}, "turn": 1}
    came = {"id": "a", "name": "computer", "outcome": "unknown", "text": "", "screenshot": "s"}
    also = {"id": "b", "name": "bash", "input": {"command": "make\nall"}, "turn": 1}
    events = [(EventKind.TOOL_CALL, call), (EventKind.TOOL_RESULT, came), (EventKind.TOOL_CALL, also)]
    said = [NewEvent(kind, payload, "hands", place) for place, (kind, payload) in enumerate(events, 1)]
    await gateway.state["engine"].events.append(TenantId(ada.tenant_id), UUID(run["id"]), said)

    page = (await ada.http.get(f"/desktops/{desktop['id']}")).text

    assert all(text in page for text in ("Looking", "left click at 3, 4", "unknown", "bash: make", "at work"))
    assert f"/v1/desktops/{desktop['id']}/screenshots/s" in page


@pytest.mark.parametrize(
    "work", [{}, {"script": "id", "prompt": "id"}, {"prompt": ""}, {"prompt": "x", "max_actions": 0}]
)
async def test_a_task_is_a_script_or_a_prompt_within_limits(ada: Person, work: dict[str, Any]):
    desktop = await made(ada)

    assert (await ada.http.post(f"/v1/desktops/{desktop['id']}/tasks", json=work)).status_code == 422


async def test_a_script_has_a_mebibyte_however_it_is_written_down(ada: Person):
    desktop = await made(ada)
    paths = [(202, f"/v1/desktops/{desktop['id']}/tasks"), (201, f"/compat/desktops/v1/workers/{desktop['id']}/tasks")]
    most = "\n" * (MIB - 1)

    taken = [(await ada.http.post(path, json={"script": f"{most}x"})).status_code for _, path in paths]
    form = {"task": f"x{most}", "kind": "script"}
    taken.append((await ada.http.post(f"/desktops/{desktop['id']}/tasks", data=form)).status_code)
    refused = [await ada.http.post(path, json={"script": f"{most}é"}) for _, path in paths]
    refused.append(await ada.http.post(paths[0][1], json={"script": "x" * 5 * MIB}))

    assert taken == [202, 201, 303]
    assert [answer.status_code for answer in refused] == [422, 422, 413]
    assert {"A script has at most 1 MiB; nothing was queued." in answer.text for answer in refused} == {True}
    assert refused[0].json()["errors"][0]["field"] == "script"
    assert len((await ada.http.get(f"/v1/desktops/{desktop['id']}/tasks")).json()["items"]) == 3


async def test_a_script_that_is_no_text_is_queued_as_it_is_and_what_only_says_so_is_not(ada: Person):
    desktop = await made(ada)
    script = b"echo '\xff\0\r\n'"

    path = f"/v1/desktops/{desktop['id']}/tasks"
    taken = await ada.http.post(path, json={"script": script_text(script)})
    refused = await ada.http.post(path, json={"script": BYTES + "no base64 at all!"})

    assert script_bytes(taken.json()["inputs"]["script"]) == script
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "script")
    assert "echo &#39;\N{REPLACEMENT CHARACTER}" in (await ada.http.get(f"/desktops/{desktop['id']}")).text


@pytest.mark.parametrize(
    "script", [b"", b"echo \xc3\xa9\r\n", b"\xff", b"a\0b", BYTES.encode() + b"eA==", "echo \ufeff".encode()]
)
def test_a_script_is_what_it_was_however_it_is_written_down(script: bytes):
    assert script_bytes(script_text(script)) == script


async def test_the_command_line_says_what_was_asked_for_and_gives_scripts_byte_by_byte(
    gateway: Gateway, ada: Person, tmp_path: Path
):
    desktop = await made(ada, name="research")
    database: Database = gateway.state["database"]
    async with database.tenant(TenantId(ada.tenant_id)) as connection:
        await connection.execute("update desktop set status = 'idle', heard = revision where id = $1", desktop["id"])
    script = b"echo '\xff\r\n'\r\n"
    (tmp_path / "script").write_bytes(script)
    variables = {"WINDLASS_URL": gateway.url, "WINDLASS_API_KEY": ada.token, "WINDLASS_CONFIG": str(tmp_path)}

    async def windlass(*words: str) -> str:
        command = (sys.executable, "-m", "windlass.cli", "desktop", *words)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **variables}, stdin=pipe, stdout=pipe, stderr=pipe
        )
        said, complained = await process.communicate(script)
        assert process.returncode == 0, complained.decode()
        return said.decode()

    given = [
        json.loads(await windlass("task", "research", where, "--json")) for where in (str(tmp_path / "script"), "-")
    ]
    paused = await windlass("pause", "research")

    assert [script_bytes(run["inputs"]["script"]) for run in given] == [script, script]
    assert paused == "research is being paused. Look: windlass desktop show research\n"


@pytest.mark.parametrize("work", [{}, {"script": "id", "prompt": "id"}])
async def test_work_that_is_none_starts_no_desktop(gateway: Gateway, ada: Person, work: dict[str, Any]):
    desktop = await made(ada)
    database: Database = gateway.state["database"]
    async with database.tenant(TenantId(ada.tenant_id)) as connection:
        await connection.execute(
            "update desktop set status = 'offline', wish = 'off' where id = $1", UUID(desktop["id"])
        )

    answer = await ada.http.post(f"/v1/desktops/{desktop['id']}/tasks", json=work)

    assert answer.status_code == 422
    async with database.tenant(TenantId(ada.tenant_id)) as connection:
        wish = await connection.fetchval("select wish from desktop where id = $1", UUID(desktop["id"]))
    assert wish == "off"
