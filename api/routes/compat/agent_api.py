"""`/compat/agent-api`: sessions for clients of the session service that they replace."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, WebSocket, status
from pydantic import AliasChoices, BaseModel, Field, TypeAdapter, model_validator

from api.authentication import origin_of
from api.bodies import Body, Usd
from api.dependencies import EngineDep, Me, PlatformReader, Public, RequestUuid, SessionsDep, SignInDep
from api.dialogue import Language
from api.routes.compat.people import (
    Credentials,
    RefreshBody,
    TokenPair,
    UserProfile,
    token_pair,
    user_profile,
)
from api.routes.health import Readiness, readiness
from api.routes.servers import ServerBody, ServerChange, ServerReader, ServerWriter, changed_way, opened
from api.routes.session_sockets import InterruptWord, hold
from api.routes.sessions import Content, MessagesQuery, Metadata, SessionReader, SessionWriter, Title, Tool
from api.speech import SpeechDep
from api.sse import After
from windlass.contracts.agents import DEFAULT_MODEL, ServerUse
from windlass.contracts.sessions import Budget, SessionSettings, SessionStatus
from windlass.core.frames import Frame
from windlass.core.health import Part, examine
from windlass.core.letters import NewMessage
from windlass.core.servers import NewServer, Server, Way
from windlass.core.sessions import NewSession, Session, SessionFilter
from windlass.core.transcripts import Message, ToolCall

PREFIX = "/compat/agent-api"
router = APIRouter(prefix=f"{PREFIX}/api/v1", tags=["compat"])
sockets = APIRouter(prefix=f"{PREFIX}/ws", tags=["compat"])

SAID_BY_AGENT = frozenset({"system_prompt", "model", "allowed_tools", "mcp_servers"})
AgentSessionStatus = Literal["active", "processing", "waiting", "archived"]
STATUSES: dict[SessionStatus, AgentSessionStatus] = {
    SessionStatus.IDLE: "active",
    SessionStatus.RUNNING: "processing",
    SessionStatus.AWAITING: "waiting",
    SessionStatus.ARCHIVED: "archived",
}


class CostBody(Body):
    """What may say what a session costs at most."""

    max_cost_usd: Usd | None = None

    def budget(self) -> Budget | None:
        """The limit that was sent; none: what there is stays, as whatever else is null."""
        return None if self.max_cost_usd is None else Budget(self.max_cost_usd)


class NewAgentSession(CostBody):
    """A session, and what it is opened with: a saved agent, or what is said here."""

    name: Title | None = None
    agent: str | None = Field(None, min_length=1, max_length=63)
    system_prompt: str | None = Field(None, max_length=100_000)
    model: str = Field(DEFAULT_MODEL, min_length=1, max_length=200)
    allowed_tools: list[Tool] | None = Field(None, max_length=100)
    mcp_servers: list[str] = Field(default_factory=list[str], max_length=20, description="By name, with all tools.")
    metadata: Metadata = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.agent is not None and (said := sorted(SAID_BY_AGENT & self.model_fields_set)):
            raise ValueError(f"an agent says {', '.join(said)} itself: leave that out, or the agent")
        return self

    def settings(self) -> SessionSettings:
        """The same as a session keeps them."""
        return SessionSettings(
            self.system_prompt,
            self.model,
            budget_usd=self.max_cost_usd,
            tools=None if self.allowed_tools is None else tuple(self.allowed_tools),
            mcp_servers=tuple(ServerUse(name) for name in self.mcp_servers),
        )


class AgentSessionChange(CostBody):
    """What is to be otherwise; what is left out stays."""

    name: Title | None = None
    metadata: Metadata | None = None


class AgentSessionView(BaseModel):
    """A session as it stands."""

    id: UUID
    name: str
    status: AgentSessionStatus
    model: str
    system_prompt: str | None
    allowed_tools: Sequence[str] | None
    metadata: Mapping[str, Any]
    message_count: int
    total_cost_usd: float | None
    total_input_tokens: int
    total_output_tokens: int
    error_message: str | None
    created_at: datetime
    updated_at: datetime


class AgentQuery(Body):
    """What is said. The same `id` twice is one message."""

    message: Content = Field(validation_alias=AliasChoices("message", "content", "prompt"))
    id: UUID | None = None


class AgentMessageView(BaseModel):
    """A message of a session."""

    id: str
    session_id: UUID
    role: str
    content: str
    sequence: int
    created_at: datetime


class AgentToolCallView(BaseModel):
    """One use of a tool; without an end it is under way."""

    id: str
    session_id: UUID
    tool_name: str
    tool_input: Mapping[str, Any]
    tool_output: str
    status: str
    sequence: int
    started_at: datetime
    completed_at: datetime | None


class AgentServerView(BaseModel):
    """An MCP server; its `id` is its name."""

    id: str
    name: str
    type: Literal["http", "stdio"]
    url: str | None
    command: str | None
    description: str
    status: str
    tools: Sequence[str]
    created_at: datetime


class QueryWord(AgentQuery):
    """Something said over a WebSocket."""

    type: Literal["query"]

    def wish(self) -> NewMessage | None:
        """The message."""
        return NewMessage(self.message, self.id)


def show(frame: Frame) -> str:
    """An event as these clients know events: `{type, data, sequence, timestamp}`."""
    event = orjson.loads(frame.data)
    told = {"type": event["kind"], "data": event["payload"], "sequence": frame.seq, "timestamp": event.get("at")}
    return orjson.dumps(told).decode()


LANGUAGE = Language(TypeAdapter(Annotated[QueryWord | InterruptWord, Field(discriminator="type")]), show)


@router.post("/auth/login", dependencies=[Public])
async def login(body: Credentials, request: Request, sign_in: SignInDep) -> TokenPair:
    """Sign in by password."""
    return token_pair(await sign_in.login(body.email, body.password, origin_of(request)))


@router.post("/auth/refresh", dependencies=[Public])
async def refresh(body: RefreshBody, request: Request, sessions: SessionsDep) -> TokenPair:
    """Exchange a refresh token for a new pair."""
    return token_pair(await sessions.refresh(body.refresh_token, origin_of(request)))


@router.get("/auth/me")
async def me(caller: Me) -> UserProfile:
    """Who one is."""
    return user_profile(caller)


@router.post("/sessions", status_code=status.HTTP_201_CREATED)
async def create(
    caller: SessionWriter, engine: EngineDep, new: RequestUuid, body: NewAgentSession | None = None
) -> AgentSessionView:
    """Open a session; nothing runs until somebody says something."""
    wish = body or NewAgentSession.model_validate({})
    asked = NewSession(wish.settings(), wish.name, wish.metadata, wish.agent, new, budget=wish.budget())
    return _session(await engine.sessions.open(caller, asked))


@router.get("/sessions")
async def newest(caller: SessionReader, engine: EngineDep) -> Sequence[AgentSessionView]:
    """The newest hundred sessions one may see."""
    return [_session(each) for each in await engine.sessions.newest(caller, SessionFilter(), limit=100)]


@router.get("/sessions/{session_id}")
async def read(session_id: UUID, caller: SessionReader, engine: EngineDep) -> AgentSessionView:
    """One session."""
    return _session(await engine.sessions.get(caller, session_id))


@router.patch("/sessions/{session_id}")
async def change(
    session_id: UUID, body: AgentSessionChange, caller: SessionWriter, engine: EngineDep
) -> AgentSessionView:
    """Give a session another name, other metadata or another limit of its cost; what is null stays."""
    changed = await engine.sessions.change(
        caller, session_id, title=body.name, metadata=body.metadata, budget=body.budget()
    )
    return _session(changed)


@router.delete("/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> None:
    """Delete a session; a turn under way ends."""
    await engine.sessions.remove(caller, session_id)


@router.post("/sessions/{session_id}/query", status_code=status.HTTP_202_ACCEPTED)
async def query(
    session_id: UUID, body: AgentQuery, caller: SessionWriter, speech: SpeechDep, new: RequestUuid
) -> AgentMessageView:
    """Say something and return at once: it is kept from now on, and answered whatever crashes."""
    said = await speech.say(caller, session_id, NewMessage(body.message, body.id or new))
    return _message(session_id, said)


@router.get("/sessions/{session_id}/messages")
async def messages(
    session_id: UUID, query: Annotated[MessagesQuery, Query()], caller: SessionReader, engine: EngineDep
) -> Sequence[AgentMessageView]:
    """What was said after a sequence number, by people and by the model."""
    found = await engine.sessions.messages(caller, session_id, query.after, query.limit)
    return [_message(session_id, each) for each in found]


@router.get("/sessions/{session_id}/tool-calls")
async def tool_calls(
    session_id: UUID, query: Annotated[MessagesQuery, Query()], caller: SessionReader, engine: EngineDep
) -> Sequence[AgentToolCallView]:
    """What the model did after a sequence number, and what came of it."""
    found = await engine.sessions.tool_calls(caller, session_id, query.after, query.limit)
    return [_tool_call(session_id, each) for each in found]


@router.post("/sessions/{session_id}/resume")
async def resume(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> AgentSessionView:
    """Take an archived session up again, with all that was said."""
    return _session(await engine.sessions.resume(caller, session_id))


@router.post("/sessions/{session_id}/archive")
async def archive(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> AgentSessionView:
    """Put a session away; a turn under way is interrupted."""
    return _session(await engine.sessions.archive(caller, session_id))


@sockets.websocket("/sessions/{session_id}")
async def converse(session_id: UUID, websocket: WebSocket, after: After, caller: SessionReader) -> None:
    """The session's log, live, as a WebSocket, and queries and interrupts the other way."""
    await hold(websocket, session_id, after, caller, LANGUAGE)


