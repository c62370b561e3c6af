"""Agents as both clients offer them."""

from typing import Any
from urllib.parse import quote

from windlass.client.calls import Call, fresh_key, nothing, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Agent, Json, Page, Record, SavedAgent


class Tags(Record):
    """How many flows carry each tag."""

    tags: dict[str, int]


def list_agents(q: str | None, tag: str | None) -> Call[Page[Agent]]:
    """What can be run."""
    return Call("GET", "/v1/agents", Page[Agent].model_validate, query={"q": q, "tag": tag})


def agent_tags() -> Call[dict[str, int]]:
    """How many flows carry each tag."""
    return Call("GET", "/v1/agents/tags", lambda body: Tags.model_validate(body).tags)


def get_agent(name: str, version: int | None = None) -> Call[Agent]:
    """An agent with its form."""
    return Call("GET", f"/v1/agents/{quote(name, safe='/')}", Agent.model_validate, query={"version": version})


def save_agent(name: str, profile: Json) -> Call[SavedAgent]:
    """Save an agent; repeated by the same key it stays one agent."""
    return Call("POST", "/v1/agents", SavedAgent.model_validate, {"name": name, **profile}, key=fresh_key())


def change_agent(name: str, changes: Json) -> Call[SavedAgent]:
    """Change a saved agent; a change makes a new version."""
    return Call("PATCH", f"/v1/agents/{segment(name)}", SavedAgent.model_validate, changes)


def delete_agent(name: str) -> Call[None]:
    """Delete a saved agent."""
    return Call("DELETE", f"/v1/agents/{segment(name)}", nothing)


class Agents:
    """What can be run, and what is saved of it here."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self, *, q: str | None = None, tag: str | None = None) -> Page[Agent]:
        """The agents, those that match."""
        return self._client.send(list_agents(q, tag))

    def tags(self) -> dict[str, int]:
        """How many flows that can be started carry each tag."""
        return self._client.send(agent_tags())

    def get(self, name: str, *, version: int | None = None) -> Agent:
        """An agent with its form and JSON Schema; a saved one as it is, or as it was in a version."""
        return self._client.send(get_agent(name, version))

    def save(self, name: str, **profile: Any) -> SavedAgent:
        """Save an agent; `profile`: system, model, max_tokens, tools, mcp_servers, policy, budget, description."""
        return self._client.send(save_agent(name, profile))

    def change(self, name: str, **changes: Any) -> SavedAgent:
        """Change a saved agent: a new version, which new runs are made of."""
        return self._client.send(change_agent(name, changes))

    def delete(self, name: str) -> None:
        """Delete a saved agent; its runs stay on record."""
        self._client.send(delete_agent(name))


class AsyncAgents:
    """What can be run, and what is saved of it here."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self, *, q: str | None = None, tag: str | None = None) -> Page[Agent]:
        """The agents, those that match."""
        return await self._client.send(list_agents(q, tag))

    async def tags(self) -> dict[str, int]:
        """How many flows that can be started carry each tag."""
        return await self._client.send(agent_tags())

    async def get(self, name: str, *, version: int | None = None) -> Agent:
        """An agent with its form and JSON Schema; a saved one as it is, or as it was in a version."""
        return await self._client.send(get_agent(name, version))

    async def save(self, name: str, **profile: Any) -> SavedAgent:
        """Save an agent; `profile`: system, model, max_tokens, tools, mcp_servers, policy, budget, description."""
        return await self._client.send(save_agent(name, profile))

    async def change(self, name: str, **changes: Any) -> SavedAgent:
        """Change a saved agent: a new version, which new runs are made of."""
        return await self._client.send(change_agent(name, changes))

    async def delete(self, name: str) -> None:
        """Delete a saved agent; its runs stay on record."""
        await self._client.send(delete_agent(name))
