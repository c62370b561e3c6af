"""What may come in: 1 MiB, or a script of a desktop, in 30 seconds; and JSON neither too deep nor unstorable."""

import asyncio
import re
from dataclasses import dataclass

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BadRequest, TooLarge, TooSlow
from api.uploads import is_upload, spill
from windlass.core.desktops import MOST_SCRIPT_BYTES, TOO_LONG
from windlass.core.errors import Invalid

LIMIT_BYTES = 1024 * 1024
SCRIPT_BYTES = 4 * MOST_SCRIPT_BYTES  # as JSON, as a form or in base64, whatever signs it is made of
SCRIPTS = re.compile(r"(/v1|/compat/desktops/v1)?/(desktops|workers)/[^/]+/tasks")
DOCUMENTS, DOCUMENT_BYTES = "/v1/exchange/import", 8 << 20  # whole organisations
PATIENCE_S = 30.0
DEPTH = 64
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)  # one that is not closed goes to the end
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# What the standard library may take though it is no JSON: a NUL is UTF-16, and 200 digits may be infinity.
DOUBTFUL = re.compile(rb"\\u|\0|NaN|Infinity|[eE]\+?[0-9]{3}|(?<![0-9])[0-9]{200}")
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Most:
    """How much is taken, and what is said to more."""

    size_bytes: int
    words: str


@dataclass(frozen=True, slots=True)
class Bodies:
    """Reads the whole body before anything else sees the request; it waits in `request.state.body`."""

    app: ASGIApp
    limit_bytes: int = LIMIT_BYTES
    patience_s: float = PATIENCE_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        check_address(scope)
        if scope["method"] in WITHOUT_BODY or is_upload(scope):
            await self.app(scope, receive, send)
            return
        body = await self._read(scope, receive)
        check_json(Headers(scope=scope).get("content-type", ""), body)
        scope["state"]["body"] = body
        await self.app(scope, _replayed(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        declared = Headers(scope=scope).get("content-length", "")
        most = self._most(scope)
        if declared.isdigit() and int(declared) > most.size_bytes:
            if "expect" not in Headers(scope=scope):
                await spill(receive)
            raise TooLarge(most.words)
        try:
            async with asyncio.timeout(self.patience_s):
                return await _collect(receive, most)
        except TimeoutError:
            raise TooSlow(f"The body did not arrive within {self.patience_s:g} seconds.") from None

    def _most(self, scope: Scope) -> Most:
        if SCRIPTS.fullmatch(scope["path"]):
            return Most(SCRIPT_BYTES, TOO_LONG)
        if scope["path"] == DOCUMENTS:
            return Most(DOCUMENT_BYTES, f"A document of an organisation has at most {DOCUMENT_BYTES >> 20} MiB.")
        return Most(self.limit_bytes, f"A body has at most {self.limit_bytes} bytes. Files are uploaded as files.")


async def _collect(receive: Receive, most: Most) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The client went away before the body was complete.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most.size_bytes:
            parts.clear()
            await spill(receive)
            raise TooLarge(most.words)
        if not message.get("more_body", False):
            return b"".join(parts)


def check_address(scope: Scope) -> None:
    """Refuse an address with a NUL or with bytes that are not UTF-8: no stored text holds those."""
    if "\0" in scope["path"] or b"%00" in scope["query_string"] or "\ufffd" in scope["path"]:
        raise BadRequest("The address holds a character that is not text.")


def check_json(content_type: str, body: bytes) -> None:
    """Refuse JSON that is too deep to read or holds what cannot be stored. Raises BadRequest, Invalid."""
    if not body or "json" not in content_type:
        return
    if body.count(b"[") + body.count(b"{") > DEPTH and _depth(body) > DEPTH:
        raise BadRequest(f"The JSON is nested deeper than {DEPTH} levels.")
    if not DOUBTFUL.search(body) and _is_utf8(body):
        return
    if NUL.search(body):
        raise Invalid("Text must not hold the character U+0000.")
    try:
        orjson.loads(body)  # it refuses half surrogate pairs, numbers that are none, and what is not UTF-8
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error}.") from error


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for mark in re.findall(rb"[\[\]{}]", TEXT.sub(b"", body)):
        depth += 1 if mark in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
