"""The pages of sessions: the list, and one conversation with what waits, what it costs and what it made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep, RequestUuid
from api.engine import Engine
from api.pages.formats import MISSING, Viewer, counted, duration, money, short_id, size, tokens
from api.pages.once import once_field, once_id
from api.pages.questions import Card, card
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.servers import SHAPES
from api.pages.servers import WORDS as STATE_WORDS
from api.pages.shell import Place
from api.pages.talk import KINDS, Talk, Teller, Use
from api.paging import place_in_time, place_of
from api.routes.sessions import CONTENT_CHARACTERS, SessionQuery, SessionReader, SessionWriter
from windlass.contracts.events import Event
from windlass.contracts.sessions import TOPIC, SessionSettings, SessionStatus
from windlass.core.attachments import MOST_PER_MESSAGE
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.letters import NewMessage
from windlass.core.message_limits import TooManyMessages
from windlass.core.permissions import Permission
from windlass.core.questions import QuestionFilter
from windlass.core.sessions import NewSession, Session
from windlass.core.windows import window

router = APIRouter(include_in_schema=False)

LISTED, SHOWN, SHOWN_EVENTS = 50, 100, 400
SEGMENTS = ("", *SessionStatus)
WORDS = {
    SessionStatus.IDLE: ("idle", "Idle"),
    SessionStatus.RUNNING: ("running", "At work"),
    SessionStatus.AWAITING: ("awaiting", "Waits for you"),
    SessionStatus.ARCHIVED: ("offline", "Archived"),
}
DONE = {"interrupt": "It stops within a second", "archive": "It is put away", "resume": "It goes on from here"}


@dataclass(frozen=True, slots=True)
class Row:
    """A session in the list."""

    session: Session
    shape: str
    word: str
    turns: str
    cost: str
    context: str
    window: str  # of the model, where it is known, and what share of it the context is
    share: float
    active: str


@router.get("/sessions")
async def sessions(request: Request, caller: SessionReader, engine: EngineDep) -> Response:
    """The newest sessions, and the form that opens one."""
    return await _list(request, caller, engine, Filled(agent=request.query_params.get("agent", "")[:63]))


@dataclass(frozen=True, slots=True)
class Filled:
    """The form of a new session as somebody left it, and what is wrong with it."""

    content: str = ""
    system: str = ""
    agent: str = ""
    problems: tuple[tuple[str, str], ...] = ()


async def _list(request: Request, caller: Caller, engine: Engine, filled: Filled) -> Response:
    may_open = caller.may(Permission.SESSIONS_WRITE)
    saved = await engine.agents.catalogue(caller, tag="saved") if may_open else []
    names = [each.name for each in saved]
    values = {**await rows(request, caller, engine), "title": "Sessions", "filled": filled, "saved": names}
    values["once"] = once_field(request.state.cursors, caller)
    status = 422 if filled.problems else 200
    place = Place("Sessions", (("Sessions", ""),), ("runs", TOPIC), f"page=sessions&{request.url.query}", live="live")
    return await page(request, caller, "sessions.html", place, values, status)


async def rows(request: Request, caller: Caller, engine: Engine) -> dict[str, Any]:
    """The values of the part of the list that changes by itself."""
    chosen, text = request.query_params.get("status", ""), request.query_params.get("q", "")[:200]
    statuses = [SessionStatus(chosen)] if chosen in set(SessionStatus) else []
    after = request.query_params.get("after", "")[:1000]
    query, cursors = SessionQuery(status=statuses, q=text, limit=LISTED, after=after or None), request.state.cursors
    place = place_of(cursors.read(caller, "pages/sessions", query))
    found = await engine.sessions.newest(caller, query.wanted(), limit=LISTED + 1, after=place)
    items, older = cursors.page(caller, "pages/sessions", query, found, place_in_time)
    seen = viewer(request)
    return {
        "rows": [row(each, seen) for each in items],
        "segments": [(each, WORDS[SessionStatus(each)][1] if each else "All") for each in SEGMENTS],
        "chosen": chosen if statuses else "",
        "query": text,
        "is_first": not after,
        "older": older,
        "may_write": caller.may(Permission.SESSIONS_WRITE),
    }


def row(session: Session, seen: Viewer) -> Row:
    """One session as its row says it."""
    shape, word = WORDS[session.status]
    if session.error is not None and session.status is SessionStatus.IDLE:
        shape, word = "failed", "Last turn failed"
    limit = window(session.settings.model)
    return Row(
        session=session,
        shape=shape,
        word=word,
        turns=counted(session.turn, "turn"),
        cost=cost(session),
        context=tokens(session.context_tokens),
        window=tokens(limit) if limit else "",
        share=min(1.0, session.context_tokens / limit) if limit else 0.0,
        active=seen.age(session.active_at),
    )


def cost(session: Session) -> str:
    """What it has cost so far; unknown is never nothing."""
    return MISSING if session.cost_usd is None else money(Decimal(str(session.cost_usd)))


@router.post("/sessions")
async def open_one(request: Request, caller: SessionWriter, engine: EngineDep, new: RequestUuid) -> Response:
    """Open a session with its first message. The same form sent twice is one session."""
    form = read_form(request)
    filled = Filled(said_in(form), field(form, "system", 100_000), field(form, "agent", 63))
    if not filled.content:
        return await _list(
            request, caller, engine, replace(filled, problems=(("Write the first message.", "content"),))
        )
    if filled.agent and filled.system:
        problem = (
            f"{filled.agent} has a system prompt of its own: leave this one empty, or open the session without it."
        )
        return await _list(request, caller, engine, replace(filled, problems=((problem, "system"),)))
    content, settings = filled.content, SessionSettings(system=filled.system or None)
    once = once_id(request.state.cursors, caller, form) or new
    try:
        wish = NewSession(settings, agent=filled.agent or None, id=once)
        opened, _ = await engine.sessions.begin(caller, wish, content)
    except Conflict as refused:
        return await _list(request, caller, engine, replace(filled, problems=((refused.detail, "content"),)))
    return go(f"/sessions/{opened.id}")


def said_in(form: dict[str, list[str]] | Any) -> str:
    """What somebody wrote."""
    return form.get("content", [""])[0].replace("\r\n", "\n").strip()[:CONTENT_CHARACTERS]


@router.get("/sessions/{session_id}")
async def session(session_id: UUID, request: Request, caller: SessionReader, engine: EngineDep) -> Response:
    """One conversation."""
    return await show(request, caller, engine, await engine.sessions.get(caller, session_id))


async def show(
    request: Request,
    caller: Caller,
    engine: Engine,
    found: Session,
    problems: tuple[tuple[str, str], ...] = (),
    written: str = "",
) -> Response:
    """The transcript, what waits, and the box to write in."""
    head = await engine.events.head(caller.tenant_id, found.id)
    values = {**await parts(request, caller, engine, found), "problems": problems, "written": written}
    crumbs = (("Sessions", "/sessions"), (found.title, ""))
    topics = (f"session:{found.id}", "runs")
    place = Place("Sessions", crumbs, topics, f"page=session&id={found.id}", live="live", seq=head.last_seq)
    values |= {"title": found.title}
    return await page(request, caller, "session.html", place, values, 409 if problems else 200)


async def parts(request: Request, caller: Caller, engine: Engine, found: Session) -> dict[str, Any]:
    """The values of the parts of the page that change by themselves."""
    seen, head = viewer(request), await engine.events.head(caller.tenant_id, found.id)
    everything = request.query_params.get("all") == "1"
    after = 0 if everything else max(0, head.last_seq - SHOWN_EVENTS)
    events: list[Event] = []
    while len(more := await engine.events.read(caller.tenant_id, found.id, after, 500, KINDS)):
        events += more
        after = more[-1].seq
    talk = Teller(seen).tell(events)
    files = await engine.workspaces.files(caller.tenant_id, found.id)
    became = {each.path: each.kind for each in await engine.changes.changed(caller.tenant_id, found.id)}
    has_changed = bool(became)
    budget = found.settings.budget_usd
    return {
        "session": found,
        "row": row(found, seen),
        "talk": talk,
        "is_cut": not everything and head.last_seq > SHOWN_EVENTS,
        "files": [(each.path, size(each.size_bytes), each.turn, became.pop(each.path, "")) for each in files.values()],
        "removed": list(became),
        "kept": [(each, size(each.size_bytes)) for each in await engine.sessions.saved(caller, found.id, 0, SHOWN)],
        "has_changed": has_changed,
        "tools": tools(talk),
        "servers": await servers(engine, caller, found),
        "may_see_servers": caller.may(Permission.SERVERS_READ),
        "budget": money(Decimal(str(budget))) if budget is not None else "",
        "spent_share": min(1.0, (found.cost_usd or 0) / budget) if budget else 0.0,
        "begun": seen.when(found.created_at),
        "asked": await asked(engine, caller, found, seen),
        "short_id": short_id,
        "is_mine": caller.may(Permission.SESSIONS_WRITE),
    }


async def servers(engine: Engine, caller: Caller, found: Session) -> list[tuple[str, str, str, str]]:
    """The MCP servers that the session uses: how each is, and which tools of it."""
    uses = found.settings.mcp_servers
    if not uses:
        return []
    known = {each.name: each.state for each in await engine.servers.catalogue(caller)}
    states = [known.get(use.server) for use in uses]
    looks = [(SHAPES[state], STATE_WORDS[state]) if state is not None else ("failed", "Gone") for state in states]
    allowed = ["all tools" if use.tools is None else ", ".join(use.tools) for use in uses]
    return [(*look, use.server, tools) for look, use, tools in zip(looks, uses, allowed, strict=True)]


async def asked(engine: Engine, caller: Caller, found: Session, seen: Viewer) -> list[Card]:
    """What the turn under way asks people."""
    if not caller.may(Permission.QUESTIONS_READ) or found.status is not SessionStatus.AWAITING:
        return []
    questions = await engine.questions.oldest(caller, QuestionFilter("open", session_id=found.id), limit=10)
    return [card(each, caller, seen) for each in questions]


def tools(talk: Talk) -> list[tuple[str, int, int, str]]:
    """The tools that were used: how often, how often in vain, and how long that usually took."""
    uses = [use for entry in talk.entries for use in entry.uses]
    names = sorted({use.title for use in uses})
    of = {name: [use for use in uses if use.title == name] for name in names}
    return [(name, len(of[name]), sum(use.shape == "failed" for use in of[name]), usual(of[name])) for name in names]


def usual(uses: Sequence[Use]) -> str:
    """How long they took, in the middle."""
    ended = [(use.ended_at - use.began_at).total_seconds() for use in uses if use.ended_at is not None]
    return duration(median(ended) if ended else None)


@router.post("/sessions/{session_id}/messages")
async def say(
    session_id: UUID, request: Request, caller: SessionWriter, engine: EngineDep, new: RequestUuid
) -> Response:
    """Say something."""
    form = read_form(request)
    content, steers = said_in(form), field(form, "how", 9) == "steer"
    found = await engine.sessions.get(caller, session_id)
    if not content:
        return await show(request, caller, engine, found, (("There is nothing to send.", "content"),))
    try:
        message = NewMessage(content, id=named_in(form) or new, steers=steers, attachments=attached_in(form))
        await engine.sessions.say(caller, session_id, message)
    except Conflict as conflict:
        return await show(request, caller, engine, found, ((conflict.detail, ""),), content)
    except TooManyMessages as refusal:
        shown = await show(request, caller, engine, found, ((refusal.detail, ""),), content)
        shown.status_code = refusal.status
        return shown
    return go(f"/sessions/{session_id}#end")


def named_in(form: Form) -> UUID | None:
    """The id that the browser gave the message: under it, it is said once. Raises Invalid."""
    try:
        return UUID(named) if (named := field(form, "id", 40)) else None
    except ValueError as error:
        raise Invalid("Nothing was said: the id of the message is none.") from error


def attached_in(form: Form) -> tuple[UUID, ...]:
    """The files that were sent beside a message. Raises Invalid."""
    try:
        return tuple(UUID(each) for each in form.get("attachment", ())[:MOST_PER_MESSAGE])
    except ValueError as error:
        raise Invalid("Nothing was said: it names no attachment.") from error


@router.post("/sessions/{session_id}/messages/{message_id}/withdraw")
async def withdraw(
    session_id: UUID, message_id: UUID, request: Request, caller: SessionWriter, engine: EngineDep
) -> Response:
    """Take back what waits."""
    try:
        await engine.sessions.withdraw(caller, session_id, message_id)
    except Conflict as conflict:
        found = await engine.sessions.get(caller, session_id)
        return await show(request, caller, engine, found, ((conflict.detail, ""),))
    return go(f"/sessions/{session_id}", "It is taken back")


@router.post("/sessions/{session_id}/delete")
async def remove(session_id: UUID, caller: SessionWriter, engine: EngineDep) -> Response:
    """Delete a session."""
    found = await engine.sessions.get(caller, session_id)
    await engine.sessions.remove(caller, session_id)
    return go("/sessions", f"{found.title} is deleted")


@router.post("/sessions/{session_id}/{deed}")
async def change(session_id: UUID, deed: str, caller: SessionWriter, engine: EngineDep) -> Response:
    """Interrupt the turn under way, put a session away, or take it up again."""
    kept = engine.sessions
    asks = {"interrupt": kept.interrupt, "archive": kept.archive, "resume": kept.resume}
    if deed not in asks:
        raise NotFound("page", deed)
    await asks[deed](caller, session_id)
    return go(f"/sessions/{session_id}", DONE[deed])
