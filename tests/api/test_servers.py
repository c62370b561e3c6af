"""MCP servers over HTTP, through the Python client and on their pages."""

import secrets
from typing import Any

import pytest

from tests.api.people import Gateway, Organisation
from windlass.client import ApiError, AsyncClient
from windlass.contracts.ids import TenantId
from windlass.contracts.servers import Tool
from windlass.core.database import Database
from windlass.core.server_checks import ServerChecks
from windlass.core.vault import Vault

PUBLIC = "https://93.184.216.34/mcp"  # the public net; nobody connects in these tests
SECRET = b"a secret of the tests, long enough: 0123456789"
ADD, MORE = Tool("add", "Add.", {"type": "object"}), Tool("add", "Add, and tell me.", {"type": "object"})


def some_name() -> str:
    return f"files-{secrets.token_hex(4)}"


async def offers(gateway: Gateway, who: Organisation, name: str, *tools: Tool) -> None:
    """What a worker does when it looks at a server."""
    database: Database = gateway.state["database"]
    checks = ServerChecks(database, database, Vault(SECRET), {})
    known = await checks.find(TenantId(who.id), name)
    assert known is not None
    assert await checks.found(known, tools) is not None


async def test_a_server_is_added_taken_changed_and_forgotten(gateway: Gateway, acme: Organisation):
    name = some_name()
    async with AsyncClient(gateway.url) as client:
        await client.login(acme.builder.email, acme.builder.password)
        servers = client.mcp_servers
        added = await servers.add(name, url=PUBLIC, headers={"Authorization": "Bearer canary"}, timeout_s=5)
        await offers(gateway, acme, name, ADD)
        first = await servers.tools(name)
        await offers(gateway, acme, name, MORE)
        changed, other = await servers.get(name), await servers.tools(name)
        with pytest.raises(ApiError, match="other tools than you saw"):
            await servers.take(name, str(first.digest))
        taken = await servers.take(name, str(other.digest))
        moved = await servers.change(name, description="For files.", timeout_s=9)

        assert (added.state, added.header_names, "canary" in str(added.to_json())) == (
            "unchecked",
            ["Authorization"],
            False,
        )
        assert [(tool.name, tool.taken) for tool in first.items] == [("add", True)]
        assert (changed.state, [tool.taken for tool in other.items]) == ("changed", [False])
        assert (taken.state, taken.pinned_by_name, moved.timeout_s, moved.state) == ("up", "Builder", 9, "up")
        assert (await servers.check(name)).name == name
        await servers.delete(name)
        assert name not in [server.name for server in (await servers.list()).items]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "http://127.0.0.1:8700/mcp"}, "url"),
        ({"url": "https://metadata.invalid:22/"}, ""),
        ({"url": "/v1/agents"}, "url"),
        ({"url": None, "command": "rm"}, "command"),
        ({"headers": {"Host": "x"}}, "headers.Host"),
        ({"name": "Files"}, "name"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"state": "up"}, "state"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_field(acme: Organisation, wrong: dict[str, Any], field: str):
    body = {"name": some_name(), "url": PUBLIC} | wrong
    answer = await acme.owner.http.post("/v1/mcp-servers", json={k: v for k, v in body.items() if v is not None})

    if field:
        assert answer.status_code == 422
        assert field in [error["field"] for error in answer.json()["errors"]]


async def test_operators_see_what_builders_add(acme: Organisation):
    name = some_name()
    assert (await acme.operator.http.post("/v1/mcp-servers", json={"name": name, "url": PUBLIC})).status_code == 403
    assert (await acme.builder.http.post("/v1/mcp-servers", json={"name": name, "url": PUBLIC})).status_code == 201

    assert (await acme.operator.http.get(f"/v1/mcp-servers/{name}")).status_code == 200
    assert (await acme.operator.http.post(f"/v1/mcp-servers/{name}/take", json={"digest": "0" * 64})).status_code == 403
    audit = (await acme.owner.http.get("/v1/audit", params={"subject": f"mcp_server:{name}"})).json()["items"]
    assert [each["action"] for each in audit] == ["mcp_server.add"]


async def test_an_agent_uses_servers_and_tools_that_there_are(gateway: Gateway, acme: Organisation):
    name, agent = some_name(), f"reader-{secrets.token_hex(4)}"
    http = acme.builder.http
    await http.post("/v1/mcp-servers", json={"name": name, "url": PUBLIC})
    await offers(gateway, acme, name, ADD)

    async def saved(**use: Any) -> list[str]:
        answer = await http.post("/v1/agents", json={"name": agent, "mcp_servers": [use]})
        return [error["field"] for error in answer.json().get("errors", ())]

    assert await saved(server="nobody") == ["mcp_servers.0.server"]
    assert await saved(server=name, tools=["fly"]) == ["mcp_servers.0.tools.0"]
    assert await saved(server=name, tools=["add"]) == []


async def test_the_page_shows_what_waits_and_takes_it(gateway: Gateway, acme: Organisation):
    name, http = some_name(), acme.builder.http
    await http.post("/v1/mcp-servers", json={"name": name, "url": PUBLIC})
    await offers(gateway, acme, name, ADD)
    await offers(gateway, acme, name, MORE)
    html = {"accept": "text/html"}

    listed = (await http.get("/mcp-servers", headers=html)).text
    shown = (await http.get(f"/mcp-servers/{name}", headers=html)).text
    viewed = (await acme.viewer.http.get(f"/mcp-servers/{name}", headers=html)).text

    assert name in listed
    assert "Offers other tools" in listed
    assert "Take these tools" in shown
    assert "Add, and tell me." in shown
    assert "Take these tools" not in viewed
