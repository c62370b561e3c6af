"""Claude through the Messages API: text as it comes, and the provider's errors in our own words."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from activities.models import SILENCE, ModelError, ModelRequest, Piece, Pulse, Reply, Started, Text
from windlass.core.prices import Tokens

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic, AsyncStream
    from anthropic.types import MessageParam, RawMessageStreamEvent, ToolUnionParam

STANDIN_HEADER = "x-windlass-standin"
CONNECT_S = 10.0
LONGEST_WAIT = timedelta(minutes=15)
TOO_LONG = ("prompt is too long", "exceed context limit")  # the provider has no code for it, only these sentences
STATUS_TYPES = {401: "Auth", 403: "Auth", 404: "ModelNotFound", 413: "ContextWindow", 429: "RateLimited"}
STREAM_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 403,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class ClaudeMessages:
    """The Messages API. Never retries by itself: whoever calls owns attempts, waits and cancels."""

    def __init__(self, api_key: str, base_url: str | None = None, *, standin: bool = False) -> None:
        self._api_key, self._base_url, self._standin = api_key, base_url, standin
        self._client: AsyncAnthropic | None = None
        self._connecting = asyncio.Lock()

    async def aclose(self) -> None:
        """Give the connections back."""
        if self._client is not None:
            await self._client.close()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece]:
        """Ask once and yield the answer as it comes; closing the generator hangs up."""
        client = await self._connected()
        stream = await open_stream(client, request)
        try:
            answer = Answer(standin=self._standin or STANDIN_HEADER in stream.response.headers)
            async with aclosing(read_events(stream)) as events:
                async for event in events:
                    yield answer.take(event)
            yield answer.reply()
        finally:
            await stream.close()

    async def _connected(self) -> "AsyncAnthropic":
        """The client, made at the first call: importing the SDK takes a second and 55 MiB."""
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(connect, self._api_key, self._base_url)
            return self._client


def connect(api_key: str, base_url: str | None) -> "AsyncAnthropic":
    """Make the SDK's client; without retries, which would hide attempts and delay a cancel."""
    from anthropic import AsyncAnthropic, Timeout  # noqa: PLC0415  (heavy: only processes that ask Claude pay for it)

    timeout = Timeout(CONNECT_S, read=SILENCE.total_seconds())
    return AsyncAnthropic(api_key=api_key, base_url=base_url, max_retries=0, timeout=timeout)


async def open_stream(client: "AsyncAnthropic", request: ModelRequest) -> "AsyncStream[RawMessageStreamEvent]":
    """Send the question; raise what the answer's status means."""
    from anthropic import APIConnectionError, APIStatusError, omit  # noqa: PLC0415  (as above)

    try:
        return await client.messages.create(
            model=request.model,
            max_tokens=request.max_tokens,
            system=request.system or omit,
            messages=cast("list[MessageParam]", request.messages) or [{"role": "user", "content": request.prompt}],
            tools=cast("list[ToolUnionParam]", request.tools) or omit,
            extra_headers={"anthropic-beta": request.beta} if request.beta else None,
            stream=True,
        )
    except APIStatusError as error:
        raise status_error(error) from error
    except APIConnectionError as error:
        message = f"The model provider cannot be reached: {error.__cause__ or error}."
        raise ModelError("Unreachable", message, retryable=True) from error


async def read_events(stream: "AsyncStream[RawMessageStreamEvent]") -> AsyncGenerator[dict[str, Any]]:
    """The raw events, pings included (the SDK drops them, and they are signs of life)."""
    from httpx2 import HTTPError, StreamError  # noqa: PLC0415  (as above)

    try:
        async for event in stream.raw_events(stream.response):
            if event.data:
                yield json.loads(event.data)
    except (HTTPError, StreamError, ValueError) as error:
        message = f"The answer broke off: {error or type(error).__name__}."
        raise ModelError("CutStream", message, retryable=True) from error


