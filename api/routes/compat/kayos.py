"""`/compat/kayos/api/v1`: sessions for clients of the control plane that they replace. An agent is a session."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response, status
from pydantic import AliasChoices, BaseModel, Field

from api.authentication import origin_of
from api.bodies import Body
from api.dependencies import AuthenticationDep, EngineDep, Public, RequestUuid, SignInDep
from api.engine import Engine
from api.routes.compat.people import Credentials, Healthy
from api.routes.compat.telling import Turn, started, tell
from api.routes.sessions import (
    CONTENT_CHARACTERS,
    Content,
    MessagesQuery,
    Metadata,
    SessionReader,
    SessionWriter,
    Title,
    may_follow,
)
from api.speech import SpeechDep
from api.sse import After, EventStream
from windlass.contracts.sessions import SessionStatus
from windlass.core.callers import Caller
from windlass.core.errors import FieldError, Invalid
from windlass.core.letters import NewMessage
from windlass.core.sessions import NewSession, Session, SessionFilter
from windlass.core.transcripts import Message

router = APIRouter(prefix="/compat/kayos/api/v1", tags=["compat"])

CONVERSATIONAL = "claude-conversational"
RECENT = 60  # messages that say how an agent is: more never wait
AgentStatus = Literal["pending", "processing", "awaiting", "completed", "failed", "archived"]
SETTLED: frozenset[AgentStatus] = frozenset({"completed", "failed", "archived"})  # nothing is under way


class Token(BaseModel):
    """What opens the other routes."""

    token: str


class Execution(Body):
    """What an agent is to do: `claude-conversational`, or a saved agent by its name."""

    agent_type: str = Field(CONVERSATIONAL, min_length=1, max_length=63)
    prompt: Content
    context: Metadata = Field(default_factory=dict[str, Any], description="What it should know; told with the prompt.")


class AgentView(BaseModel):
    """An agent as it stands."""

    id: UUID
    agent_type: str
    title: str
    status: AgentStatus
    created_at: datetime
    updated_at: datetime


class AgentStateView(AgentView):
    """An agent, and what it said last or why it failed."""

    result: str | None
    error_message: str | None


class NewConversation(Body):
    """A conversation to open."""

    title: Title | None = None
    agent_type: str = Field(CONVERSATIONAL, min_length=1, max_length=63)


class ConversationMessage(Body):
    """What is said. The same `id` twice is one message."""

    content: Content = Field(validation_alias=AliasChoices("content", "message", "prompt"))
    id: UUID | None = None


class ConversationMessageView(BaseModel):
    """A message of a conversation."""

    id: str
    role: str
    content: str
    sequence: int
    created_at: datetime


@router.get("/health", dependencies=[Public])
async def health() -> Healthy:
    """Say that this process is alive."""
    return Healthy()


@router.post("/auth/login", dependencies=[Public])
async def login(body: Credentials, request: Request, sign_in: SignInDep) -> Token:
    """Sign in by password."""
    grant = await sign_in.login(body.email, body.password, origin_of(request))
    return Token(token=grant.access_token)


@router.post("/agents/execute", response_class=EventStream)
async def execute(
    body: Execution,
    caller: SessionWriter,
    engine: EngineDep,
    speech: SpeechDep,
    new: RequestUuid,
    known: AuthenticationDep,
) -> Response:
    """Have an agent do something, and follow it to the end of its turn: server-sent events; `start` names it."""
    content = _content(body)
    session, said = await speech.begin(caller, NewSession(agent=_saved(body.agent_type), id=new), content)
    news = await engine.hub.subscribe(caller.tenant_id, session.id, said.seq)
    follows = partial(may_follow, known, engine, caller, session.id)
    return EventStream(Turn(news, said.seq, started(session.id)), bytes, follows)


@router.get("/agents")
async def agents(caller: SessionReader, engine: EngineDep) -> Sequence[AgentView]:
    """The newest hundred agents one may see."""
    return [_agent(each) for each in await _newest(engine, caller)]


@router.get("/agents/status/{agent_id}")
async def agent_status(agent_id: UUID, caller: SessionReader, engine: EngineDep) -> AgentStateView:
    """How an agent is, and what it said last."""
    return await _state(engine, caller, agent_id)


@router.get("/agents/{agent_id}")
async def agent(agent_id: UUID, caller: SessionReader, engine: EngineDep) -> AgentStateView:
    """One agent, and what it said last."""
    return await _state(engine, caller, agent_id)


@router.delete("/agents/{agent_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(agent_id: UUID, caller: SessionWriter, engine: EngineDep) -> None:
    """Delete an agent with what was said; a turn under way ends."""
    await engine.sessions.remove(caller, agent_id)


@router.get("/agents/{agent_id}/stream", response_class=EventStream)
async def follow(
    agent_id: UUID, after: After, caller: SessionReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """What an agent says and does, to the end of the turn under way or of the last one: server-sent events."""
    await engine.sessions.get(caller, agent_id)
    head = await engine.events.head(caller.tenant_id, agent_id)
    state = await _state(engine, caller, agent_id)
    is_settled = state.status in SETTLED
    if is_settled:  # what ended between the two looks is to be told too
        head = await engine.events.head(caller.tenant_id, agent_id)
    news = await engine.hub.subscribe(caller.tenant_id, agent_id, after)
    if is_settled and after == head.last_seq:
        news.end()
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    follows = partial(may_follow, known, engine, caller, agent_id)
    return EventStream(Turn(news, head.last_seq, is_settled=is_settled), bytes, follows)


@router.post("/agents/{agent_id}/stop")
async def stop(agent_id: UUID, caller: SessionWriter, engine: EngineDep) -> AgentView:
    """End the turn under way; what was said stays."""
    return _agent(await engine.sessions.interrupt(caller, agent_id))


@router.get("/conversations")
async def conversations(caller: SessionReader, engine: EngineDep) -> Sequence[AgentView]:
    """The newest hundred conversations one may see."""
    return [_agent(each) for each in await _newest(engine, caller)]


@router.post("/conversations", status_code=status.HTTP_201_CREATED)
async def converse(
    caller: SessionWriter, engine: EngineDep, new: RequestUuid, body: NewConversation | None = None
) -> AgentView:
    """Open a conversation; nothing runs until somebody says something."""
    wish = body or NewConversation.model_validate({})
    return _agent(
        await engine.sessions.open(caller, NewSession(title=wish.title, agent=_saved(wish.agent_type), id=new))
    )


@router.post("/conversations/{conversation_id}/message", status_code=status.HTTP_202_ACCEPTED)
async def say(
    conversation_id: UUID, body: ConversationMessage, caller: SessionWriter, speech: SpeechDep, new: RequestUuid
) -> ConversationMessageView:
    """Say something and return at once: it is kept from now on, and answered whatever crashes."""
    return _message(await speech.say(caller, conversation_id, NewMessage(body.content, body.id or new)))


@router.get("/coding_conversations")
async def coding_conversations(caller: SessionReader, engine: EngineDep) -> Sequence[AgentView]:
    """The same conversations: every one has a workspace and tools to code with."""
    return [_agent(each) for each in await _newest(engine, caller)]


@router.get("/coding_conversations/{conversation_id}/messages")
async def messages(
    conversation_id: UUID, query: Annotated[MessagesQuery, Query()], caller: SessionReader, engine: EngineDep
) -> Sequence[ConversationMessageView]:
    """What was said after a sequence number, by people and by the model."""
    found = await engine.sessions.messages(caller, conversation_id, query.after, query.limit)
    return [_message(each) for each in found]


@router.get("/coding_conversations/{conversation_id}/stream", response_class=EventStream)
async def watch(
    conversation_id: UUID, after: After, caller: SessionReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """What is said and done, turn after turn: server-sent events, closed after the conversation's deletion."""
    await engine.sessions.get(caller, conversation_id)
    news = await engine.hub.subscribe(caller.tenant_id, conversation_id, after)
    return EventStream(news, tell, partial(may_follow, known, engine, caller, conversation_id))


