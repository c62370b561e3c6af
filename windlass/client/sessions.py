"""Sessions as both clients offer them: conversations with a model."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import Field

from windlass.client.calls import Call, fresh_key, given, nothing, segment
from windlass.client.errors import Unreachable
from windlass.client.frames import STREAM_TIMEOUT, Place
from windlass.client.records import Event, Json, Page, Record

T = TypeVar("T")


class Session(Record):
    """A conversation as it stands; `error` is of its last turn."""

    id: str
    title: str = ""
    status: str = ""
    turn: int = 0
    agent: str | None = None
    agent_version: int | None = None
    settings: Json = Field(default_factory=dict[str, Any])
    metadata: Json = Field(default_factory=dict[str, Any])
    error: Json | None = None
    owner: str = ""
    owner_name: str = ""
    usage: Json = Field(default_factory=dict[str, Any])
    created_at: datetime | None = None
    active_at: datetime | None = None


class Attachment(Record):
    """A file beside a message."""

    id: str
    name: str
    media_type: str = ""
    size_bytes: int = 0


class Message(Record):
    """Something that was said in a session; `turn` is missing while it waits."""

    id: str
    seq: int
    role: str
    content: str = ""
    turn: int | None = None
    name: str = ""
    created_at: datetime | None = None
    attachments: Sequence[Attachment] = ()


class SavedFile(Record):
    """A file that was kept as a result of a session, as it was then."""

    id: int
    name: str
    description: str = ""
    path: str = ""
    size_bytes: int = 0
    turn: int = 0
    saved_at: datetime | None = None


class Sends(Protocol):
    """What sends a call and waits for its answer."""

    url: str

    @property
    def http(self) -> httpx.Client:
        """The connection."""
        ...

    def send(self, call: Call[T]) -> T:
        """Send a call."""
        ...


class SendsAsync(Protocol):
    """What sends a call, awaited."""

    url: str

    @property
    def http(self) -> httpx.AsyncClient:
        """The connection."""
        ...

    async def send(self, call: Call[T]) -> T:
        """Send a call."""
        ...


def list_sessions(status: Sequence[str], q: str | None, limit: int, after: str | None) -> Call[Page[Session]]:
    """The newest sessions."""
    query: Json = {"status": list(status), "q": q, "limit": limit, "after": after}
    return Call("GET", "/v1/sessions", Page[Session].model_validate, query=query)


def get_session(session_id: str) -> Call[Session]:
    """A session as it stands."""
    return Call("GET", f"/v1/sessions/{segment(session_id)}", Session.model_validate)


def open_session(wish: Json) -> Call[Session]:
    """Open a session."""
    return Call("POST", "/v1/sessions", Session.model_validate, given(**wish), key=fresh_key())


def say(session_id: str, content: str, attachments: Sequence[str] = (), way: str = "messages") -> Call[Message]:
    """Say something; sent again it is the same message."""
    body = given(id=str(uuid.uuid4()), content=content, attachments=list(attachments) or None)
    return Call("POST", f"/v1/sessions/{segment(session_id)}/{way}", Message.model_validate, body, key=fresh_key())


def attach(session_id: str, name: str, content: bytes) -> Call[Attachment]:
    """Keep a file for a message to name; sent again it is the same one."""
    path, query = f"/v1/sessions/{segment(session_id)}/attachments", {"name": name}
    return Call("POST", path, Attachment.model_validate, query=query, content=content, key=fresh_key())


def list_messages(session_id: str, after: int, limit: int) -> Call[Page[Message]]:
    """What was said after a seq."""
    path = f"/v1/sessions/{segment(session_id)}/messages"
    return Call("GET", path, Page[Message].model_validate, query={"after": after, "limit": limit})


def list_artifacts(session_id: str, after: int, limit: int) -> Call[Page[SavedFile]]:
    """What was kept after an id."""
    path = f"/v1/sessions/{segment(session_id)}/artifacts"
    return Call("GET", path, Page[SavedFile].model_validate, query={"after": after, "limit": limit})


def change_session(session_id: str, deed: str) -> Call[Session]:
    """Interrupt, archive or resume a session."""
    return Call("POST", f"/v1/sessions/{segment(session_id)}/{deed}", Session.model_validate, key=fresh_key())


def hand_over(session_id: str, person_id: str) -> Call[Session]:
    """Make a session another member's."""
    path = f"/v1/sessions/{segment(session_id)}/hand-over"
    return Call("POST", path, Session.model_validate, {"person_id": person_id}, key=fresh_key())


def delete_session(session_id: str) -> Call[None]:
    """Delete a session."""
    return Call("DELETE", f"/v1/sessions/{segment(session_id)}", nothing)


def stream_path(session_id: str) -> str:
    """Where a session can be followed."""
    return f"/v1/sessions/{segment(session_id)}/stream"


