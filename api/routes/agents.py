"""Agents: what can be run, with the form a person fills in; and those that are saved here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status
from pydantic import BaseModel, ConfigDict, Field

from api.bodies import Body, Name
from api.dependencies import CursorsDep, EngineDep, RequestUuid, requires
from api.paging import ListQuery
from windlass.contracts.agents import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_MODEL,
    MAX_MAX_TOKENS,
    MAX_SYSTEM,
    MOST_COST_USD,
    Profile,
    Rule,
    ServerUse,
)
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.saved_agents import SavedAgent

router = APIRouter(prefix="/v1/agents", tags=["agents"])

AgentReader = Annotated[Caller, Depends(requires(Permission.AGENTS_READ))]
AgentWriter = Annotated[Caller, Depends(requires(Permission.AGENTS_WRITE))]

LIST, MOST_AGENTS = "agents", 10_000
Pattern = Annotated[str, Field(min_length=1, max_length=200)]
ToolName = Annotated[str, Field(min_length=1, max_length=200)]


class RuleBody(Body):
    """What is decided about calls of the tools that fit `tool`, with arguments (as JSON) that fit `arguments`."""

    tool: Pattern = Field(examples=["shell", "files__*"])
    decision: Literal["allow", "ask", "deny"]
    arguments: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


class ServerBody(Body):
    """An MCP server to use, by name; `tools` are those that may be called, without it all of them.

    With `trust` what the server says of its tools is believed: one that it calls read-only is called beside others,
    one that it calls idempotent is called again when a crash leaves it unknown whether it was called.
    """

    server: str = Field(min_length=1, max_length=63)
    tools: list[ToolName] | None = Field(None, max_length=200)
    trust: bool = False

    def use(self) -> ServerUse:
        """The same as the core has it."""
        return ServerUse(self.server, None if self.tools is None else tuple(self.tools), self.trust)


class BudgetBody(Body):
    """What the agent may cost."""

    usd: float = Field(ge=0.000_001, le=MOST_COST_USD, description="In dollars; a millionth is the least that is kept.")


class ProfileBody(Body):
    """Who the model should be, with what, and within which limits."""

    driver: Literal["claude"] = "claude"
    description: str = Field("", max_length=2000)
    system: str = Field("", max_length=MAX_SYSTEM, description="The system prompt.")
    model: Name = DEFAULT_MODEL
    max_tokens: int = Field(DEFAULT_MAX_TOKENS, ge=1, le=MAX_MAX_TOKENS)
    tools: list[ToolName] = Field(default_factory=list[str], max_length=50)
    mcp_servers: list[ServerBody] = Field(default_factory=list[ServerBody], max_length=20)
    policy: list[RuleBody] = Field(default_factory=list[RuleBody], max_length=100)
    budget: BudgetBody | None = None

    def given(self) -> dict[str, Any]:
        """The fields that were sent, as a profile has them."""
        sent = {name: getattr(self, name) for name in ProfileBody.model_fields if name in self.model_fields_set}
        made: dict[str, Any] = {name: value for name, value in sent.items() if value is not None and name != "budget"}
        if "tools" in made:
            made["tools"] = tuple(made["tools"])
        if "policy" in made:
            made["policy"] = tuple(Rule(**each.model_dump()) for each in made["policy"])
        if "mcp_servers" in made:
            made["mcp_servers"] = tuple(each.use() for each in made["mcp_servers"])
        if "budget" in sent:
            made["budget_usd"] = None if sent["budget"] is None else sent["budget"].usd
        return made


class AgentBody(ProfileBody):
    """An agent to save, and the name it is called by."""

    name: str = Field(min_length=1, max_length=63, examples=["reviewer"])


class AgentChange(ProfileBody):
    """What to change; `version` is the one it was made from, and anything newer refuses the change."""

    version: int | None = Field(None, ge=1)


class AgentView(BaseModel):
    """An agent as a catalogue shows it; `available` says whether its service answers, `owner` who added that."""

    name: str
    kind: str
    summary: str
    description: str
    tags: Sequence[str]
    author: str | None
    organization: str | None
    version: str | None
    service: str | None
    owner: str | None
    available: bool
    address: str | None = Field(description="Where its inputs are POSTed, if others run it; else `POST /v1/runs`.")


class ProfileView(BaseModel):
    """Who the model is, with what, and within which limits."""

    driver: str
    description: str
    system: str
    model: str
    max_tokens: int
    tools: Sequence[str]
    mcp_servers: Sequence[ServerBody]
    policy: Sequence[RuleBody]
    budget: BudgetBody | None

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """The profile as clients see it."""
        budget = None if profile.budget_usd is None else {"usd": profile.budget_usd}
        return cls.model_validate({**asdict(profile), "budget": budget})


class AgentVersionView(BaseModel):
    """One version of a saved agent: who made it, and when."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    changed_by_name: str
    created_at: datetime


