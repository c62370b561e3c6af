"""Requests from outside at the program's own routes: ASGI on the agents' loop, its messages over the socket."""

import asyncio
import traceback
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from windlass.contracts.passages import HTTP, OVER, PIECE_BYTES, Said, packed, unpacked
from windlass.host.wire import Message
from windlass.service import ServeAPI

WAITING = 4  # messages that the program has not taken yet
GONE_S = 10.0  # how long a program may go on that nobody hears any more
LINGER_S = 5.0  # for whoever asked to hang up first: what comes after that takes the answer away from them
Result = TypeVar("Result")


class Passage:
    """One request. Lives on the server's loop; the program is called on the agents'."""

    def __init__(self, app: ServeAPI, agents: asyncio.AbstractEventLoop, streams: "Streams") -> None:
        self._app, self._agents = app, agents
        self._reader, self._writer = streams
        self._server = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[Said] = asyncio.Queue(WAITING)
        self._is_answered = False
        self._left: Said | None = None  # what a program hears of somebody who is gone

    async def serve(self, asked: Message) -> None:
        """Have the program answer, then hang up."""
        reading = asyncio.create_task(self._read(asked["op"]))
        called = asyncio.run_coroutine_threadsafe(self._call(_scope(asked)), self._agents)
        answering = asyncio.ensure_future(asyncio.wrap_future(called))
        try:
            await asyncio.wait([reading, answering], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():  # nobody listens any more
                await asyncio.wait([answering], timeout=GONE_S)
            error = await answering if answering.done() else None
            await self._write(packed({"type": OVER, "error": error}))
            self._is_answered = True
            while not self._arrived.empty():
                self._arrived.get_nowait()  # what the program did not want to hear
            await asyncio.wait([reading], timeout=LINGER_S)
        except OSError:
            pass  # whoever asked is gone
        finally:
            called.cancel()
            reading.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)

    async def _call(self, scope: Said) -> str | None:
        """What the program does, on its own loop; the name of what went wrong."""
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 (the edge of foreign code: whoever asked is told)
            if self._left is not None:
                return None  # nobody listens any more
            traceback.print_exc()
            return type(error).__name__
        return None

    async def _receive(self) -> Said:
        return await self._on_server(self._next())

    async def _next(self) -> Said:
        return self._left if self._left is not None and self._arrived.empty() else await self._arrived.get()

    async def _send(self, message: Any) -> None:
        body: bytes = message.get("body") or b""
        shown = {name: value for name, value in message.items() if name not in ("body", "bytes", "text")}
        if "headers" in shown:
            shown["headers"] = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in shown["headers"]]
        if message["type"] == "websocket.send":
            text = message.get("text")
            body = message.get("bytes") or b"" if text is None else text.encode()
            await self._on_server(self._write(packed({**shown, "is_text": text is not None}, body)))
            return
        while len(body) > PIECE_BYTES:
            await self._on_server(self._write(packed({**shown, "more_body": True}, body[:PIECE_BYTES])))
            body = body[PIECE_BYTES:]
        await self._on_server(self._write(packed(shown, body)))

    async def _on_server(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something where the connection lives, and wait for it."""
        done: Awaitable[Result] = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._server))
        return await done

    async def _write(self, written: bytes) -> None:
        """Say it once there is room. Raises OSError when nobody listens."""
        if self._left is not None or self._writer.is_closing():
            raise ConnectionResetError("whoever asked has hung up")
        self._writer.write(written)
        await self._writer.drain()

    async def _read(self, op: str) -> None:
        """What arrives, to the end; more only when the program has taken what there is."""
        try:
            while line := await self._reader.readline():
                said = unpacked(line)
                body = await self._reader.readexactly(said.pop("size"))
                if not self._is_answered:
                    await self._arrived.put(_message(said, body))
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # the other side is gone, or says what nobody understands
        self._left = {"type": "http.disconnect"} if op == HTTP else {"type": "websocket.disconnect", "code": 1006}
        if not self._arrived.full():
            self._arrived.put_nowait(self._left)  # for a program that waits


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _scope(asked: Message) -> Said:
    """The request as the program sees it. Raises ValueError."""
    said: Said = asked["scope"]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said["headers"]]
    raw = {name: str(said[name]).encode("latin-1") for name in ("raw_path", "query_string")}
    return {**said, **raw, "headers": headers, "type": asked["op"], "asgi": {"version": "3.0", "spec_version": "2.4"}}


def _message(said: Said, body: bytes) -> Said:
    """A message as the program takes it."""
    if said["type"] == "http.request":
        return {**said, "body": body}
    if said["type"] == "websocket.receive":
        is_text = said.pop("is_text")
        return {**said, "text": body.decode()} if is_text else {**said, "bytes": body}
    return said
