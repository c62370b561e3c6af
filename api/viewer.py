"""The live view of a desktop: a WebSocket on one side, the screen's own protocol on the other, and a guard between.

The gateway signs in to the screen itself, so that its password never leaves the server, and lets of a viewer's words
only those pass that their mode allows.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.duplex import (
    ENDED,
    LEFT,
    MALFORMED,
    OVER,
    PROTOCOL,
    RECHECK_S,
    RESTART,
    STUCK_S,
    Check,
    Work,
    asked,
    offered,
    race,
    watch,
)
from windlass.core.errors import Unavailable
from windlass.core.rfb import GREETING, NO_PASSWORD, PORT, ClientWords, Malformed, Refused, sign_in
from windlass.core.stream import Subscription
from windlass.core.viewers import LEASE_S, Mode, Screen

PATIENCE_S = 3.0
CHUNK = 64 * 1024
UNTOUCHED_S = 600.0  # who has the screen and does nothing for so long has let go of it
PLAIN = "binary"  # what older viewers offer

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Unreachable(Unavailable):
    """The desktop's screen does not answer to this gateway."""

    title = "Screen out of reach"


@dataclass(frozen=True, slots=True)
class Line:
    """A connection to a screen that has let us in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@asynccontextmanager
async def signed_in(screen: Screen) -> AsyncGenerator[Line]:
    """A connection to the screen. Raises Unreachable."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(screen.address, PORT, limit=2 * CHUNK)
    except (OSError, TimeoutError) as error:
        raise Unreachable(
            f"The screen of {screen.desktop.name} does not answer to this gateway. It must run on the machine that "
            f"holds the desktop, {screen.desktop.node}."
        ) from error
    try:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await sign_in(reader, writer, screen.password)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, Refused, Malformed) as error:
            raise Unreachable(f"The screen of {screen.desktop.name} did not let the gateway in.") from error
        yield Line(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class View:
    """One person at one screen, until they leave, it ends, or they may not go on."""

    def __init__(self, websocket: WebSocket, screen: Screen, line: Line, news: Subscription) -> None:
        self._websocket, self._line, self._news = websocket, line, news
        self._words = ClientWords(may_act=screen.mode is Mode.CONTROL)
        self._heard = bytearray()
        self._touched_at = monotonic()
        self._is_greeted = asyncio.Event()

    async def serve(self, check: Check, keep: Callable[[], Awaitable[None]] | None) -> None:
        """Carry bytes both ways; `check` is asked when something happens to the desktop, and again and again."""
        chosen = next((each for each in (PROTOCOL, PLAIN) if each in offered(self._websocket)), None)
        works: list[Work] = [self._carry_in(), self._carry_out(), watch(check), self._follow(check)]
        if keep is not None:
            works.append(self._renew(keep))
        try:
            await self._websocket.accept(subprotocol=chosen)
            await race(self._websocket, works, (Malformed,))
        finally:
            self._news.end()

    async def _carry_in(self) -> int:
        """Greet the viewer as a screen without a password would, then carry what they say."""
        await self._websocket.send_bytes(GREETING)
        if not (await self._hear(len(GREETING))).startswith(b"RFB 003."):
            return MALFORMED
        await self._websocket.send_bytes(bytes([1, NO_PASSWORD]))
        if await self._hear(1) != bytes([NO_PASSWORD]):
            return MALFORMED
        await self._websocket.send_bytes(bytes(4))
        await self._hear(1)
        self._line.writer.write(b"\x01")  # shared, whatever they said: nobody throws the others out
        self._is_greeted.set()
        more = bytes(self._heard)
        while True:
            await self._say(self._words.take(more))
            more = await self._receive()

    async def _carry_out(self) -> int:
        """What the screen shows, until it ends or the viewer takes nothing any more."""
        await self._is_greeted.wait()
        while frame := await self._line.reader.read(CHUNK):
            async with asyncio.timeout(STUCK_S):
                await self._websocket.send_bytes(frame)
        return ENDED

    async def _say(self, words: bytes) -> None:
        if self._words.acted:
            self._words.acted, self._touched_at = 0, monotonic()
        if words:
            self._line.writer.write(words)
            await self._line.writer.drain()

    async def _receive(self) -> bytes:
        """The next message. Raises WebSocketDisconnect, Malformed."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", LEFT))
        if message.get("bytes") is None:
            raise Malformed("a viewer sends bytes")
        return message["bytes"]

    async def _hear(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            while len(self._heard) < count:
                self._heard += await self._receive()
        taken = bytes(self._heard[:count])
        del self._heard[:count]
        return taken

    async def _follow(self, check: Check) -> int:
        """Ask at once when something happened to the desktop, and end with the gateway."""
        async for frames in self._news.batches(RECHECK_S * 10):
            if frames and not await asked(check):
                return OVER
        return RESTART

    async def _renew(self, keep: Callable[[], Awaitable[None]]) -> int:
        """Keep the screen in hand while it is used."""
        while monotonic() - self._touched_at < UNTOUCHED_S:
            try:
                await keep()
            except Exception as error:  # noqa: BLE001 - an outage takes nothing away: the lease is longer
                log.warning("a desktop in hand could not be kept", error=repr(error))
            await asyncio.sleep(LEASE_S / 4)
        return OVER