class SavedView(ProfileView):
    """A saved agent in one of its versions; `newest` is the one that starts now."""

    id: UUID
    name: str
    newest: int
    version: int
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    changed_by_name: str


class AgentDetail(AgentView):
    """An agent with its form, element by element and as JSON Schema; a saved one with all that was saved."""

    elements: Sequence[dict[str, Any]]
    json_schema: dict[str, Any]
    saved: SavedView | None = None
    versions: Sequence[AgentVersionView] = ()


class TagsView(BaseModel):
    """How many flows carry each tag."""

    tags: Mapping[str, int] = Field(examples=[{"bench": 1, "Test": 1}])


class AgentList(BaseModel):
    """All agents that match."""

    items: Sequence[AgentView]
    next: str | None


class AgentQuery(ListQuery):
    """Which agents; without a limit all of them."""

    limit: int = Field(MOST_AGENTS, ge=1, le=MOST_AGENTS, description="How many items at most.")
    q: str | None = Field(None, max_length=200)
    tag: str | None = Field(None, max_length=100)
    service: str | None = Field(None, max_length=63)


@router.get("")
async def catalogue(
    query: Annotated[AgentQuery, Query()], caller: AgentReader, engine: EngineDep, cursors: CursorsDep
) -> AgentList:
    """The agents whose words contain `q`, that carry `tag` and that a `service` has."""
    place = cursors.read(caller, LIST, query)
    found = await engine.agents.catalogue(caller, query.q, query.tag, query.service)
    left = [agent for agent in found if place is None or agent.place > tuple(place)]
    shown, following = cursors.page(caller, LIST, query, left, lambda agent: agent.place)
    return AgentList(items=[AgentView(**facts(agent)) for agent in shown], next=following)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create(body: AgentBody, caller: AgentWriter, engine: EngineDep, new: RequestUuid) -> SavedView:
    """Save an agent."""
    return view(await engine.saved_agents.create(caller, body.name, Profile(**body.given()), new))


@router.get("/tags")
async def tags(caller: AgentReader, engine: EngineDep) -> TagsView:
    """How many flows that can be started carry each tag; `built-in` and `saved` are no flows' tags."""
    return TagsView(tags=await engine.agents.tags(caller))


@router.get("/{name:path}")
async def read(
    name: str, caller: AgentReader, engine: EngineDep, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> AgentDetail:
    """One agent: `claude`, `{service}/{flow}`, or a saved one, as it starts now or in a `version`."""
    agent = await engine.agents.get(caller, name)
    detail = AgentDetail(**facts(agent), elements=agent.elements, json_schema=agent.schema)
    if agent.pin is None:
        return detail
    saved = await engine.saved_agents.get(caller, name, version)
    versions = [AgentVersionView.model_validate(each) for each in await engine.saved_agents.versions(caller, name)]
    return detail.model_copy(update={"saved": view(saved), "versions": versions})


@router.patch("/{name}")
async def change(name: str, body: AgentChange, caller: AgentWriter, engine: EngineDep) -> SavedView:
    """Change a saved agent: a new version, which new runs are made of."""
    return view(await engine.saved_agents.change(caller, name, body.given(), body.version))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def delete(name: str, caller: AgentWriter, engine: EngineDep) -> None:
    """Delete a saved agent: it never starts again; its runs go on, and stay on record."""
    await engine.saved_agents.delete(caller, name)


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
        "owner": agent.owner or None,
        "available": agent.service_state == "running",
        "address": agent.address or None,
    }


def view(agent: SavedAgent) -> SavedView:
    """The saved agent as clients see it."""
    own = {name: getattr(agent, name) for name in SavedAgent.__slots__ if name != "profile"}
    return SavedView.model_validate({**ProfileView.of(agent.profile).model_dump(), **own})
