"""Sessions: open, list, read, say, follow, interrupt, archive, take up again, delete."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response, status
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.bodies import Body, BudgetBody, Usd
from api.dependencies import AuthenticationDep, CursorsDep, EngineDep, RequestUuid, requires
from api.engine import Engine
from api.paging import ListQuery, PageOf, place_in_time, place_of
from api.routes.agents import ServerBody
from api.routes.runs import EventsPage, EventsQuery, EventView, Usage
from api.speech import SpeechDep
from api.sse import After, EventStream, stream_response
from windlass.contracts.agents import DEFAULT_MAX_TOKENS, DEFAULT_MODEL, MAX_MAX_TOKENS
from windlass.contracts.sessions import Action, Limits, SessionSettings, SessionStatus
from windlass.core.attachments import MOST_PER_MESSAGE
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.identity import Authentication
from windlass.core.letters import NewMessage
from windlass.core.permissions import Permission
from windlass.core.sessions import NewSession, Session, SessionFilter
from windlass.core.windows import window

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

SessionReader = Annotated[Caller, Depends(requires(Permission.SESSIONS_READ))]
SessionWriter = Annotated[Caller, Depends(requires(Permission.SESSIONS_WRITE))]

METADATA_BYTES = 16 * 1024
USUAL = Limits()
CONTENT_CHARACTERS = 400_000
SAID_BY_AGENT = frozenset({"system", "model", "max_tokens", "policy", "tools", "mcp_servers"})


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # an integer of more than 64 bits, half a character
        raise ValueError(f"cannot be kept: {error}") from error
    if len(written) > METADATA_BYTES:
        raise ValueError(f"must be at most {METADATA_BYTES} bytes of JSON")
    return value


def _spoken(value: str) -> str:
    if not value.strip():
        raise ValueError("must say something")
    return value


Content = Annotated[str, Field(max_length=CONTENT_CHARACTERS, examples=["Hello."]), AfterValidator(_spoken)]
Metadata = Annotated[dict[str, Any], AfterValidator(_bounded)]
Title = Annotated[str, Field(min_length=1, max_length=200)]
Tool = Annotated[str, Field(min_length=1, max_length=100)]


class LimitsBody(Body):
    """How far one turn may go."""

    model_calls: int = Field(USUAL.model_calls, ge=1, le=500)
    tool_calls: int = Field(USUAL.tool_calls, ge=0, le=1_000)
    cost_usd: Usd = USUAL.cost_usd
    time_s: int = Field(USUAL.time_s, ge=1, le=86_400)


class RuleBody(Body):
    """What becomes of uses of a tool that fit: its name, one of its arguments that are text, all of them as JSON."""

    action: Action
    tool: str = Field("*", min_length=1, max_length=100, examples=["write"])
    argument: str | None = Field(None, max_length=500, examples=["notes/*"])
    arguments: str | None = Field(None, max_length=1_000, description="All of them, as JSON.", examples=['*"rm *'])


class SettingsBody(BudgetBody):
    """What a session is opened with, for as long as it lives."""

    system: str | None = Field(None, max_length=100_000, description="Who the model should be.")
    model: str = Field(DEFAULT_MODEL, min_length=1, max_length=200)
    max_tokens: int = Field(DEFAULT_MAX_TOKENS, ge=1, le=MAX_MAX_TOKENS, description="Of one answer.")
    limits: LimitsBody = LimitsBody.model_validate({})
    policy: list[RuleBody] = Field(default_factory=list[RuleBody], max_length=100, description="Deny wins over ask.")
    tools: list[Tool] | None = Field(None, max_length=100, description="By name; every one that is built in if none.")
    mcp_servers: list[ServerBody] = Field(default_factory=list[ServerBody], max_length=20)

    def settings(self) -> SessionSettings:
        """The same as a session keeps them."""
        return SessionSettings.from_json(self.model_dump(include=set(SettingsBody.model_fields)))


class OpenBody(SettingsBody):
    """A session, and what it is opened with: the newest version of a saved agent, or what is said here.

    Beside an agent `budget_usd` stands for the agent's budget, also as null: none. Left out, the agent's counts.
    """

    agent: str | None = Field(None, min_length=1, max_length=63, examples=["reviewer"])
    title: Title | None = Field(None, description="Without one it is called by the first words said in it.")
    workspace: UUID | None = Field(None, description="Another session; it begins with the files that one has now.")
    metadata: Metadata = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        said = sorted(SAID_BY_AGENT & self.model_fields_set)
        if self.agent is not None and said:
            raise ValueError(f"an agent says {', '.join(said)} itself: leave that out, or the agent")
        return self


class ChangeBody(BudgetBody):
    """What is to be otherwise; what is left out stays."""

    title: Title | None = None
    metadata: Metadata | None = None


class HandOverBody(Body):
    """Whose the session is to be: a member who may work with sessions."""

    person_id: UUID


class MessageBody(Body):
    """What is said. The same `id` twice is one message."""

    content: Content
    id: UUID | None = None
    expected_turn: int | None = Field(None, ge=0, le=2**31 - 1, description="Refused when the session is at another.")
    attachments: list[UUID] = Field(default_factory=list[UUID], max_length=MOST_PER_MESSAGE)

    def message(self, new: UUID | None = None, *, steers: bool = False) -> NewMessage:
        """The same as a session takes it, under an id of its own or a new one."""
        return NewMessage(self.content, self.id or new, self.expected_turn, steers, tuple(self.attachments))


class SessionView(BaseModel):
    """A session as it stands; `error` is of its last turn."""

    id: UUID
    title: str
    driver: str
    agent: str | None
    agent_version: int | None
    settings: dict[str, Any]
    metadata: dict[str, Any]
    status: SessionStatus
    turn: int
    error: dict[str, Any] | None
    standin: bool = Field(description="A scripted stand-in answered instead of the model provider.")
    owner: UUID
    owner_name: str
    usage: Usage
    context_tokens: int = Field(description="What the last call read and wrote.")
    context_window: int | None = Field(description="What its model takes up at once; null where that is not known.")
    created_at: datetime
    active_at: datetime
    archived_at: datetime | None


class AttachmentView(BaseModel):
    """A file beside a message."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    media_type: str
    size_bytes: int
    digest: str


