"""Saved agents over HTTP, and through the Python client."""

import secrets
from typing import Any

import pytest

from tests.api.people import Gateway, Organisation
from windlass.client import ApiError, AsyncClient
from windlass.contracts.agents import MAX_SYSTEM

STERN: dict[str, Any] = {
    "driver": "claude", "system": "Be stern.", "model": "claude-opus-5-5", "max_tokens": 900, "tools": ["read"],
    "mcp_servers": [], "policy": [{"tool": "shell", "decision": "deny"}], "budget": {"usd": 2.5},
    "description": "Reads.",
}  # fmt: skip


def some_name() -> str:
    return f"reviewer-{secrets.token_hex(4)}"


async def test_an_agent_is_saved_started_changed_and_deleted(gateway: Gateway, acme: Organisation):
    name = some_name()
    async with AsyncClient(gateway.url) as client:
        await client.login(acme.builder.email, acme.builder.password)
        saved = await client.agents.save(name, **STERN)
        run = await client.runs.start(name, {"prompt": "hi"})
        changed = await client.agents.change(name, system="Be kind.", budget=None, version=1)
        detail, first = await client.agents.get(name), await client.agents.get(name, version=1)
        await client.agents.delete(name)
        with pytest.raises(ApiError) as gone:
            await client.runs.start(name, {"prompt": "hi"})

        assert {key: saved.to_json()[key] for key in STERN} == STERN | {
            "policy": [{"tool": "shell", "decision": "deny", "arguments": None}]
        }
        assert (saved.version, changed.version, changed.system, changed.budget) == (1, 2, "Be kind.", None)
        assert (run.to_json()["agent"], run.to_json()["agent_version"]) == (name, 1)
        assert detail.saved is not None
        assert first.saved is not None
        assert (detail.version, detail.saved.tools, first.saved.system) == ("2", ["read"], "Be stern.")
        assert [each["version"] for each in detail.versions] == [2, 1]
        assert gone.value.status == 404
        assert (await client.runs.get(run.id)).agent == name


async def test_the_same_key_saves_one_agent(acme: Organisation):
    body, headers = {"name": some_name()}, {"idempotency-key": secrets.token_hex(8)}
    first = await acme.owner.http.post("/v1/agents", json=body, headers=headers)
    again = await acme.owner.http.post("/v1/agents", json=body, headers=headers)

    assert (first.status_code, again.json()) == (201, first.json())
    assert (await acme.owner.http.post("/v1/agents", json=body)).status_code == 409


async def test_operators_start_what_builders_save(acme: Organisation):
    name = some_name()
    assert (await acme.operator.http.post("/v1/agents", json={"name": name})).status_code == 403
    assert (await acme.builder.http.post("/v1/agents", json={"name": name})).status_code == 201

    started = await acme.operator.http.post("/v1/runs", json={"agent": name, "inputs": {"prompt": "hi"}})

    assert started.status_code == 202
    assert (await acme.operator.http.patch(f"/v1/agents/{name}", json={"system": "x"})).status_code == 403
    audit = (await acme.owner.http.get("/v1/audit", params={"subject": f"agent:{name}"})).json()["items"]
    assert [(each["action"], each["actor_id"]) for each in audit] == [("agent.create", str(acme.builder.id))]


@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"system": "x" * (MAX_SYSTEM + 1)}, 422, "system"),
        ({"system": "x" * 2**20}, 413, ""),
        ({"max_tokens": 0}, 422, "max_tokens"),
        ({"driver": "parrot"}, 422, "driver"),
        ({"budget": {"usd": -1}}, 422, "budget.usd"),
        ({"budget": {"usd": 100_001}}, 422, "budget.usd"),
        ({"tools": ["fly"]}, 422, "tools.0"),
        ({"policy": [{"tool": "shell", "decision": "maybe"}]}, 422, "policy.0.decision"),
        ({"name": "claude"}, 422, "name"),
        ({"tenant_id": "mine"}, 422, "tenant_id"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_not_saved(
    acme: Organisation, wrong: dict[str, Any], status: int, field: str
):
    body = {"name": some_name()} | wrong

    answer = await acme.owner.http.post("/v1/agents", json=body)

    assert answer.status_code == status
    if field:
        assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await acme.owner.http.get("/v1/agents", params={"q": body["name"], "tag": "saved"})).json()["items"] == []


async def test_what_is_built_in_cannot_be_changed(acme: Organisation):
    assert (await acme.owner.http.patch("/v1/agents/claude", json={"system": "x"})).status_code == 404
    assert (await acme.owner.http.delete("/v1/agents/claude")).status_code == 404
