"""The proxy: requests for the own routes of a service's program, carried to its host and back, streaming both ways."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.crossing import headers_out, scope_of
from api.duplex import LEFT, STUCK_S, Check, offered, race, watch
from api.elsewhere import FarPassage
from api.errors import BadRequest, TooLarge, TooSlow
from api.uploads import arriving
from windlass.contracts.files import SIZE_BYTES
from windlass.contracts.passages import HTTP, OVER, WEBSOCKET, Said
from windlass.core.callers import Caller
from windlass.core.doors import BadGateway, Door, Doors, GatewayTimeout, ServiceDown
from windlass.core.elsewhere import Elsewhere
from windlass.core.errors import Forbidden, Unavailable
from windlass.core.passages import Passage

AT_ONCE = 100  # requests of one service in one gateway
SLOWEST = 1024  # bytes a second, on average, once its patience is over
REFUSED_S, AGAIN_S = 5.0, 0.02  # a request that no host takes is carried from one to the other so long, and so often
LONGEST_S = 3600.0  # of a stream of events, which may be as slow as it likes
FAILED = 1011
EVENTS = b"text/event-stream"
READING = frozenset({"GET", "HEAD", "OPTIONS"})

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Busy(Unavailable):
    """The service has as many requests as it may have at once."""

    title = "The service is busy"


class Proxy:
    """Finds a service's door and carries requests through it, no more at once than it may have."""

    def __init__(self, doors: Doors, elsewhere: Elsewhere, url: str, patience_s: float) -> None:
        self._doors, self._elsewhere, self._url, self._patience_s = doors, elsewhere, url, patience_s
        self._places: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    async def forward(self, request: Request, caller: Caller, root: str, check: Check) -> Response:
        """The service's answer, whose head is here. Raises NotFound, ServiceDown, BadGateway, GatewayTimeout, Busy."""
        door = await self._doors.find(caller, root.rpartition("/")[2])
        place = await self._place(door)
        try:
            exchange, head = await self._begun(door, request, scope_of(request, caller, root, self._url))
            return Forwarded(exchange, head, check, place.release)
        except BaseException:
            place.release()
            raise

    async def _begun(self, door: Door, request: Request, scope: Said) -> tuple["Exchange", Said]:
        """An exchange and the head of its answer, by whoever is there when one host goes away.

        Another is asked whatever it is about when the first one had not taken it, and when it only reads.
        """
        search = Search()
        while True:
            far = await FarPassage.open(door, self._elsewhere, scope) if door.url else None
            passage = far or await Passage.open(door, HTTP, scope)
            exchange = Exchange(passage, request, self._patience_s)
            try:
                return exchange, await exchange.begin()
            except BadGateway:
                if isinstance(passage, Passage) and passage.was_refused:
                    door = await search.beyond(door, passage)
                elif isinstance(passage, Passage) and passage.may_be_elsewhere and only_reads(request):
                    door = passage.others
                else:
                    raise

    async def connect(self, websocket: WebSocket, caller: Caller, root: str, check: Check) -> None:
        """A WebSocket of the service's, until one side ends it. Raises as `forward` does, before it opens."""
        door = await self._doors.find(caller, root.rpartition("/")[2])
        if door.url:
            raise BadGateway(f"The service {door.name} runs elsewhere: its WebSockets are not carried.")
        place = await self._place(door)
        try:
            passage = await self._opened(door, websocket, scope_of(websocket, caller, root, self._url))
            try:
                await race(websocket, [_carry_in(websocket, passage), _carry_out(websocket, passage), watch(check)])
            finally:
                passage.abort()
        finally:
            place.release()

    async def _opened(self, door: Door, websocket: WebSocket, scope: Said) -> Passage:
        """A passage whose WebSocket is open, by whoever is there when one host goes away before it has taken it."""
        search = Search()
        while True:
            passage = await Passage.open(door, WEBSOCKET, scope)
            try:
                await _accept(websocket, passage, self._patience_s)
                return passage
            except BadGateway:
                passage.abort()
                if not passage.was_refused:
                    raise
                door = await search.beyond(door, passage)
            except BaseException:
                passage.abort()
                raise

    async def _place(self, door: Door) -> asyncio.Semaphore:
        place = self._places.setdefault(door.service_id, asyncio.Semaphore(AT_ONCE))
        if place.locked():
            raise Busy(f"The service {door.name} answers {AT_ONCE} requests already. Try again.")
        await place.acquire()
        return place


