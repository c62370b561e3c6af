"""`Idempotency-Key` on every POST but `/v1/auth/*`: the first request runs, the others get its answer."""

import asyncio
import re
from dataclasses import dataclass, field
from time import monotonic

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.authentication import caller_if_any
from api.errors import BadRequest
from api.uploads import is_upload
from windlass.core.callers import Caller
from windlass.core.errors import Invalid, TooMany
from windlass.core.idempotency import Claim, ClaimState, Idempotency

SIGNING_IN = (  # tokens are never kept
    "/v1/auth/",
    "/compat/desktops/v1/user/",
    "/compat/agent-api/api/v1/auth/",
    "/compat/kayos/api/v1/auth/",
    "/compat/kodosumi/login",
    "/compat/kodosumi/api/login",
)
STREAM = "text/event-stream"
HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
GOOD_KEY = re.compile(r"[\x21-\x7e]{1,255}")
PATIENCE_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.01, 0.2
LARGEST_ANSWER = 256 * 1024
KEPT_HEADERS = ("content-type", "location")


class StillRunning(TooMany):
    """The first request with this key has not ended yet."""

    status = 409
    title = "Still running"


@dataclass(slots=True)
class _Answer:
    """The answer of the application on its way out."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    parts: list[bytes] = field(default_factory=list[bytes])
    size_bytes: int = 0

    @property
    def is_kept(self) -> bool:
        """Only what had an effect is kept; an error may be tried again, and a stream is told again."""
        return 200 <= self.status < 300 and not self.is_stream and self.size_bytes <= LARGEST_ANSWER

    @property
    def is_stream(self) -> bool:
        """Whether it tells what is on record: a stream that broke off is told again from there."""
        return self.headers.get("content-type", "").startswith(STREAM)

    def add(self, part: bytes) -> None:
        """Remember a part, as long as the whole may be kept: what a service of somebody's answers has any size."""
        self.size_bytes += len(part)
        if self.is_kept:
            self.parts.append(part)
        else:
            self.parts.clear()

    def packed(self) -> bytes:
        """Headers and body as one value."""
        return orjson.dumps(self.headers) + b"\n" + b"".join(self.parts)


@dataclass(frozen=True, slots=True)
class IdempotentPosts:
    """Runs a POST with a key once, and answers its repetitions from memory."""

    app: ASGIApp
    patience_s: float = PATIENCE_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        key = Headers(scope=scope).get(HEADER) if _is_covered(scope) else None
        caller = await caller_if_any(HTTPConnection(scope)) if key is not None else None
        if key is None or caller is None:
            await self.app(scope, receive, send)
            return
        if not GOOD_KEY.fullmatch(key):
            raise BadRequest("An Idempotency-Key has 1 to 255 printable characters without spaces.")
        claim = await self._claim(scope, caller, key)
        if claim.state is ClaimState.DONE:
            await _replay(claim, send)
            return
        scope["state"]["request_uuid"] = claim.id
        await self._run(scope, receive, send, caller, key)

    async def _claim(self, scope: Scope, caller: Caller, key: str) -> Claim:
        store: Idempotency = scope["state"]["idempotency"]
        asked = b"\0".join([scope["method"].encode(), scope["raw_path"], scope["query_string"], scope["state"]["body"]])
        give_up, wait = monotonic() + self.patience_s, FIRST_WAIT_S
        while (claim := await store.claim(caller, key, asked)).state is ClaimState.BUSY:
            if monotonic() > give_up:
                raise StillRunning("The first request with this Idempotency-Key is still running.", 1)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)
        if claim.state is ClaimState.OTHER:
            raise Invalid("This Idempotency-Key was used for another request. Take a new one.")
        return claim

    async def _run(self, scope: Scope, receive: Receive, send: Send, caller: Caller, key: str) -> None:
        store: Idempotency = scope["state"]["idempotency"]
        answer = _Answer()

        async def kept(message: Message) -> None:
            """Hold the answer back until it is stored: who hears it may rely on the key."""
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                answer.status = message["status"]
                answer.headers = {name: headers[name] for name in KEPT_HEADERS if name in headers}
            elif message["type"] == "http.response.body":
                answer.add(message.get("body", b""))
                if not message.get("more_body", False) and answer.is_kept:
                    await store.keep(caller, key, answer.status, answer.packed())
            await send(message)

        holding = asyncio.create_task(store.hold(caller, key))
        try:
            await self.app(scope, receive, kept)
        finally:
            holding.cancel()
            if not answer.is_kept:
                await store.release(caller, key)


def _is_covered(scope: Scope) -> bool:
    """Whether a key counts: not for files either, which are kept by their content and so once in any case."""
    is_post = scope["type"] == "http" and scope["method"] == "POST"
    return is_post and not scope["path"].startswith(SIGNING_IN) and not is_upload(scope)


async def _replay(claim: Claim, send: Send) -> None:
    if claim.answer is None:
        raise Invalid("The answer to this Idempotency-Key cannot be read any more. The request was done.")
    packed, _, body = claim.answer.partition(b"\n")
    message: Message = {"type": "http.response.start", "status": claim.status, "headers": []}
    headers = MutableHeaders(scope=message)
    headers.update(orjson.loads(packed))
    headers["content-length"] = str(len(body))
    headers[REPLAYED] = "true"
    await send(message)
    await send({"type": "http.response.body", "body": body})
