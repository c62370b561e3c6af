"""Calls to a model: the port, and the executor that drives one call from its first token to its record."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from time import perf_counter
from typing import Any, Protocol

from windlass.contracts.agents import DEFAULT_MAX_TOKENS, DEFAULT_MODEL
from windlass.contracts.events import EventKind, Payload
from windlass.core import prices
from windlass.core.prices import Tokens
from windlass.core.provider import Seen

SILENCE = timedelta(minutes=15)
CANCELLED = "cancelled"


class ModelError(Exception):
    """A model call failed; `type` is stable, `retry_after_s` is what the provider asked for."""

    def __init__(self, type_: str, message: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.type, self.retryable, self.retry_after_s = type_, retryable, retry_after_s


class CallCancelled(Exception):
    """The call was stopped because somebody cancelled it."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model."""

    prompt: str
    system: str | None = None
    model: str = DEFAULT_MODEL
    max_tokens: int = DEFAULT_MAX_TOKENS
    messages: tuple[Payload, ...] = ()
    """A whole conversation in the provider's form, in place of the prompt."""
    tools: tuple[Payload, ...] = ()
    beta: str | None = None

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> "ModelRequest":
        """Read the checked inputs of the agent `claude`; what was left empty gets its default."""
        return cls(
            prompt=str(inputs["prompt"]),
            system=str(inputs["system"]) if inputs.get("system") else None,
            model=str(inputs.get("model") or DEFAULT_MODEL),
            max_tokens=int(inputs.get("max_tokens") or DEFAULT_MAX_TOKENS),
        )


@dataclass(frozen=True, slots=True)
class Started:
    """The model took the question: from here on it is paid for."""

    model: str
    tokens: Tokens
    standin: bool


@dataclass(frozen=True, slots=True)
class Text:
    """The next words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """A sign of life with nothing to show."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The finished answer; a refusal or an answer cut at `max_tokens` is one too, its `stop_reason` says so."""

    text: str
    model: str
    stop_reason: str
    tokens: Tokens
    standin: bool
    content: tuple[Payload, ...] = ()
    """The blocks of an answer that may use tools, in the provider's form."""


Piece = Started | Text | Pulse | Reply


class Model(Protocol):
    """Whatever answers a question piece by piece: the provider, the stand-in, another vendor."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Piece]:
        """Yield `Started`, then text and signs of life, last the `Reply`; raise `ModelError`."""
        ...


class CallLog(Protocol):
    """Where a call reports to."""

    async def emit(self, kind: EventKind, payload: Payload) -> None:
        """Add a durable event."""
        ...

    async def delta(self, item: str, ord: int, text: str) -> None:
        """Show words of an unfinished message; they may be lost, the message replaces them."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One attempt to get one message; `item` names the message within its stream."""

    request: ModelRequest
    item: str = "message"
    attempt: int = 1


class ClaudeExecutor:
    """Drives one call: text out as it comes, the message and its usage on record at the end."""

    def __init__(
        self,
        model: Model,
        today: Callable[[], date],
        silence: timedelta = SILENCE,
        seen: Callable[[Seen], None] = lambda seen: None,
    ) -> None:
        self._model, self._today, self._silence, self._seen = model, today, silence, seen

    async def run(self, call: ModelCall, log: CallLog, cancelled: asyncio.Event) -> Reply:
        """Return the answer. The second time asks the model again, under a higher attempt.

        Raises `CallCancelled` soon after `cancelled` is set, and `ModelError`; what was said until a cancel is kept
        as a message, and what was used until either is recorded, because it is paid for.
        """
        partial = Partial(call)
        stopping = asyncio.create_task(cancelled.wait())
        try:
            async with aclosing(self._model.stream(call.request)) as pieces:
                while not isinstance(piece := await self._next(pieces, stopping), Reply):
                    await self._take(piece, partial, log)
        except ModelError as error:
            self._seen(partial.seen(error.type))
            await self._record_usage(partial.reply(""), log)
            raise
        except CallCancelled:
            self._seen(partial.seen())
            await self._record(call, partial.reply(CANCELLED), log)
            raise
        finally:
            stopping.cancel()
        self._seen(partial.seen())
        await self._record(call, piece, log)
        return piece

    async def _next(self, pieces: AsyncGenerator[Piece], stopping: "asyncio.Task[Any]") -> Piece:
        """The next piece; whoever waits for it stops waiting on a cancel or after a long silence."""
        coming = asyncio.ensure_future(anext(pieces))
        try:
            await asyncio.wait((coming, stopping), timeout=self._silence.total_seconds(), return_when="FIRST_COMPLETED")
            if stopping.done():
                raise CallCancelled
            if coming.done():
                return coming.result()
            message = f"The model was silent for {self._silence.total_seconds():.0f} s."
            raise ModelError("Stale", message, retryable=True)
        finally:
            if coming.cancel():
                await asyncio.gather(coming, return_exceptions=True)

    async def _take(self, piece: Piece, partial: "Partial", log: CallLog) -> None:
        match piece:
            case Started():
                partial.started = piece
            case Text(text):
                await log.delta(partial.call.item, len(partial.texts), text)
                partial.add(text)
            case _:
                pass

    async def _record(self, call: ModelCall, reply: Reply, log: CallLog) -> None:
        """Add the message and what it used; nothing when the model never began."""
        if not reply.model:
            return
        message: Payload = {
            "role": "assistant",
            "text": reply.text,
            "model": reply.model,
            "stop_reason": reply.stop_reason,
            "item": call.item,
            "attempt": call.attempt,
            "standin": reply.standin,
        }
        if call.request.tools:
            message["content"] = list(reply.content)
        await log.emit(EventKind.MESSAGE, message)
        await self._record_usage(reply, log)

    async def _record_usage(self, reply: Reply, log: CallLog) -> None:
        if reply.model:
            await log.emit(EventKind.USAGE, usage_payload(reply, self._today()))


class Partial:
    """What is known of an answer that is still coming."""

    def __init__(self, call: ModelCall) -> None:
        self.call = call
        self.started = Started(model="", tokens=Tokens(), standin=False)
        self.texts: list[str] = []
        self._asked_at, self._asked = datetime.now(UTC), perf_counter()
        self._first_ms: int | None = None

    def add(self, text: str) -> None:
        """The next words have come."""
        if self._first_ms is None:
            self._first_ms = round((perf_counter() - self._asked) * 1000)
        self.texts.append(text)

    def seen(self, error: str | None = None) -> Seen:
        """What this answer says about the provider."""
        return Seen(self._asked_at, self.started.standin, error, self._first_ms)

    def reply(self, stop_reason: str) -> Reply:
        """The answer as far as it came."""
        begun = self.started
        return Reply("".join(self.texts), begun.model, stop_reason, begun.tokens, begun.standin)


def usage_payload(reply: Reply, on: date) -> Payload:
    """The `usage` event of an answer; an answer of the stand-in costs nothing, an unlisted model nobody knows what."""
    priced = prices.cost(reply.model, reply.tokens, on)
    cost_usd = Decimal(0) if reply.standin else priced.usd if priced else None
    return {
        "model": reply.model,
        "input_tokens": reply.tokens.input,
        "output_tokens": reply.tokens.output,
        "cache_read_tokens": reply.tokens.cache_read,
        "cache_write_tokens": reply.tokens.cache_write,
        "cost_usd": None if cost_usd is None else f"{cost_usd.normalize():f}",
        "price_date": priced.price_date.isoformat() if priced else None,
    }
