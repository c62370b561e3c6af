"""Agents: what can be run, with the form a person fills in."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from api.dependencies import EngineDep, requires
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/agents", tags=["agents"])

AgentReader = Annotated[Caller, Depends(requires(Permission.AGENTS_READ))]


class AgentView(BaseModel):
    """An agent as a catalogue shows it; `available` says whether its service answers."""

    name: str
    kind: str
    summary: str
    description: str
    tags: Sequence[str]
    author: str | None
    organization: str | None
    version: str | None
    service: str | None
    available: bool


class AgentDetail(AgentView):
    """An agent with its form: element by element, and as JSON Schema."""

    elements: Sequence[dict[str, Any]]
    json_schema: dict[str, Any]


class AgentList(BaseModel):
    """All agents that match."""

    items: Sequence[AgentView]
    next: None = None


@router.get("")
async def catalogue(
    caller: AgentReader,
    engine: EngineDep,
    q: Annotated[str | None, Query(max_length=200)] = None,
    tag: Annotated[str | None, Query(max_length=100)] = None,
) -> AgentList:
    """The agents whose words contain `q` and that carry `tag`."""
    return AgentList(items=[AgentView(**facts(agent)) for agent in await engine.agents.catalogue(caller, q, tag)])


@router.get("/{name:path}")
async def read(name: str, caller: AgentReader, engine: EngineDep) -> AgentDetail:
    """One agent: `claude` or `{service}/{flow}`."""
    agent = await engine.agents.get(caller, name)
    return AgentDetail(**facts(agent), elements=agent.elements, json_schema=agent.schema)


def facts(agent: Agent) -> dict[str, Any]:
    """What every view of an agent shows."""
    return {
        "name": agent.name,
        "kind": agent.kind,
        "summary": agent.summary,
        "description": agent.description,
        "tags": agent.tags,
        "author": agent.meta.get("author"),
        "organization": agent.meta.get("organization"),
        "version": agent.meta.get("version"),
        "service": agent.service,
        "available": agent.service_state == "running",
    }