def _saved(agent_type: str) -> str | None:
    """The saved agent that is meant; none: Claude as it is."""
    return None if agent_type == CONVERSATIONAL else agent_type


def _content(body: Execution) -> str:
    """The prompt, with what the agent should know. Raises Invalid."""
    if not body.context:
        return body.prompt
    content = f"{body.prompt}\n\n<context>\n{orjson.dumps(body.context).decode()}\n</context>"
    if len(content) > CONTENT_CHARACTERS:
        wrong = FieldError("prompt", f"with its context it has more than {CONTENT_CHARACTERS} characters")
        raise Invalid("Nothing was begun.", (wrong,))
    return content


async def _newest(engine: Engine, caller: Caller) -> Sequence[Session]:
    return await engine.sessions.newest(caller, SessionFilter(), limit=100)


async def _state(engine: Engine, caller: Caller, agent_id: UUID) -> AgentStateView:
    session, said = await engine.sessions.get(caller, agent_id), await engine.sessions.latest(caller, agent_id, RECENT)
    waits = any(each.role == "user" and each.turn is None and not each.is_withdrawn for each in said)
    answers = [each.content for each in said if each.role == "assistant"]
    error = session.error["message"] if session.error else None
    shown = _agent(session, waits=waits).model_dump()
    return AgentStateView(**shown, result=answers[-1] if answers else None, error_message=error)


def _agent(session: Session, *, waits: bool = False) -> AgentView:
    return AgentView(
        id=session.id,
        agent_type=session.agent or CONVERSATIONAL,
        title=session.title,
        status=_status(session, waits),
        created_at=session.created_at,
        updated_at=session.active_at,
    )


def _status(session: Session, waits: bool) -> AgentStatus:
    match session.status:
        case SessionStatus.RUNNING:
            return "processing"
        case SessionStatus.AWAITING:
            return "awaiting"
        case SessionStatus.ARCHIVED:
            return "archived"
        case SessionStatus.IDLE if waits or not session.turn:
            return "pending"
        case SessionStatus.IDLE:
            return "failed" if session.error else "completed"


def _message(said: Message) -> ConversationMessageView:
    return ConversationMessageView(
        id=said.id, role=said.role, content=said.content, sequence=said.seq, created_at=said.created_at
    )
