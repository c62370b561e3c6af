"""What belongs to another tenant does not exist (control A2), at every address that names a thing."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.machines import on_paper
from tests.api.people import Gateway, Organisation, Person
from tests.core.asked import ask as ask_question
from tests.declarations import WEBSOCKET, Declared, ours
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.core.executions import Executions
from windlass.core.wakeup import PollOnly

FILE = "out/plan.md"
TEXTUAL = {"/v1/agents/{name:path}", "/agents/{name:path}", "/assets/{version}/{name}"}
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /v1/tenants/{tenant_id}": {"name": "Mine now"},
    "POST /v1/tenants/{tenant_id}/transfer": {"person_id": str(new_id())},
    "PATCH /v1/members/{person_id}": {"role": "viewer"},
    "PATCH /v1/api-keys/{key_id}": {"name": "Mine now"},
    "POST /v1/desktops/{desktop_id}/tasks": {"script": "id"},
    "POST /v1/runs/{run_id}/cancel": {},
    "POST /v1/runs/{run_id}/retry": {},
    "POST /v1/runs/{run_id}/file-links": {"path": FILE},
    "PATCH /v1/services/{name}": {"enabled": False},
    "PATCH /v1/services/{name}/flows/{flow}": {"enabled": False},
    "POST /v1/questions/{question_id}/answer": {"inputs": {"word": "mine"}},
    "POST /v1/runs/{run_id}/questions/{question_id}/answer": {"inputs": {"word": "mine"}},
    "POST /compat/desktops/v1/workers/{worker_id}/tasks": {"script": "id"},
    "POST /compat/agent-api/api/v1/sessions/{session_id}/query": {"message": "Mine now."},
    "PATCH /compat/agent-api/api/v1/sessions/{session_id}": {"name": "Mine now"},
    "PATCH /compat/agent-api/api/v1/mcp-servers/{name}": {"description": "Mine now"},
    "PATCH /compat/agent-api/api/v1/tasks/{task_id}": {"description": "Mine now"},
    "POST /compat/kayos/api/v1/conversations/{conversation_id}/message": {"content": "Mine now."},
    "PUT /compat/kodosumi/role/{person_id}": {"active": False},
    "POST /compat/kodosumi/lock/{run_id}/{question_id}": {"word": "mine"},
    "POST /compat/kodosumi/files/complete/{run_id}/{batch_id}/{root}": {},
    "POST /v1/sessions/{session_id}/hand-over": {"person_id": str(new_id())},
    "POST /v1/sessions/{session_id}/messages": {"content": "Mine now."},
    "POST /v1/sessions/{session_id}/query": {"content": "Mine now."},
    "POST /v1/sessions/{session_id}/steer": {"content": "Mine now."},
    "PATCH /v1/sessions/{session_id}": {"title": "Mine now"},
    "PATCH /v1/tasks/{task_id}": {"name": "Mine now"},
    "PATCH /v1/schedules/{schedule_id}": {"name": "Mine now"},
    "PATCH /v1/agents/{name}": {"system": "Mine now"},
    "PUT /v1/settings/{name}": {"value": 10},
    "PATCH /v1/mcp-servers/{name}": {"description": "Mine now"},
    "POST /v1/mcp-servers/{name}/take": {"digest": "0" * 64},
    "POST /v1/schedules/{schedule_id}/backfill": {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
}

FORMS = {
    "POST /settings/members/{person_id}": {"role": "viewer"},
    "POST /settings/organisation/{name}": {"value": "10"},
}
QUERIES = {
    "POST /v1/sessions/{session_id}/attachments": {"name": "mine.txt"},
    "GET /runs/{run_id}/preview": {"path": FILE},
    "GET /runs/{run_id}/picture": {"path": FILE},
}
WRITTEN = {  # things that one names by writing them: of the same name, everybody has their own
    "PUT /v1/desktop-templates/{name}": ("summary", {"summary": "Mine now"}),
    "PUT /v1/desktop-skills/{name}": ("text", {"text": "Mine now"}),
}


def routes() -> Iterator[Declared]:
    """Every route whose address names one thing."""
    yield from (
        route
        for route in ours()
        if "{" in route.path and route.method != WEBSOCKET and route.path not in TEXTUAL and route.name not in WRITTEN
    )


async def created(person: Person, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await person.http.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def asked(gateway: Gateway, whose: Organisation, run_id: str) -> str:
    """An open question of a run."""
    tenant_id, executions = TenantId(whose.id), Executions(gateway.state["database"], PollOnly())
    return str(await ask_question(executions, tenant_id, RunId(UUID(run_id))))


async def filed(gateway: Gateway, whose: Organisation, run_id: str) -> str:
    """A file of a run; nobody who may not see it comes as far as its bytes."""
    query = "insert into run_file (run_id, path, tenant_id, digest, size_bytes) values ($1, $2, $3, repeat('0', 64), 1)"
    async with gateway.state["database"].tenant(TenantId(whose.id)) as connection:
        await connection.execute(query, UUID(run_id), FILE, whose.id)
    return FILE


@pytest.fixture(scope="module")
async def things(gateway: Gateway, umbrella: Organisation) -> dict[str, str]:
    """One thing of every kind that belongs to somebody else, by the name its addresses use."""
    run = await created(umbrella.owner, "/v1/runs", {"agent": "claude", "inputs": {"prompt": "hi"}})
    service = {"name": "theirs", "project": "/srv/theirs", "import_path": "app:app", "enabled": False}
    task = {"name": "theirs", "agent": "claude", "inputs": {"prompt": "hi"}}
    made = await created(umbrella.owner, "/v1/tasks", task)
    schedule = {"name": "theirs", "task_id": made["id"], "cron": "0 0 1 1 *"}
    await created(umbrella.owner, "/v1/agents", {"name": "theirs", "system": "Ours."})
    await created(umbrella.owner, "/v1/mcp-servers", {"name": "theirs", "url": "https://93.184.216.34/mcp"})
    invitation = {"email": "somebody@example.org", "role": "viewer"}
    await on_paper(gateway.state["database"])
    desktop = await created(umbrella.owner, "/v1/desktops", {})
    upload = await created(umbrella.owner, "/v1/artifacts/uploads", {"files": [{"path": "a.txt", "size_bytes": 1}]})
    conversation = await created(umbrella.owner, "/v1/sessions", {})
    sessions = (await umbrella.owner.http.get("/v1/auth/sessions")).json()["items"]
    document = {"kind": "windlass.tenant/1", "desktop_skills": [{"name": "theirs", "text": "Ours."}]}
    whole = await created(umbrella.owner, "/v1/exchange/import", document)
    imported = await created(umbrella.owner, "/v1/services/import", {"services": [{"name": "imported"}]})
    return {
        "run_id": run["id"],
        "question_id": await asked(gateway, umbrella, run["id"]),
        "task_id": made["id"],
        "schedule_id": (await created(umbrella.owner, "/v1/schedules", schedule))["id"],
        "name": (await created(umbrella.owner, "/v1/services", service))["name"],
        "flow": "theirs",
        "backup_id": imported["backup_id"],
        "boot_id": (await created(umbrella.owner, "/v1/boot", {}))["boot_id"],
        "key_id": (await created(umbrella.owner, "/v1/api-keys", {"name": "theirs"}))["id"],
        "person_id": str(umbrella.viewer.id),
        "invitation_id": (await created(umbrella.owner, "/v1/invitations", invitation))["id"],
        "session_id": sessions[0]["id"],
        "conversation_id": conversation["id"],
        "agent_id": conversation["id"],
        "message_id": str(new_id()),
        "attachment_id": str(new_id()),
        "artifact_id": "1",
        "path": await filed(gateway, umbrella, run["id"]),
        "tenant_id": str(umbrella.id),
        "desktop_id": desktop["id"],
        "worker_id": desktop["id"],
        "screenshot_id": str(new_id()),
        "deed": "start",
        "seq": "1",
        "upload_id": upload["upload_id"],
        "file_id": upload["files"][0]["file_id"],
        "batch_id": upload["upload_id"],
        "document_id": whole["backup_id"],
        "root": "in",
        "n": "0",
    }


async def ask(person: Person, route: Declared, names: dict[str, str]) -> httpx.Response:
    if "sessions/{session_id}" in route.path and "/auth/" not in route.path:  # of those with a model
        names = {**names, "session_id": names["conversation_id"]}
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: names[match[1]], route.path)
    sent: dict[str, Any] = {"json": BODIES.get(route.name), "data": FORMS.get(route.name)}
    return await person.http.request(route.method, path, **sent, params=QUERIES.get(route.name))


def shape(answer: httpx.Response, names: dict[str, str]) -> tuple[int, str]:
    """An answer without the id that was asked for, the request's own id, and a page's nonce."""
    text = answer.text
    for name in sorted(names.values(), key=len, reverse=True):
        text = text.replace(name, "…") if len(name) > 1 else text
    return answer.status_code, re.sub(
        r'(nonce=|request_id":|id )"?[\w-]+"?', "", text.replace(answer.headers["x-request-id"], "")
    )


@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in routes()])
async def test_a_thing_of_another_tenant_answers_like_one_that_does_not_exist(
    acme: Organisation, things: dict[str, str], route: Declared
):
    """A2: the same status and the same body."""
    unknown = {name: str(new_id()) for name in things} | {
        "name": "no-such-service",
        "path": FILE,
        "key_id": "0" * 16,
        "seq": "1",
        "artifact_id": "1",
        "deed": "start",
        "n": "0",
        "root": "in",
    }

    theirs, nothing = await ask(acme.owner, route, things), await ask(acme.owner, route, unknown)

    assert shape(theirs, things) == shape(nothing, unknown)
    if route.path.startswith("/v1/"):  # what is the installation's is forbidden whether or not it exists
        assert theirs.status_code == (403 if route.path.startswith("/v1/admin/") else 404)


@pytest.mark.parametrize("route", [pytest.param(r, id=r.name) for r in routes() if "{run_id}" in r.path])
async def test_another_members_run_is_not_found_without_read_all(gateway: Gateway, acme: Organisation, route: Declared):
    """A2."""
    run = await created(acme.builder, "/v1/runs", {"agent": "claude", "inputs": {"prompt": "hi"}})
    mine = {"run_id": run["id"], "desktop_id": str(new_id()), "question_id": str(new_id()), "seq": "1"}
    mine |= {"path": await filed(gateway, acme, run["id"]), "batch_id": str(new_id()), "root": "in"}
    unknown = {**mine, "run_id": str(new_id())}

    theirs, nothing = await ask(acme.operator, route, mine), await ask(acme.operator, route, unknown)

    assert shape(theirs, mine) == shape(nothing, unknown)


@pytest.mark.parametrize("write", WRITTEN)
async def test_a_thing_written_under_a_name_that_another_tenant_uses_is_ones_own(
    acme: Organisation, umbrella: Organisation, write: str
):
    """A2: neither sees or changes the other's."""
    (field, body), path = WRITTEN[write], write.removeprefix("PUT ").format(name="shared")
    assert (await umbrella.owner.http.put(path, json={field: "Theirs"})).is_success

    before = await acme.owner.http.get(path)
    assert (await acme.owner.http.put(path, json=body)).json()[field] == body[field]
    theirs = (await umbrella.owner.http.get(path)).json()[field]
    assert (await acme.owner.http.delete(path)).status_code == 204

    assert (before.status_code, theirs) == (404, "Theirs")
    assert (await umbrella.owner.http.get(path)).status_code == 200


async def test_what_was_tried_changed_nothing(umbrella: Organisation, things: dict[str, str]):
    """A2: everything is still there for those it belongs to."""
    http = umbrella.owner.http
    paths = ("runs/{run_id}", "services/{name}", "api-keys/{key_id}", "members/{person_id}", "tenants/{tenant_id}")
    answers = [await http.get("/v1/" + path.format(**things)) for path in (*paths, "agents/theirs")]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert answers[-1].json()["saved"]["system"] == "Ours."
    assert answers[2].json()["name"] == "theirs"
    assert answers[4].json()["name"] != "Mine now"
