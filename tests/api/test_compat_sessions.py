"""Every path of the two services that sessions replace, as their clients call them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from api.routes.compat.agent_api import STATUSES
from api.routes.compat.agent_tasks import STATUSES as EXECUTIONS
from tests.api.people import Gateway, Organisation, Person
from tests.api.turns import answered
from tests.workflows.engines import until
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.contracts.sessions import SessionStatus
from windlass.core.permissions import Role

API, KAYOS = "/compat/agent-api/api/v1", "/compat/kayos/api/v1"


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def asked(person: Person, method: str, path: str, status: int = 200, **body: Any) -> Any:
    """What a request is answered with."""
    answer = await person.http.request(method, path, json=body or None)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.mark.parametrize(("root", "token"), [(API, "access_token"), (KAYOS, "token")])
async def test_somebody_signs_in_with_their_password_alone(gateway: Gateway, ada: Person, root: str, token: str):
    browser = await gateway.browser()
    signed_in = await browser.post(f"{root}/auth/login", json={"email": ada.email, "password": ada.password})
    wrong = await browser.post(f"{root}/auth/login", json={"email": ada.email, "password": "not this one"})

    browser.headers["authorization"] = f"Bearer {signed_in.json()[token]}"

    assert (wrong.status_code, (await browser.get(f"{API}/auth/me")).json()["email"]) == (401, ada.email)
    assert (await browser.get(f"{root}/agents" if root == KAYOS else f"{root}/sessions")).json() == []
    if root == API:
        again = await browser.post(f"{API}/auth/refresh", json={"refresh_token": signed_in.json()["refresh_token"]})
        assert again.json()["expires_in"] == 7200


async def test_a_task_of_the_session_service_is_saved_changed_copied_and_executed(gateway: Gateway, ada: Person):
    wish = {"name": "News", "prompt_template": "{{ count }} news of {{ topic|upper }}, topic first"}
    wish |= {"default_variables": {"topic": "tea", "count": 3}, "tags": ["template"], "timeout_seconds": 60}
    made = await asked(ada, "POST", f"{API}/tasks", 201, **wish)
    path = f"{API}/tasks/{made['id']}"
    execution = await asked(ada, "POST", f"{path}/execute", 202, variables={"topic": "rain"})
    listed = await asked(ada, "GET", f"{path}/executions")
    changed = await asked(ada, "PATCH", path, prompt_template="No news of {{ topic }}", timeout_seconds=90)
    copied = await asked(ada, "POST", f"{API}/tasks/templates/{made['id']}", 201, name="Mine")
    templates = await asked(ada, "GET", f"{API}/tasks/templates")
    refused = await ada.http.post(f"{path}/execute", json={"variables": {"nothing": 1}})
    unknown = await ada.http.post(f"{API}/tasks", json={"name": "Wrong", "prompt_template": "{{ nothing }}"})
    run = (await ada.http.get(f"/v1/runs/{execution['id']}")).json()
    await asked(ada, "DELETE", path, 204)

    assert (made["prompt_template"], made["default_variables"]) == (wish["prompt_template"], wish["default_variables"])
    assert run["inputs"]["prompt"] == "3 news of RAIN, topic first"
    assert (execution["status"], execution["task_id"], listed) == ("pending", made["id"], [execution])
    assert (changed["version"], changed["prompt_template"], changed["timeout_seconds"]) == (
        2,
        "No news of {{ topic }}",
        90,
    )
    assert {each["name"] for each in templates} == {"News", "Mine"}
    assert (copied["prompt_template"], refused.status_code, unknown.status_code) == (
        changed["prompt_template"],
        422,
        422,
    )
    assert [each["name"] for each in await asked(ada, "GET", f"{API}/tasks")] == ["Mine"]
    assert (await ada.http.get(path)).status_code == 404


def test_executions_have_a_word_for_every_status_of_a_run():
    assert set(EXECUTIONS) == set(RunStatus)


async def test_a_session_of_the_session_service_lives_its_whole_life(gateway: Gateway, ada: Person):
    wish = {"name": "Notes", "system_prompt": "Be brief.", "allowed_tools": ["read"], "metadata": {"ticket": 7}}
    made = await asked(ada, "POST", f"{API}/sessions", 201, **wish)
    path = f"{API}/sessions/{made['id']}"
    said = await asked(ada, "POST", f"{path}/query", 202, message="How are the notes?")
    await answered(gateway, ada, made["id"], "Well.", error="It broke off.")

    after = await asked(ada, "GET", path)
    messages = await asked(ada, "GET", f"{path}/messages")
    (call,) = await asked(ada, "GET", f"{path}/tool-calls")
    changed = await asked(ada, "PATCH", path, name="Others", max_cost_usd=3)
    limits = [await limit_after(ada, path, **each) for each in ({"name": "Ours"}, {"max_cost_usd": None})]
    archived = await asked(ada, "POST", f"{path}/archive")
    refused = await ada.http.post(f"{path}/query", json={"message": "Hello?"})
    resumed = await asked(ada, "POST", f"{path}/resume")
    listed = await asked(ada, "GET", f"{API}/sessions")
    await asked(ada, "DELETE", path, 204)

    assert (made["status"], made["system_prompt"], made["allowed_tools"]) == ("active", "Be brief.", ["read"])
    assert (after["message_count"], after["error_message"]) == (1, "It broke off.")
    assert [(each["role"], each["content"]) for each in messages] == [
        ("user", "How are the notes?"),
        ("assistant", "Well."),
    ]
    assert (messages[0]["id"], call["tool_name"], call["status"]) == (said["id"], "read", "done")
    assert (call["tool_output"], bool(call["completed_at"])) == ("All is well.", True)
    assert (changed["name"], archived["status"], refused.status_code) == ("Others", "archived", 409)
    assert [(each["id"], each["status"]) for each in listed] == [(made["id"], "active")]
    assert (resumed["status"], limits) == ("active", [3, 3])
    assert (await ada.http.get(path)).status_code == 404


async def limit_after(person: Person, path: str, **change: Any) -> float | None:
    """What a session may cost once it was changed."""
    changed = await asked(person, "PATCH", path, **change)
    return (await asked(person, "GET", f"/v1/sessions/{changed['id']}"))["settings"]["budget_usd"]


async def test_what_an_agent_says_itself_is_not_said_beside_it(ada: Person):
    answer = await ada.http.post(f"{API}/sessions", json={"agent": "clerk", "system_prompt": "Be mine."})

    assert (answer.status_code, "system_prompt" in answer.text) == (422, True)


async def test_an_mcp_server_is_called_by_its_name(ada: Person):
    wish = {"name": "files", "url": "https://93.184.216.34/mcp", "headers": {"Authorization": "Bearer secret"}}
    made = await asked(ada, "POST", f"{API}/mcp-servers", 201, **wish)
    path = f"{API}/mcp-servers/{made['id']}"

    changed = await asked(ada, "PATCH", path, description="Files of ours.")
    found = await asked(ada, "GET", path)
    listed = await asked(ada, "GET", f"{API}/mcp-servers")
    await asked(ada, "DELETE", path, 204)

    assert (made["id"], made["type"], "secret" in str(made)) == ("files", "http", False)
    assert (changed["description"], found, listed) == ("Files of ours.", changed, [changed])
    assert (await ada.http.get(path)).status_code == 404


async def test_the_health_of_all_is_for_the_operator_of_the_platform(ada: Person):
    assert (await ada.http.get(f"{API}/admin/health")).status_code == 403


def test_every_status_has_its_old_word():
    assert set(STATUSES) == set(SessionStatus)


@asynccontextmanager
async def opened(gateway: Gateway, person: Person, path: str, **headers: str) -> AsyncGenerator[ClientConnection]:
    """A WebSocket of theirs."""
    bearer = {"authorization": f"Bearer {person.token}"} | headers
    async with connect(gateway.url.replace("http", "ws") + path, additional_headers=bearer) as line:
        yield line


async def heard(line: ClientConnection, kind: str) -> Any:
    """The next thing of a kind that is told."""
    async with asyncio.timeout(60):
        while True:
            told = orjson.loads(await line.recv())
            if told.get("type", told.get("kind")) == kind:
                return told


async def test_a_query_over_a_websocket_is_heard_by_all_who_listen(gateway: Gateway, ada: Person):
    session = (await asked(ada, "POST", f"{API}/sessions", 201))["id"]
    path = f"/compat/agent-api/ws/sessions/{session}"

    async with opened(gateway, ada, path) as speaker, opened(gateway, ada, f"{path}?after=1") as listener:
        await speaker.send(orjson.dumps({"type": "query", "message": "Hello."}).decode())
        taken, told = await heard(speaker, "accepted"), await heard(listener, "message")
        await speaker.send('{"type": "query"}')
        wrong = await heard(speaker, "problem")
        await speaker.send(b'{"type": "interrupt"}')
        stopped = await heard(speaker, "accepted")

    assert (told["data"]["id"], told["data"]["text"], told["sequence"]) == (taken["id"], "Hello.", taken["seq"])
    assert (wrong["problem"]["status"], stopped["interrupts"]) == (422, 0)


async def followed(
    person: Person, method: str, path: str, begun: asyncio.Event | None = None, **body: Any
) -> list[dict[str, Any]]:
    """What a stream tells, to its end; it has `begun` when its head is here."""
    async with asyncio.timeout(60), person.http.stream(method, path, json=body or None) as answer:
        assert answer.status_code == 200, await answer.aread()
        if begun is not None:
            begun.set()
        return [orjson.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]


async def test_an_agent_of_kayos_is_executed_and_followed_to_its_end(gateway: Gateway, ada: Person):
    wish: dict[str, Any] = {"prompt": "How are the notes?", "context": {"account": 7}}
    execution = asyncio.create_task(followed(ada, "POST", f"{KAYOS}/agents/execute", **wish))

    async def has_prompt() -> bool:
        found = await asked(ada, "GET", f"{KAYOS}/agents")
        return bool(found and await asked(ada, "GET", f"{KAYOS}/coding_conversations/{found[0]['id']}/messages"))

    await until(has_prompt, 60)
    (agent,) = await asked(ada, "GET", f"{KAYOS}/agents")
    waiting = await asked(ada, "GET", f"{KAYOS}/agents/status/{agent['id']}")
    await answered(gateway, ada, agent["id"], "Well.")
    told = await execution
    again = await followed(ada, "GET", f"{KAYOS}/agents/{agent['id']}/stream")
    await asked(ada, "POST", f"{API}/sessions/{agent['id']}/archive")
    await asked(ada, "POST", f"{API}/sessions/{agent['id']}/resume")
    last = (await asked(ada, "GET", f"/v1/sessions/{agent['id']}/events"))["items"][-1]["seq"]
    later = await followed(ada, "GET", f"{KAYOS}/agents/{agent['id']}/stream")
    await asked(ada, "GET", f"{KAYOS}/agents/{agent['id']}/stream?after={last}", 204)
    done = await asked(ada, "GET", f"{KAYOS}/agents/{agent['id']}")
    stopped = await asked(ada, "POST", f"{KAYOS}/agents/{agent['id']}/stop")
    await asked(ada, "DELETE", f"{KAYOS}/agents/{agent['id']}", 204)

    kinds = ["status", "tool_use", "tool_result", "message", "done"]
    assert told[0] == {"type": "start", "agent_id": agent["id"]}
    assert [each["type"] for each in told[1:]] == kinds
    assert [each["type"] for each in again][-1] == "done"
    assert later[: len(again)] == again  # and what came after the turn, and its end
    assert (told[-2]["content"], told[-1]["status"]) == ("Well.", "finished")
    assert '{"account":7}' in next(each["content"] for each in again if each["type"] == "message")
    assert (waiting["status"], waiting["result"]) == ("pending", None)
    assert (done["status"], done["result"], stopped["status"]) == ("completed", "Well.", "completed")
    assert await asked(ada, "GET", f"{KAYOS}/agents") == []


async def test_an_agent_that_nobody_saved_is_not_executed(ada: Person):
    nobody = await ada.http.post(f"{KAYOS}/agents/execute", json={"agent_type": "claude-planner", "prompt": "Plan."})
    long = {"prompt": "x" * 399_999, "context": {"a": 1}}

    assert nobody.status_code == 404
    assert (await ada.http.post(f"{KAYOS}/agents/execute", json=long)).status_code == 422
    assert await asked(ada, "GET", f"{KAYOS}/agents") == []


async def test_a_conversation_of_kayos_is_one_to_code_in_too(gateway: Gateway, ada: Person):
    made = await asked(ada, "POST", f"{KAYOS}/conversations", 201, title="Plan")
    ident, said = made["id"], {"id": str(new_id()), "message": "Hello."}
    first = await asked(ada, "POST", f"{KAYOS}/conversations/{ident}/message", 202, **said)
    again = await asked(ada, "POST", f"{KAYOS}/conversations/{ident}/message", 202, **said)
    begun = asyncio.Event()
    watching = asyncio.create_task(followed(ada, "GET", f"{KAYOS}/coding_conversations/{ident}/stream", begun))
    await asyncio.wait_for(begun.wait(), 60)
    await answered(gateway, ada, ident, "Hello to you.", error="It broke off.")

    messages = await asked(ada, "GET", f"{KAYOS}/coding_conversations/{ident}/messages")
    (failed,) = await asked(ada, "GET", f"{KAYOS}/coding_conversations")
    assert await asked(ada, "GET", f"{KAYOS}/conversations") == [failed]
    await asked(ada, "DELETE", f"{KAYOS}/agents/{ident}", 204)
    told = await watching

    assert (first, made["status"], failed["status"]) == (again, "pending", "failed")
    assert [each["content"] for each in messages] == ["Hello.", "Hello to you."]
    assert [each["type"] for each in told if each["type"] != "status"][-2:] == ["error", "done"]
    assert (await ada.http.get(f"{KAYOS}/health")).json() == {"status": "ok"}


async def test_what_belongs_to_somebody_else_is_not_there(gateway: Gateway, acme: Organisation, ada: Person):
    session = (await asked(ada, "POST", f"{API}/sessions", 201))["id"]
    viewer = await gateway.hire(ada, Role.VIEWER)

    for path in (f"{API}/sessions/{session}", f"{KAYOS}/agents/{session}", f"{KAYOS}/agents/{session}/stream"):
        assert (await acme.owner.http.get(path)).status_code == 404
    async with opened(gateway, viewer, f"/compat/agent-api/ws/sessions/{session}") as line:
        await line.send('{"type": "query", "message": "Mine now."}')
        assert (await heard(line, "problem"))["problem"]["status"] == 403
    assert await asked(ada, "GET", f"{API}/sessions/{session}/messages") == []