@router.post("/mcp-servers", status_code=status.HTTP_201_CREATED)
async def add_server(body: ServerBody, caller: ServerWriter, engine: EngineDep, new: RequestUuid) -> AgentServerView:
    """Add an MCP server; a worker looks at it at once and takes the tools it offers."""
    way = Way(body.url, body.command, opened(body.headers))
    return _server(
        await engine.servers.create(caller, NewServer(body.name, way, body.description, body.timeout_s, new))
    )


@router.get("/mcp-servers")
async def servers(caller: ServerReader, engine: EngineDep) -> Sequence[AgentServerView]:
    """All MCP servers, by name."""
    return [_server(each) for each in await engine.servers.catalogue(caller)]


@router.get("/mcp-servers/{name}")
async def server(name: str, caller: ServerReader, engine: EngineDep) -> AgentServerView:
    """One MCP server."""
    return _server(await engine.servers.get(caller, name))


@router.patch("/mcp-servers/{name}")
async def change_server(name: str, body: ServerChange, caller: ServerWriter, engine: EngineDep) -> AgentServerView:
    """Change an MCP server; another way to it is looked at anew."""
    way = await changed_way(engine, caller, name, body)
    return _server(await engine.servers.change(caller, name, way, body.description, body.timeout_s))


@router.delete("/mcp-servers/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_server(name: str, caller: ServerWriter, engine: EngineDep) -> None:
    """Forget an MCP server and its secrets."""
    await engine.servers.delete(caller, name)


@router.get("/admin/health")
async def health(_: PlatformReader, request: Request) -> Readiness:
    """How every part of the installation is."""
    parts: list[Part] = request.state.health
    return readiness(await examine(parts))


def _session(session: Session) -> AgentSessionView:
    return AgentSessionView(
        id=session.id,
        name=session.title,
        status=STATUSES[session.status],
        model=session.settings.model,
        system_prompt=session.settings.system,
        allowed_tools=session.settings.tools,
        metadata=session.metadata,
        message_count=session.said,
        total_cost_usd=session.cost_usd,
        total_input_tokens=session.input_tokens,
        total_output_tokens=session.output_tokens,
        error_message=session.error["message"] if session.error else None,
        created_at=session.created_at,
        updated_at=session.active_at,
    )


def _message(session_id: UUID, said: Message) -> AgentMessageView:
    return AgentMessageView(
        id=said.id,
        session_id=session_id,
        role=said.role,
        content=said.content,
        sequence=said.seq,
        created_at=said.created_at,
    )


def _tool_call(session_id: UUID, call: ToolCall) -> AgentToolCallView:
    return AgentToolCallView(
        id=call.id,
        session_id=session_id,
        tool_name=call.name,
        tool_input=call.input,
        tool_output=call.text,
        status=call.outcome or "running",
        sequence=call.seq,
        started_at=call.created_at,
        completed_at=call.ended_at,
    )


def _server(server: Server) -> AgentServerView:
    return AgentServerView(
        id=server.name,
        name=server.name,
        type="http" if server.url else "stdio",
        url=server.url,
        command=server.command,
        description=server.description,
        status=server.state,
        tools=[tool.name for tool in server.taken],
        created_at=server.created_at,
    )