class MessageView(BaseModel):
    """A message; `turn` is null while it waits for the next one."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    seq: int
    role: str
    content: str
    turn: int | None
    created_at: datetime
    name: str
    is_withdrawn: bool
    stop_reason: str | None
    attachments: Sequence[AttachmentView] = ()


class MessagesPage(BaseModel):
    """Messages in the order in which they were said; `next` is the seq to go on after."""

    items: Sequence[MessageView]
    next: int | None


class ToolCallView(BaseModel):
    """One use of a tool; without an outcome it is under way, `unknown` may have happened and was not repeated."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    seq: int
    turn: int
    name: str
    input: dict[str, Any]
    outcome: str | None
    text: str
    files: Sequence[str] = Field(description="What it changed.")
    created_at: datetime
    ended_at: datetime | None


class ToolCallsPage(BaseModel):
    """Uses of tools in their order; `next` is the seq to go on after."""

    items: Sequence[ToolCallView]
    next: int | None


class MessagesQuery(BaseModel):
    """Which messages or uses of tools: after a seq."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(0, ge=0, le=2**62)
    limit: int = Field(100, ge=1, le=500)


class SessionQuery(ListQuery):
    """Which sessions; every filter is optional."""

    status: list[SessionStatus] = Field(default_factory=list[SessionStatus])
    q: str | None = Field(None, max_length=200)

    def wanted(self) -> SessionFilter:
        """The same as the core asks for it."""
        return SessionFilter(tuple(self.status), self.q)


@router.post("", status_code=status.HTTP_201_CREATED)
async def open_one(
    caller: SessionWriter, engine: EngineDep, new: RequestUuid, body: OpenBody | None = None
) -> SessionView:
    """Open a session; nothing runs until somebody says something."""
    wish = body or OpenBody.model_validate({})
    asked = NewSession(wish.settings(), wish.title, wish.metadata, wish.agent, new, wish.workspace, wish.budget())
    return view(await engine.sessions.open(caller, asked))


@router.get("")
async def newest(
    query: Annotated[SessionQuery, Query()], caller: SessionReader, engine: EngineDep, cursors: CursorsDep
) -> PageOf[SessionView]:
    """The newest sessions first."""
    place = place_of(cursors.read(caller, "sessions", query))
    found = await engine.sessions.newest(caller, query.wanted(), limit=query.limit + 1, after=place)
    items, following = cursors.page(caller, "sessions", query, found, place_in_time)
    return PageOf(items=[view(each) for each in items], next=following)


@router.get("/{session_id}")
async def read(session_id: UUID, caller: SessionReader, engine: EngineDep) -> SessionView:
    """One session."""
    return view(await engine.sessions.get(caller, session_id))


@router.patch("/{session_id}")
async def change(session_id: UUID, body: ChangeBody, caller: SessionWriter, engine: EngineDep) -> SessionView:
    """Give a session another title, other metadata or another budget, or none: null takes it away."""
    title, metadata, budget = body.title, body.metadata, body.budget()
    return view(await engine.sessions.change(caller, session_id, title=title, metadata=metadata, budget=budget))


@router.post("/{session_id}/messages", status_code=status.HTTP_202_ACCEPTED)
@router.post("/{session_id}/query", status_code=status.HTTP_202_ACCEPTED)
async def say(
    session_id: UUID, body: MessageBody, caller: SessionWriter, speech: SpeechDep, new: RequestUuid
) -> MessageView:
    """Say something and return at once: it is kept from now on, and answered whatever crashes."""
    return MessageView.model_validate(await speech.say(caller, session_id, body.message(new)))


@router.post("/{session_id}/steer", status_code=status.HTTP_202_ACCEPTED)
async def steer(
    session_id: UUID, body: MessageBody, caller: SessionWriter, speech: SpeechDep, new: RequestUuid
) -> MessageView:
    """Say something to the turn under way, which takes it up at its next step; without one it begins a turn."""
    return MessageView.model_validate(await speech.say(caller, session_id, body.message(new, steers=True)))


@router.get("/{session_id}/messages")
async def messages(
    session_id: UUID, query: Annotated[MessagesQuery, Query()], caller: SessionReader, engine: EngineDep
) -> MessagesPage:
    """What was said, by people and by the model."""
    found = await engine.sessions.messages(caller, session_id, query.after, query.limit)
    items = [MessageView.model_validate(each) for each in found]
    return MessagesPage(items=items, next=items[-1].seq if len(items) == query.limit else None)


@router.delete("/{session_id}/messages/{message_id}", status_code=status.HTTP_204_NO_CONTENT)
async def withdraw(session_id: UUID, message_id: UUID, caller: SessionWriter, engine: EngineDep) -> None:
    """Take back a message that waits for the turn under way to end."""
    await engine.sessions.withdraw(caller, session_id, message_id)


@router.get("/{session_id}/tool-calls")
async def tool_calls(
    session_id: UUID, query: Annotated[MessagesQuery, Query()], caller: SessionReader, engine: EngineDep
) -> ToolCallsPage:
    """What the model did, and what came of it."""
    found = await engine.sessions.tool_calls(caller, session_id, query.after, query.limit)
    items = [ToolCallView.model_validate(each) for each in found]
    return ToolCallsPage(items=items, next=items[-1].seq if len(items) == query.limit else None)


@router.get("/{session_id}/events")
async def events(
    session_id: UUID, query: Annotated[EventsQuery, Query()], caller: SessionReader, engine: EngineDep
) -> EventsPage:
    """The session's log after a seq; the same cursor as the stream's."""
    await engine.sessions.get(caller, session_id)
    found = await engine.events.read(caller.tenant_id, session_id, query.after, query.limit, query.wanted())
    items = [EventView(seq=each.seq, at=each.at, kind=each.kind, payload=each.payload) for each in found]
    return EventsPage(items=items, next=items[-1].seq if len(items) == query.limit else None)


@router.get("/{session_id}/stream", response_class=EventStream)
async def stream(
    session_id: UUID, after: After, caller: SessionReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """The session's log, live: server-sent events, closed after its deletion."""
    await engine.sessions.get(caller, session_id)
    follows = partial(may_follow, known, engine, caller, session_id)
    return await stream_response(engine.hub, caller.tenant_id, session_id, after, follows)


