"""The paths of the worker factory that desktops replace, as its clients use them."""

import base64
from typing import Any
from uuid import UUID

import pytest

from api.routes.compat.desktops import TASKS, WORKERS
from tests.api.machines import on_paper
from tests.api.people import PASSWORD, Gateway, Organisation, Person, some_email
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.runs import RunStatus
from windlass.core.executions import Executions
from windlass.core.screenshots import Look
from windlass.core.wakeup import PollOnly

ROOT = "/compat/desktops/v1"
SCRIPT = "echo häm; exit 3"


@pytest.fixture(autouse=True)
async def machine(gateway: Gateway) -> None:
    await on_paper(gateway.state["database"])


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def made(person: Person, path: str, **body: Any) -> dict[str, Any]:
    """What a POST makes."""
    answer = await person.http.post(f"{ROOT}{path}", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def got(person: Person, path: str) -> Any:
    """What a GET answers."""
    answer = await person.http.get(f"{ROOT}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(producer: str, told: list[tuple[EventKind, dict[str, Any]]]) -> list[NewEvent]:
    """What a worker writes."""
    return [NewEvent(kind, said, producer, n) for n, (kind, said) in enumerate(told, 1)]


async def test_somebody_registers_signs_in_renews_and_changes_their_name(gateway: Gateway):
    browser, email = await gateway.browser(), some_email()

    async def posted(path: str, **body: str) -> Any:
        answer = await browser.post(f"{ROOT}/user/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    await posted("register", email=email, password=PASSWORD)
    first = await posted("login", email=email, password=PASSWORD)
    second = await posted("refresh", refresh_token=first["refresh_token"])
    browser.headers["authorization"] = f"Bearer {second['access_token']}"
    before = (await browser.get(f"{ROOT}/user/profile")).json()
    after = (await browser.patch(f"{ROOT}/user/profile", json={"name": "Ada"})).json()

    assert (first["token_type"], first["expires_in"]) == ("bearer", 7200)
    assert (before["email"], before["name"]) == (email, email.partition("@")[0])
    assert after == before | {"name": "Ada"}
    assert (await browser.get(f"{ROOT}/user/profile")).json() == after


async def test_a_wrong_password_and_no_token_are_refused(gateway: Gateway, ada: Person):
    browser = await gateway.browser()

    wrong = await browser.post(f"{ROOT}/user/login", json={"email": ada.email, "password": "not this one"})
    nobody = [await browser.get(f"{ROOT}/{path}") for path in ("user/profile", "workers", "tasks")]

    assert [wrong.status_code, *(answer.status_code for answer in nobody)] == [401, 401, 401, 401]
    assert (await browser.get(f"{ROOT}/health")).json() == {"status": "ok"}


async def test_a_worker_is_a_desktop(ada: Person):
    worker = await made(ada, "/workers", name="research")

    assert (worker["name"], worker["status"]) == ("research", "STARTING")
    assert await got(ada, "/workers") == [worker]
    assert await got(ada, f"/workers/{worker['id']}") == worker
    assert (await ada.http.get(f"/v1/desktops/{worker['id']}")).json()["name"] == "research"
    assert (await ada.http.delete(f"{ROOT}/workers/{worker['id']}")).status_code == 204
    assert (await ada.http.get(f"{ROOT}/workers/{worker['id']}")).status_code == 404


@pytest.mark.parametrize(
    "body", [{"script": SCRIPT}, {"script": base64.b64encode(SCRIPT.encode()).decode(), "encoding": "base64"}]
)
async def test_a_script_comes_as_text_or_as_base64(ada: Person, body: dict[str, str]):
    worker = await made(ada, "/workers")

    task = await made(ada, f"/workers/{worker['id']}/tasks", **body)

    assert (task["worker_id"], task["status"]) == (worker["id"], "QUEUED")
    assert [each["id"] for each in await got(ada, "/tasks")] == [task["id"]]
    assert (await ada.http.get(f"/v1/runs/{task['id']}")).json()["inputs"]["script"] == SCRIPT


@pytest.mark.parametrize("script", ["no base64 at all!", "\u0080", "YQ="])
async def test_what_is_no_base64_is_refused(ada: Person, script: str):
    worker = await made(ada, "/workers")

    answer = await ada.http.post(f"{ROOT}/workers/{worker['id']}/tasks", json={"script": script, "encoding": "base64"})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "script")
    assert await got(ada, "/tasks") == []


async def test_a_task_shows_what_it_printed_and_how_it_ended(gateway: Gateway, ada: Person):
    worker = await made(ada, "/workers")
    task = await made(ada, f"/workers/{worker['id']}/tasks", script=SCRIPT)
    executions = Executions(gateway.state["database"], PollOnly())
    where = TenantId(ada.tenant_id), RunId(task["id"])
    attached = await executions.attach(*where, 1)
    assert attached
    error = {"type": "ScriptFailed", "message": "The script ended with exit code 3.", "exit_code": 3}
    told: list[tuple[EventKind, dict[str, Any]]] = [
        (EventKind.STATUS, {"status": "running", "attempt": 1}),
        (EventKind.STDOUT, {"text": "häm"}),
    ]
    await executions.append(*where, attached.epoch, events("out:task", told))
    during = await got(ada, f"/tasks/{task['id']}")

    ended: list[tuple[EventKind, dict[str, Any]]] = [
        (EventKind.ERROR, error),
        (EventKind.STATUS, {"status": "failed", "attempt": 1}),
    ]
    await executions.append(*where, attached.epoch, events("end", ended))
    after = await got(ada, f"/tasks/{task['id']}")

    assert (during["status"], during["output"]) == ("PROCESSING", "häm\n")
    assert (after["status"], after["error"], after["exit_code"]) == ("FAILED", error["message"], 3)
    assert after["finished_at"]


async def test_a_screenshot_is_an_address(gateway: Gateway, ada: Person):
    worker = await made(ada, "/workers")
    path, engine = f"/workers/{worker['id']}/screenshot", gateway.state["engine"]
    before = await ada.http.get(f"{ROOT}{path}")
    where = TenantId(ada.tenant_id), UUID(worker["id"])
    begun = await engine.screenshots.begin(*where, Look("b" * 64, 1280, 800))
    assert begun
    await engine.screenshots.finish(*where, begun.id, 4)

    found = await got(ada, path)

    assert before.status_code == 409
    assert found == {"url": f"{gateway.url}/v1/desktops/{worker['id']}/screenshots/{begun.id}"}


async def test_a_run_of_another_agent_is_no_task(ada: Person):
    run = (await ada.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hello"}})).json()

    assert (await ada.http.get(f"{ROOT}/tasks/{run['id']}")).status_code == 404
    assert await got(ada, "/tasks") == []


async def test_what_belongs_to_somebody_else_is_not_there(acme: Organisation, ada: Person):
    worker = await made(ada, "/workers")
    task = await made(ada, f"/workers/{worker['id']}/tasks", script="id")

    for path in (f"/workers/{worker['id']}", f"/tasks/{task['id']}"):
        assert (await acme.owner.http.get(f"{ROOT}{path}")).status_code == 404
    given = await acme.owner.http.post(f"{ROOT}/workers/{worker['id']}/tasks", json={"script": "id"})
    assert given.status_code == 404


def test_every_status_has_its_old_word():
    assert {str(status): WORKERS.get(status, "OFFLINE") for status in DesktopStatus} == {
        "offline": "OFFLINE",
        "starting": "STARTING",
        "idle": "IDLE",
        "busy": "BUSY",
        "paused": "OFFLINE",
        "lost": "OFFLINE",
    }
    assert {str(status): TASKS.get(status, "PROCESSING") for status in RunStatus} == {
        "queued": "QUEUED",
        "starting": "PROCESSING",
        "running": "PROCESSING",
        "awaiting": "PROCESSING",
        "finished": "COMPLETED",
        "failed": "FAILED",
        "cancelled": "FAILED",
    }
