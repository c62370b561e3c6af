"""Server-sent events: a stream of the log as bytes, from any cursor, closed as soon as it may or must."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Annotated, Any, Protocol
from uuid import UUID

import structlog
from fastapi import Depends, Header, Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from windlass.contracts.ids import TenantId
from windlass.core.errors import BadCursor
from windlass.core.frames import Frame
from windlass.core.multiplex import LogUpdate, Multiplex, Update
from windlass.core.stream import Hub

PING_S = 15.0
RECHECK_S = 1.5  # the check may be 3 s old itself: a revoked session's stream ends within 5 s
STUCK_S = 60.0  # a client that takes nothing for so long is gone; it comes back with its cursor

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Check = Callable[[], Awaitable[bool]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Source(Protocol):
    """What can be streamed: a subscription, or many topics in one."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        ...

    @property
    def must_resync(self) -> bool:
        """Whether the reader was too slow and has to come again."""
        ...

    def batches(self, patience_s: float) -> AsyncGenerator[list[Any]]:
        """What arrives, in batches; an empty one after so much silence."""
        ...

    def end(self) -> None:
        """Stop."""
        ...


async def stream_response(
    hub: Hub, tenant_id: TenantId, stream_id: UUID, after: int, check: Check, kinds: Collection[str] | None = None
) -> Response:
    """Answer with all that follows `after` in a stream of the log, or these kinds of it, live until its terminal event.

    Raises NotFound and BadCursor before the first byte; 204 when the reader has seen the end, which also stops a
    browser from coming back. `check` is asked every 1.5 s whether the caller may still read; when not, the stream ends.
    """
    subscription = await hub.subscribe(tenant_id, stream_id, after)
    if subscription.is_over:
        return Response(status_code=204)
    return EventStream(subscription, render_frame if kinds is None else only(kinds), check)


def topics_response(multiplex: Multiplex, check: Check, render: "Callable[[Update], bytes] | None" = None) -> Response:
    """Answer with the updates of many topics; `render` makes a server-sent event of each (JSON when not given)."""
    if multiplex.is_over:
        return Response(status_code=204)
    return EventStream(multiplex, render or render_update, check)


class EventStream(StreamingResponse):
    """A stream of batches, each one write, with a ping in silence and an eye on the caller and the client."""

    media_type = "text/event-stream"  # as a route's `response_class` it says so in the description

    def __init__(
        self,
        source: Source,
        render: Callable[[Any], bytes],
        check: Check,
        media_type: str = media_type,
        status_code: int = 200,
    ) -> None:
        chunks = _render(source, render) if media_type == self.media_type else _plain(source, render)
        self._source, self._check, self._chunks = source, check, chunks
        super().__init__(self._chunks, status_code, HEADERS, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the source ends, the client leaves or gets stuck, or the caller may no longer read."""
        stream = asyncio.create_task(self.stream_response(send))
        watchers = [asyncio.create_task(self._leaves(receive)), asyncio.create_task(self._revoked())]
        try:
            await asyncio.wait([stream, *watchers], return_when=asyncio.FIRST_COMPLETED)
            self._source.end()
            await asyncio.wait([stream], timeout=1)
        finally:
            self._source.end()
            for task in (stream, *watchers):
                task.cancel()
            await asyncio.gather(stream, *watchers, return_exceptions=True)
            await self._chunks.aclose()

    async def stream_response(self, send: Send) -> None:
        """Send every chunk; a client that takes none for a minute is given up."""

        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(STUCK_S):
                await send(message)

        await super().stream_response(send_in_time)

    async def _leaves(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _revoked(self) -> None:
        while True:
            try:
                if not await self._check():
                    return
            except Exception as error:  # noqa: BLE001  an outage revokes nothing: ask again
                log.warning("a caller could not be checked", error=repr(error))
            await asyncio.sleep(RECHECK_S)


async def _render(source: Source, render: Callable[[Any], bytes]) -> AsyncGenerator[bytes]:
    yield b"retry: %d\n\n" % (1000 + secrets.randbelow(2001))  # so that clients do not come back together
    try:
        async with aclosing(source.batches(PING_S)) as batches:
            async for batch in batches:
                yield b"".join(map(render, batch)) or b": ping\n\n"
    except Exception:  # the client comes back with its cursor; half a stream has no status to change
        log.exception("a stream was cut short")
    if source.must_resync:
        yield b"event: resync\ndata: {}\n\n"


async def _plain(source: Source, render: Callable[[Any], bytes]) -> AsyncGenerator[bytes]:
    """The same without what only server-sent events have; silence is silence."""
    try:
        async with aclosing(source.batches(PING_S)) as batches:
            async for batch in batches:
                if written := b"".join(map(render, batch)):
                    yield written
    except Exception:  # half a stream has no status to change
        log.exception("a stream was cut short")


def render_frame(frame: Frame) -> bytes:
    """An event, with its seq as the id."""
    return frame.sse


def only(kinds: Collection[str]) -> Callable[[Frame], bytes]:
    """Events of these kinds; of a last one that is none of them its id alone, so that nobody comes back for it."""

    def render(frame: Frame) -> bytes:
        if frame.kind in kinds:
            return frame.sse
        return b"id: %d\n\n" % frame.seq if frame.is_last and frame.seq is not None else b""

    return render


def render_update(update: Update) -> bytes:
    """An update of one of many topics, with the common cursor as the id where it moved."""
    if not isinstance(update, LogUpdate):
        return b"event: state\ndata: %b\n\n" % update.data
    id_line = b"" if update.cursor is None else b"id: %b\n" % update.cursor.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (id_line, update.frame.kind.encode(), update.data)


async def read_after(
    after: Annotated[str, Query(description="go on after this seq")] = "",
    last_event_id: Annotated[str, Header(description="the same, as a browser sends it")] = "",
) -> int:
    """The seq to go on after: what the client saw last wins over what its address says."""
    cursor = last_event_id or after or "0"
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise BadCursor(f"A cursor is the seq of an event, not {cursor[:40]!r}.")
    return int(cursor)


After = Annotated[int, Depends(read_after)]