@router.post("/{session_id}/interrupt", status_code=status.HTTP_202_ACCEPTED)
async def interrupt(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> SessionView:
    """End the turn under way; what was said stays."""
    return view(await engine.sessions.interrupt(caller, session_id))


@router.post("/{session_id}/archive", status_code=status.HTTP_202_ACCEPTED)
async def archive(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> SessionView:
    """Put a session away; a turn under way is interrupted."""
    return view(await engine.sessions.archive(caller, session_id))


@router.post("/{session_id}/resume", status_code=status.HTTP_202_ACCEPTED)
async def resume(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> SessionView:
    """Take an archived session up again, with all that was said."""
    return view(await engine.sessions.resume(caller, session_id))


@router.post("/{session_id}/hand-over")
async def hand_over(session_id: UUID, body: HandOverBody, caller: SessionWriter, engine: EngineDep) -> SessionView:
    """Make a session another member's, with a turn under way and all that was said; you may not see it any more."""
    return view(await engine.sessions.hand_over(caller, session_id, body.person_id))


@router.delete("/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> None:
    """Delete a session; a turn under way ends."""
    await engine.sessions.remove(caller, session_id)


async def may_follow(known: Authentication, engine: Engine, caller: Caller, session_id: UUID) -> bool:
    """Whether whoever reads a session live may go on: they are who they were, and it was not handed over."""
    if not await known.still(caller):
        return False
    try:
        return caller.may(Permission.SESSIONS_READ_ALL) or bool(await engine.sessions.get(caller, session_id))
    except NotFound:
        return False


def view(session: Session) -> SessionView:
    """The session as clients see it."""
    usage = Usage(
        model_calls=session.model_calls,
        input_tokens=session.input_tokens,
        output_tokens=session.output_tokens,
        cached_tokens=session.cached_tokens,
        cost_usd=session.cost_usd,
    )
    shown = {name: getattr(session, name) for name in SessionView.model_fields if hasattr(session, name)}
    shown |= {"settings": session.settings.to_json(), "usage": usage, "context_window": window(session.settings.model)}
    return SessionView.model_validate(shown)