class Search:
    """Who is asked after a host that goes away without having taken a request: it is being replaced, as a rule."""

    def __init__(self) -> None:
        self._until: float | None = None

    async def beyond(self, door: Door, passage: Passage) -> Door:
        """The door with whoever refused as the last one: another host may have its place by now. Raises ServiceDown."""
        self._until = self._until or monotonic() + REFUSED_S
        if monotonic() > self._until:
            raise ServiceDown(f"The hosts of the service {door.name} are ending, and took nothing of this. Try again.")
        await asyncio.sleep(AGAIN_S)
        rest = passage.others.addresses
        return replace(door, addresses=(*rest, *door.addresses[: len(door.addresses) - len(rest)]))


class Exchange:
    """One request and its answer: what the client sends goes in while what the service says comes out."""

    def __init__(self, passage: Passage | FarPassage, request: Request, patience_s: float) -> None:
        self._passage, self._request, self._patience_s = passage, request, patience_s
        self._sending: asyncio.Task[None] | None = None
        self._waited_s, self._size_bytes = 0.0, 0
        self._begun_at = monotonic()
        self._asked_at: float | None = None  # since when the service is to do something; None: the client is
        self.has_left = False

    async def begin(self) -> Said:
        """Send the request and hear the head of its answer. Raises what is wrong with either side."""
        self._sending = asyncio.create_task(self._send())
        hearing = asyncio.create_task(self._passage.hear())
        try:
            while not hearing.done():
                await asyncio.wait(
                    [hearing, self._sending], timeout=self._left_s(), return_when=asyncio.FIRST_COMPLETED
                )
                if self._sending.done() and not hearing.done():
                    await self._sending
                    raise BadRequest("The client went away before there was an answer.")
            return _head((await hearing)[0])
        except BaseException:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            await self.end()
            raise

    async def next(self, *, is_live: bool) -> tuple[Said, bytes]:
        """The next piece of the answer. Raises BadGateway, GatewayTimeout when it is silent or slow for too long."""
        heard_at, hearing = monotonic(), asyncio.create_task(self._passage.hear())
        try:
            while not hearing.done():
                await asyncio.wait([hearing], timeout=self._left_s(heard_at))
            said, body = await hearing
        finally:
            hearing.cancel()
        if self._asked_at is not None:
            self._waited_s += monotonic() - max(heard_at, self._asked_at)
        self._size_bytes += len(body)
        late_s = self._waited_s - (LONGEST_S if is_live else self._patience_s)
        if late_s > 0 and (is_live or self._size_bytes < late_s * SLOWEST):
            raise GatewayTimeout(f"The service said {self._size_bytes} bytes in {self._waited_s:.0f} seconds.")
        return said, body

    async def end(self) -> None:
        """Hang up on the service."""
        self._passage.abort()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    def _left_s(self, heard_at: float = 0.0) -> float:
        """How long the service may still be silent; while the client is to go on, it may. Raises GatewayTimeout."""
        now = monotonic()
        if self._asked_at is None:
            if now - self._begun_at > LONGEST_S:
                raise TooSlow(f"The body did not arrive within {LONGEST_S:g} seconds.")
            return self._patience_s
        left = max(self._asked_at, heard_at) + self._patience_s - now
        if left <= 0:
            raise GatewayTimeout(f"The service did not answer within {self._patience_s:g} seconds.")
        return left

    async def _send(self) -> None:
        """Carry the body in as it arrives, then see the client leave. Raises TooSlow, TooLarge, BadRequest."""
        size = 0
        if not only_reads(self._request):
            self._asked_at = monotonic()
            await self._passage.taken()  # what has been read of a body could be sent to no other host
            self._asked_at = None
        async for piece in _body(self._request):
            size += len(piece)
            if size > SIZE_BYTES:
                raise TooLarge(f"A body has at most {SIZE_BYTES} bytes.")
            self._asked_at = monotonic()  # to take it
            await self._passage.say({"type": "http.request", "more_body": True}, piece)
            self._asked_at = None
        self._asked_at = monotonic()
        await self._passage.say({"type": "http.request", "more_body": False})
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.has_left = True
        self._passage.abort()