class Sessions:
    """Conversations with a model."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(
        self, *, status: Sequence[str] = (), q: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Session]:
        """The newest sessions."""
        return self._client.send(list_sessions(status, q, limit, cursor))

    def get(self, session_id: str) -> Session:
        """A session as it stands."""
        return self._client.send(get_session(session_id))

    def open(self, **wish: object) -> Session:
        """Open a session: `title`, `budget_usd`, and an `agent`, or else `system`, `model`, `tools`, and so on."""
        return self._client.send(open_session(wish))

    def say(self, session_id: str, content: str, *, attachments: Sequence[str] = ()) -> Message:
        """Say something, beside it files that were attached, and return at once."""
        return self._client.send(say(session_id, content, attachments))

    def attach(self, session_id: str, name: str, content: bytes) -> Attachment:
        """Keep a picture, a PDF or a text for a message to name by its id."""
        return self._client.send(attach(session_id, name, content))

    def steer(self, session_id: str, content: str) -> Message:
        """Say something to the turn under way, which takes it up at its next step."""
        return self._client.send(say(session_id, content, way="steer"))

    def messages(self, session_id: str, *, after: int = 0, limit: int = 100) -> Page[Message]:
        """What was said after a seq."""
        return self._client.send(list_messages(session_id, after, limit))

    def artifacts(self, session_id: str, *, after: int = 0, limit: int = 100) -> Page[SavedFile]:
        """What was kept as a result, after an id."""
        return self._client.send(list_artifacts(session_id, after, limit))

    def interrupt(self, session_id: str) -> Session:
        """End the turn under way."""
        return self._client.send(change_session(session_id, "interrupt"))

    def archive(self, session_id: str) -> Session:
        """Put a session away."""
        return self._client.send(change_session(session_id, "archive"))

    def resume(self, session_id: str) -> Session:
        """Take an archived session up again."""
        return self._client.send(change_session(session_id, "resume"))

    def hand_over(self, session_id: str, person_id: str) -> Session:
        """Make a session another member's, with a turn under way and all that was said."""
        return self._client.send(hand_over(session_id, person_id))

    def delete(self, session_id: str) -> None:
        """Delete a session."""
        self._client.send(delete_session(session_id))

    def stream(self, session_id: str, *, after: int = 0) -> Iterator[Event]:
        """The session's events as they happen, until it is deleted; a lost connection is taken up where it stopped."""
        place = Place(self._client.url, after)
        while not place.is_over:
            try:
                yield from self._connection(place, session_id)
            except (httpx.TransportError, Unreachable) as error:
                place.lost(error)
            if not place.is_over:
                time.sleep(place.pause_s())

    def _connection(self, place: Place, session_id: str) -> Iterator[Event]:
        """The new events of one connection."""
        path, headers = stream_path(session_id), place.headers()
        with self._client.http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as response:
            if not response.is_success:
                response.read()
            if place.check(response):
                for chunk in response.iter_bytes():
                    yield from place.take(chunk)


class AsyncSessions:
    """Conversations with a model, awaited."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(
        self, *, status: Sequence[str] = (), q: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Session]:
        """The newest sessions."""
        return await self._client.send(list_sessions(status, q, limit, cursor))

    async def get(self, session_id: str) -> Session:
        """A session as it stands."""
        return await self._client.send(get_session(session_id))

    async def open(self, **wish: object) -> Session:
        """Open a session: `title`, `budget_usd`, and an `agent`, or else `system`, `model`, `tools`, and so on."""
        return await self._client.send(open_session(wish))

    async def say(self, session_id: str, content: str, *, attachments: Sequence[str] = ()) -> Message:
        """Say something, beside it files that were attached, and return at once."""
        return await self._client.send(say(session_id, content, attachments))

    async def attach(self, session_id: str, name: str, content: bytes) -> Attachment:
        """Keep a picture, a PDF or a text for a message to name by its id."""
        return await self._client.send(attach(session_id, name, content))

    async def steer(self, session_id: str, content: str) -> Message:
        """Say something to the turn under way, which takes it up at its next step."""
        return await self._client.send(say(session_id, content, way="steer"))

    async def messages(self, session_id: str, *, after: int = 0, limit: int = 100) -> Page[Message]:
        """What was said after a seq."""
        return await self._client.send(list_messages(session_id, after, limit))

    async def artifacts(self, session_id: str, *, after: int = 0, limit: int = 100) -> Page[SavedFile]:
        """What was kept as a result, after an id."""
        return await self._client.send(list_artifacts(session_id, after, limit))

    async def interrupt(self, session_id: str) -> Session:
        """End the turn under way."""
        return await self._client.send(change_session(session_id, "interrupt"))

    async def archive(self, session_id: str) -> Session:
        """Put a session away."""
        return await self._client.send(change_session(session_id, "archive"))

    async def resume(self, session_id: str) -> Session:
        """Take an archived session up again."""
        return await self._client.send(change_session(session_id, "resume"))

    async def hand_over(self, session_id: str, person_id: str) -> Session:
        """Make a session another member's, with a turn under way and all that was said."""
        return await self._client.send(hand_over(session_id, person_id))

    async def delete(self, session_id: str) -> None:
        """Delete a session."""
        await self._client.send(delete_session(session_id))

    async def stream(self, session_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """The session's events as they happen, until it is deleted; a lost connection is taken up where it stopped."""
        place = Place(self._client.url, after)
        while not place.is_over:
            try:
                async for event in self._connection(place, session_id):
                    yield event
            except (httpx.TransportError, Unreachable) as error:
                place.lost(error)
            if not place.is_over:
                await asyncio.sleep(place.pause_s())

    async def _connection(self, place: Place, session_id: str) -> AsyncIterator[Event]:
        """The new events of one connection."""
        path, headers = stream_path(session_id), place.headers()
        async with self._client.http.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as response:
            if not response.is_success:
                await response.aread()
            if place.check(response):
                async for chunk in response.aiter_bytes():
                    for event in place.take(chunk):
                        yield event