@dataclass(slots=True)
class Answer:
    """The answer while it comes in."""

    standin: bool
    model: str = ""
    stop_reason: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    texts: list[str] = field(default_factory=list[str])
    blocks: "list[Block]" = field(default_factory=list["Block"])
    is_complete: bool = False

    def take(self, event: dict[str, Any]) -> Piece:
        """Take one event of the stream and say what it means to a reader."""
        match event:
            case {"type": "message_start", "message": {"model": model, "usage": usage}}:
                self.model, self.tokens = model, read_tokens(self.tokens, usage)
                return Started(self.model, self.tokens, self.standin)
            case {"type": "content_block_start", "content_block": block}:
                self.blocks.append(Block(block))
            case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}:
                self.texts.append(text)
                self.blocks[-1].parts.append(text)
                return Text(text)
            case {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": part}}:
                self.blocks[-1].parts.append(part)
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                self.stop_reason = delta.get("stop_reason") or self.stop_reason
                self.tokens = read_tokens(self.tokens, usage)
            case {"type": "message_stop"}:
                self.is_complete = True
            case {"type": "error"}:
                raise stream_error(event)
            case _:
                pass
        return Pulse()

    def reply(self) -> Reply:
        """The whole answer; an answer without its end is a cut one."""
        if not self.is_complete:
            raise ModelError("CutStream", "The answer ended without its last event.", retryable=True)
        content = tuple(block.whole() for block in self.blocks if block.is_kept)
        return Reply("".join(self.texts), self.model, self.stop_reason, self.tokens, self.standin, content)


@dataclass(slots=True)
class Block:
    """A block of the answer: how it was opened, and what has come since."""

    opening: dict[str, Any]
    parts: list[str] = field(default_factory=list[str])

    @property
    def is_kept(self) -> bool:
        """Whether it belongs into the next request: what was thought does not, and an empty text is refused."""
        return self.opening["type"] == "tool_use" or (self.opening["type"] == "text" and any(self.parts))

    def whole(self) -> dict[str, Any]:
        """The block as the next request repeats it. An input that is no object, as one that breaks off, is empty."""
        if self.opening["type"] == "text":
            return {"type": "text", "text": "".join(self.parts)}
        try:
            given = json.loads("".join(self.parts) or "{}")
        except ValueError:
            given = None
        whole = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        return {"type": "tool_use", "id": self.opening["id"], "name": self.opening["name"], "input": whole}


def read_tokens(known: Tokens, usage: Mapping[str, Any]) -> Tokens:
    """Bring the counts up to date; later events repeat only some of them."""
    names = {
        "input": "input_tokens",
        "output": "output_tokens",
        "cache_read": "cache_read_input_tokens",
        "cache_write": "cache_creation_input_tokens",
    }
    return replace(known, **{ours: usage[theirs] for ours, theirs in names.items() if usage.get(theirs) is not None})


def status_error(error: "APIStatusError") -> ModelError:
    """Put an HTTP error in our words; the header `x-should-retry` wins over the status."""
    headers = cast(Mapping[str, str], error.response.headers)
    asked = headers.get("x-should-retry", "").lower()
    retryable = asked == "true" or (asked != "false" and is_retryable(error.status_code))
    message = f"{error.api_message or error.message} (status {error.status_code}, request {error.request_id})"
    wait = retry_after_s(headers, datetime.now(UTC)) if retryable else None
    return ModelError(error_type(error.status_code, message), message, retryable=retryable, retry_after_s=wait)


def stream_error(event: Mapping[str, Any]) -> ModelError:
    """Put an error sent inside a stream in our words: by its type, as the status was already 200."""
    body = cast(Mapping[str, Any], event.get("error") or {})
    message = f"{body.get('message')} ({body.get('type')})"
    status = STREAM_STATUSES.get(str(body.get("type")), 500)
    return ModelError(error_type(status, message), message, retryable=is_retryable(status))


def is_retryable(status: int) -> bool:
    """Whether asking again may help."""
    return status in {408, 409, 429} or status >= 500


def error_type(status: int, message: str) -> str:
    """Our name for a status."""
    if status == 400 and any(words in message for words in TOO_LONG):
        return "ContextWindow"
    if status == 529:
        return "Overloaded"
    return STATUS_TYPES.get(status, "ProviderFailed" if is_retryable(status) else "BadRequest")


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the provider asks to wait, in 0 to 15 minutes: milliseconds, seconds or an HTTP date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return clamp(float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        return clamp((parsedate_to_datetime(headers["retry-after"]) - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def clamp(seconds: float) -> float | None:
    """Keep a wait within its bounds; what is no number is no wait."""
    return min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()) if seconds == seconds else None  # noqa: PLR0124  (NaN)
