"""The stand-in's HTTP server: written on asyncio alone, because it idles beside every stack without a key."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from stack.standin.answers import Answer, compose, count_tokens, message, stream_events
from stack.standin.refusals import Refused, error_body
from stack.standin.scripts import Json, Step, find_step

HOST = "127.0.0.1"
LABEL = "x-windlass-standin"
MAX_BODY_BYTES = 32 * 1024 * 1024  # the provider's own limit
REMEMBERED_REQUESTS = 1_000
SCRIPT_MISTAKES = (TypeError, ValueError, KeyError, AttributeError)
GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body already JSON; `digest` is the same for equal bodies."""

    method: str
    path: str
    body: Json
    digest: str


async def listen(port: int, host: str = HOST) -> asyncio.Server:
    """Start serving, on loopback unless told otherwise; port 0 picks a free one."""
    troubles: OrderedDict[str, int] = OrderedDict()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(reader, writer, troubles).serve()

    return await asyncio.start_server(connected, host, port)


class Connection:
    """One request and its answer; every connection is closed after it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, troubles: OrderedDict[str, int]
    ) -> None:
        self._reader, self._writer, self._troubles = reader, writer, troubles

    async def serve(self) -> None:
        """Answer the request; a client that leaves ends it."""
        try:
            await self._answer(await self._read())
        except Refused as refused:
            await self._json(refused.status, refused.body, refused.headers)
        except GONE:
            return
        finally:
            self._writer.close()

    async def _read(self) -> Request:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, _, rest = head.partition("\r\n")
        method, _, target = first.partition(" ")
        pairs = (line.partition(":") for line in rest.split("\r\n"))
        size = next((value.strip() for name, _, value in pairs if name.strip().lower() == "content-length"), "0")
        if not size.isdecimal() or int(size) > MAX_BODY_BYTES:
            raise Refused(413, f"The request has {size} bytes; the limit is {MAX_BODY_BYTES}.")
        raw = await self._reader.readexactly(int(size))
        try:
            body = json.loads(raw or b"{}")
        except ValueError as error:
            raise Refused(400, f"The request body is not JSON: {error}.") from error
        if not isinstance(body, dict):
            raise Refused(400, "The request body must be a JSON object.")
        path = target.partition(" ")[0].partition("?")[0]
        return Request(method, path, cast(Json, body), hashlib.sha256(raw).hexdigest())

    async def _answer(self, request: Request) -> None:
        match request.method, request.path:
            case "POST", "/v1/messages":
                await self._message(request)
            case "POST", "/v1/messages/count_tokens":
                await self._json(200, {"input_tokens": count_tokens(request.body)})
            case "GET", "/health":
                await self._json(200, {"status": "pass"})
            case _:
                raise Refused(404, f"There is no {request.method} {request.path}.")

    async def _message(self, request: Request) -> None:
        check_body(request.body)
        try:
            step = self._due(request)
            answer = compose(step, request.body, request.digest)
            delay = float(step.delay)
            float(step.chunk_delay)
        except SCRIPT_MISTAKES as error:
            raise Refused(400, f"The script cannot be followed: {error}.") from error
        await self._pause(delay)
        check_window(step, request.body)
        check_sight(step, request.body)
        check_status(step)
        if request.body.get("stream"):
            await self._stream(step, answer)
        elif step.breaks_after is not None:
            await self._break(step)
        else:
            await self._json(200, message(answer))

    def _due(self, request: Request) -> Step:
        """The step that is due, without its trouble once that was met often enough."""
        step = find_step(request.body)
        if step.times is None:
            return step
        met = self._troubles.pop(request.digest, 0)
        self._troubles[request.digest] = met + 1
        while len(self._troubles) > REMEMBERED_REQUESTS:
            self._troubles.popitem(last=False)
        return step if met < step.times else step.without_trouble()

    async def _stream(self, step: Step, answer: Answer) -> None:
        await self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        pieces, breaks_after = 0, step.breaks_after
        async for event in self._paced(step, answer):
            is_next = event["type"] in ("content_block_delta", "content_block_stop")  # to come after the last piece
            if is_next and breaks_after is not None and pieces >= breaks_after:
                await self._break(step)
                return
            await self._event(event)
            pieces += event["type"] == "content_block_delta"
        await self._end()

    async def _paced(self, step: Step, answer: Answer) -> AsyncIterator[Json]:
        for event in stream_events(answer):
            if event["type"] == "content_block_delta":
                await self._pause(step.chunk_delay)
            yield event

    async def _break(self, step: Step) -> None:
        """Go wrong the way the step says."""
        if step.stream_error is not None:
            await self._event(error_body(step.stream_error, step.message))
            await self._end()
        elif step.cut is not None:
            await self._end()
        elif step.hang is not None:
            await self._reader.read()
        else:
            self._writer.transport.abort()

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the client does."""
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._reader.read(), seconds)
        except TimeoutError:
            return
        raise ConnectionResetError

    async def _json(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        sized = {"content-type": "application/json", "content-length": str(len(raw))}
        await self._head(status, sized | (headers or {}))
        await self._write(raw)

    async def _head(self, status: int, headers: dict[str, str]) -> None:
        reason = next((known.phrase for known in HTTPStatus if known == status), "Overloaded")
        sent = {LABEL: "1", "request-id": "req_standin", "connection": "close"} | headers
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in sent.items())]
        await self._write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def _event(self, event: Json) -> None:
        raw = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        await self._write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")

    async def _end(self) -> None:
        await self._write(b"0\r\n\r\n")

    async def _write(self, raw: bytes) -> None:
        self._writer.write(raw)
        await self._writer.drain()


def check_body(body: Json) -> None:
    """Refuse what the provider would refuse."""
    for key in ("model", "max_tokens", "messages"):
        if key not in body:
            raise Refused(400, f"{key}: Field required")
    if not isinstance(body["messages"], list) or not body["messages"]:
        raise Refused(400, "messages: at least one message is required")
    if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 1:
        raise Refused(400, "max_tokens: must be at least 1")


def check_window(step: Step, body: Json) -> None:
    """Refuse what would be too long for a model with this window."""
    size = count_tokens(body["messages"])
    if step.window is not None and size > step.window:
        raise Refused(400, f"prompt is too long: {size} tokens > {step.window} maximum", {}, "invalid_request_error")


def check_sight(step: Step, body: Json) -> None:
    """Refuse files beside words, as a model does that cannot read one of them."""
    blocks = [
        each for message in body["messages"] if isinstance(message["content"], list) for each in message["content"]
    ]
    if step.blind and any(each["type"] in ("image", "document") for each in blocks):
        raise Refused(400, "Could not process image", {}, "invalid_request_error")


def check_status(step: Step) -> None:
    """Answer with the HTTP error a step asks for, if it does."""
    if step.status is None:
        return
    wanted = {
        "retry-after": step.retry_after,
        "retry-after-ms": step.retry_after_ms,
        "x-should-retry": None if step.should_retry is None else str(step.should_retry).lower(),
    }
    headers = {name: str(value) for name, value in wanted.items() if value is not None}
    raise Refused(step.status, step.message, headers, step.error)
