"""A session over a WebSocket: its log as it is written, and what its reader says. Any number read at once."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog
from pydantic import TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.authentication import csrf_token_of_page
from api.duplex import ENDED, LEFT, PROTOCOL, RESTART, RESYNC, STUCK_S, Check, offered, race, token_of, watch
from api.errors import problem_of, translated
from api.middleware.bodies import check_json
from windlass.core.callers import Caller
from windlass.core.errors import FieldError, Forbidden, Invalid
from windlass.core.frames import Frame
from windlass.core.letters import NewMessage
from windlass.core.stream import Subscription

SILENCE_S = 60.0  # the connection's own pings say that both are there

Answer = dict[str, Any]  # JSON for the reader
Act = Callable[[bytes], Awaitable[Answer]]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Word(Protocol):
    """What a reader says."""

    def wish(self) -> NewMessage | None:
        """The message, or None: the turn under way is to end."""
        ...


@dataclass(frozen=True, slots=True)
class Language:
    """How both sides write: what a reader may say, and what they are shown of the log."""

    words: TypeAdapter[Any]
    show: Callable[[Frame], str]

    def read(self, text: bytes) -> Word:
        """What was said. Raises Invalid, BadRequest."""
        check_json("json", text)
        try:
            return self.words.validate_json(text)
        except ValidationError as error:
            wrong = ((".".join(map(str, each["loc"])), each["msg"]) for each in error.errors())
            raise Invalid("Nothing was said.", tuple(FieldError(*each) for each in wrong)) from error


def check_page(websocket: WebSocket, caller: Caller) -> None:
    """Let a page in that shows the token of its session among its protocols. Raises Forbidden."""
    wanted = csrf_token_of_page(websocket, caller)
    if wanted is not None and not hmac.compare_digest(token_of(websocket).encode(), wanted.encode()):
        raise Forbidden("The page is too old or not ours. Nothing was opened; reload it and try again.")


class Dialogue:
    """One reader of one session, until they leave, it is deleted, or they may not go on."""

    def __init__(self, websocket: WebSocket, news: Subscription, show: Callable[[Frame], str]) -> None:
        self._websocket, self._news, self._show = websocket, news, show

    async def serve(self, check: Check, act: Act, is_drained: Callable[[], bool]) -> None:
        """Show what is written from the cursor on, and do what is said, in its order."""
        try:
            await self._websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered(self._websocket) else None)
            await race(self._websocket, [self._tell(is_drained), self._listen(act), watch(check)])
        finally:
            self._news.end()

    async def _tell(self, is_drained: Callable[[], bool]) -> int:
        async for frames in self._news.batches(SILENCE_S):
            for frame in frames:
                await self._send(self._show(frame))
        if self._news.must_resync:
            return RESYNC
        return RESTART if is_drained() else ENDED

    async def _listen(self, act: Act) -> int:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", LEFT))
            text = message.get("bytes") or (message.get("text") or "").encode()
            await self._send(orjson.dumps(await self._answer(text, act)).decode())

    async def _answer(self, text: bytes, act: Act) -> Answer:
        """What comes of a word: that it was taken, or why not. It never ends the connection."""
        try:
            return await act(text)
        except Exception as error:  # the edge: whatever it is, the reader hears of it as a problem
            known = translated(error)
            if known.status >= 500:
                log.error("a word over a socket failed", exc_info=error)
            problem = problem_of(known, self._websocket.url.path, self._websocket.state.request_id)
            return {"type": "problem", "problem": orjson.loads(problem.body())}

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(STUCK_S):
            await self._websocket.send_text(text)