class Forwarded(Response):
    """The answer on its way out; one that breaks off ends the connection, so that nobody takes it for whole."""

    def __init__(self, exchange: Exchange, head: Said, check: Check, done: Callable[[], None]) -> None:
        super().__init__(status_code=head["status"])
        self.raw_headers = headers_out(head)
        self._exchange, self._check, self._done = exchange, check, done
        self._is_live = any(n == b"content-type" and v.lower().startswith(EVENTS) for n, v in self.raw_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry it out, as long as the caller may read it."""
        carrying, watching = asyncio.create_task(self._carry(send)), asyncio.create_task(watch(self._check))
        try:
            await asyncio.wait([carrying, watching], return_when=asyncio.FIRST_COMPLETED)
            if carrying.done():
                await carrying
        except (BadGateway, GatewayTimeout, TooSlow, OSError) as broken:  # too late: the server sees no end
            if not self._exchange.has_left:
                log.warning("an answer of a service was cut short", reason=str(broken))
        finally:
            carrying.cancel()
            watching.cancel()
            await asyncio.gather(carrying, watching, return_exceptions=True)
            await self._exchange.end()
            self._done()

    async def _carry(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        is_whole = False
        while not is_whole:
            said, body = await self._exchange.next(is_live=self._is_live)
            if said["type"] != "http.response.body":
                raise _broken(said)
            is_whole = said.get("more_body") is not True
            async with asyncio.timeout(STUCK_S):
                await send({"type": "http.response.body", "body": body, "more_body": not is_whole})


def only_reads(request: Request) -> bool:
    """Whether it asks for nothing to be changed and brings nothing along: then it may be asked twice."""
    return request.method in READING and not {"content-length", "transfer-encoding"} & {*request.headers.keys()}


async def _body(request: Request) -> AsyncGenerator[bytes]:
    """What the request brings along; it can be read once."""
    if not only_reads(request):
        async for piece in arriving(request):
            yield piece


async def _accept(websocket: WebSocket, passage: Passage, patience_s: float) -> None:
    """Open it once the service has. Raises Forbidden, BadGateway, GatewayTimeout."""
    await passage.say({"type": "websocket.connect"})
    try:
        async with asyncio.timeout(patience_s):
            said, _ = await passage.hear()
    except TimeoutError:
        raise GatewayTimeout(f"The service did not answer within {patience_s:g} seconds.") from None
    if said["type"] == "websocket.close":
        raise Forbidden("The service did not open this WebSocket.")
    if said["type"] != "websocket.accept":
        raise _broken(said)
    chosen = said.get("subprotocol")
    await websocket.accept(subprotocol=chosen if chosen in offered(websocket) else None)


async def _carry_in(websocket: WebSocket, passage: Passage) -> int:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            await passage.say({"type": "websocket.disconnect", "code": message.get("code", LEFT)})
            return LEFT
        text: str | None = message.get("text")
        body: bytes = message.get("bytes") or b"" if text is None else text.encode()
        await passage.say({"type": "websocket.receive", "is_text": text is not None}, body)


async def _carry_out(websocket: WebSocket, passage: Passage) -> int:
    while True:
        try:
            said, body = await passage.hear()
        except BadGateway:
            return FAILED
        if said["type"] != "websocket.send":
            return _code(said)
        message: dict[str, Any] = {"text": body.decode()} if said.get("is_text") else {"bytes": body}
        async with asyncio.timeout(STUCK_S):
            with suppress(RuntimeError, WebSocketDisconnect):  # the client is leaving: the other side says so
                await websocket.send({"type": "websocket.send", **message})


def _code(said: Said) -> int:
    """With what a WebSocket ends that the service ended."""
    if said["type"] == "websocket.close":
        code = said.get("code")
        return code if isinstance(code, int) and 1000 <= code < 5000 and code not in (1004, 1005, 1006) else LEFT
    return FAILED if said.get("error") or said["type"] != OVER else LEFT


def _head(said: Said) -> Said:
    """The head of an answer. Raises BadGateway."""
    status = said.get("status")
    if said["type"] != "http.response.start":
        raise _broken(said)
    if not isinstance(status, int) or not 200 <= status < 600:
        raise BadGateway("The service answers with a status that nobody understands.")
    return said


def _broken(said: Said) -> BadGateway:
    if said["type"] == OVER and said.get("error"):
        return BadGateway(f"The service failed: {str(said['error'])[:200]}. Its log says more.")
    return BadGateway("The service did not answer to the end.")
