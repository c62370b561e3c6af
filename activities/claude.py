"""Runs of the built-in agent `claude`: one model call, executed inside the driving activity itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

from activities.executors import Began, Ended, Report, Reported, TryAgain, Writing
from activities.models import CANCELLED, CallCancelled, ClaudeExecutor, ModelCall, ModelError, ModelRequest, Reply
from windlass.contracts.agents import CLAUDE_DESCRIPTION, CLAUDE_SUMMARY
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.runs import DriveEnd
from windlass.core.events import Events
from windlass.core.executions import Attached

TRIES = 6
PAUSE_FIRST_S, PAUSE_LAST_S = 1.0, 60.0


class ClaudeRuns:
    """Executes runs of `claude`; an answer that is on record is never asked for again."""

    def __init__(self, executor: ClaudeExecutor, events: Events) -> None:
        self._executor = executor
        self._events = events

    async def open(self, attached: Attached, attempt: int) -> "ClaudeExecution":
        """Ask the model, unless the run's answer was stored before its driver died."""
        messages = await self._events.read(attached.tenant_id, attached.run_id, kinds=[EventKind.MESSAGE])
        stored = [message.payload for message in messages if message.payload["stop_reason"] != CANCELLED]
        return ClaudeExecution(self._executor, attached, attempt, stored[-1] if stored else None)

    async def stop(self, attached: Attached) -> None:
        """Nothing runs when nobody drives it."""


class ClaudeExecution:
    """One try at one answer."""

    def __init__(self, executor: ClaudeExecutor, attached: Attached, attempt: int, stored: Payload | None) -> None:
        self._executor = executor
        self._attached = attached
        self._attempt = attempt
        self._stored = stored
        self._cancelled = asyncio.Event()
        self._call: asyncio.Task[None] | None = None
        self._queue: asyncio.Queue[Report | Exception] = asyncio.Queue(1000)
        self._count = 0

    async def reports(self) -> AsyncIterator[Report]:
        """What the model says, up to its end. Raises TryAgain."""
        yield Began({"summary": CLAUDE_SUMMARY, "description": CLAUDE_DESCRIPTION, "entry_point": "claude"})
        if self._stored is not None:
            yield Ended(DriveEnd.FINISHED, _value(str(self._stored["text"])))
            return
        self._call = asyncio.create_task(self._ask())
        while True:
            report = await self._queue.get()
            if isinstance(report, Exception):
                raise report
            yield report
            if isinstance(report, Ended):
                return

    async def acknowledge(self, stored: Mapping[str, int]) -> None:
        """Nothing is kept for a second sending: what is not stored is asked for again."""

    async def stop(self) -> None:
        """End the call; what was said until now is kept."""
        self._cancelled.set()

    async def answer(self, questions: Sequence[Payload]) -> None:
        """Nothing: a prompt asks nobody anything."""

    async def settle(self) -> None:
        """Nothing to forget."""

    async def close(self) -> None:
        """Hang up."""
        if self._call is not None:
            self._call.cancel()
            with suppress(asyncio.CancelledError):
                await self._call

    async def emit(self, kind: EventKind, payload: Payload) -> None:
        """Report a durable event of the call."""
        self._count += 1
        producer = f"claude:{self._attached.epoch}"
        await self._queue.put(Reported(NewEvent(kind, payload, producer, self._count)))

    async def delta(self, item: str, ord: int, text: str) -> None:
        """Report words of an unfinished message."""
        await self._queue.put(Writing(item, ord, text))

    async def _ask(self) -> None:
        try:
            request = ModelRequest.from_inputs(self._attached.record["inputs"])
            call = ModelCall(request, attempt=self._attached.epoch or 1)
            reply = await self._executor.run(call, self, self._cancelled)
            await self._queue.put(_ended(reply))
        except CallCancelled:
            await self._queue.put(Ended(DriveEnd.CANCELLED))
        except ModelError as error:
            await self._fail(error)
        except Exception as error:  # noqa: BLE001 - handed to the reader, who would wait for ever
            await self._queue.put(error)

    async def _fail(self, error: ModelError) -> None:
        if not error.retryable or self._attempt >= TRIES:
            failure: Payload = {"type": error.type, "message": str(error)}
            await self._queue.put(Ended(DriveEnd.FAILED, error=failure, retryable=error.retryable))
            return
        delay_s = error.retry_after_s
        if delay_s is None:
            delay_s = min(PAUSE_FIRST_S * 2 ** (self._attempt - 1), PAUSE_LAST_S)
        text = f"{error} Attempt {self._attempt + 1} of {TRIES} follows in {delay_s:g} s."
        await self.emit(EventKind.LOG, {"level": "warning", "text": text, "attempt": self._attempt})
        expected = error.type in ("RateLimited", "Overloaded")
        await self._queue.put(TryAgain(error.type, str(error), delay_s=delay_s, is_expected=expected))


def _ended(reply: Reply) -> Ended:
    return Ended(DriveEnd.FINISHED, _value(reply.text))


def _value(text: str) -> Payload:
    """An answer is Markdown."""
    return {"Markdown": {"body": text}}
