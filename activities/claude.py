"""Runs of `claude` and of saved agents: one model call, executed inside the driving activity itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

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
    """Executes runs of one prompt; an answer that is on record is never asked for again."""

    def __init__(self, executor: ClaudeExecutor, events: Events) -> None:
        self._executor = executor
        self._events = events

    async def open(self, attached: Attached, attempt: int) -> "ClaudeExecution":
        """Ask the model, unless the run's answer was stored before its driver died."""
        kinds = (EventKind.MESSAGE, EventKind.USAGE)
        known = await self._events.read(attached.tenant_id, attached.run_id, kinds=kinds)
        said = (event.payload for event in known if event.kind is EventKind.MESSAGE)
        stored = [message for message in said if message["stop_reason"] != CANCELLED]
        used = (event.payload for event in known if event.kind is EventKind.USAGE)
        spent = sum((Decimal(str(usage.get("cost_usd") or 0)) for usage in used), Decimal(0))
        return ClaudeExecution(self._executor, attached, attempt, stored[-1] if stored else None, spent)

    async def stop(self, attached: Attached) -> None:
        """Nothing runs when nobody drives it."""


class ClaudeExecution:
    """One try at one answer."""

    def __init__(
        self,
        executor: ClaudeExecutor,
        attached: Attached,
        attempt: int,
        stored: Payload | None,
        spent_usd: Decimal = Decimal(0),
    ) -> None:
        self._executor = executor
        self._attached = attached
        self._attempt = attempt
        self._stored = stored
        self._spent_usd = spent_usd
        self._pinned: dict[str, Any] = attached.record.get("pinned") or {}
        self._cancelled = asyncio.Event()
        self._call: asyncio.Task[None] | None = None
        self._queue: asyncio.Queue[Report | Exception] = asyncio.Queue(1000)
        self._count = 0

    async def reports(self) -> AsyncIterator[Report]:
        """What the model says, up to its end. Raises TryAgain."""
        yield Began(self._meta())
        if self._stored is not None:
            yield Ended(DriveEnd.FINISHED, _value(str(self._stored["text"])))
            return
        if (over := self._over_budget()) is not None:
            yield over
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

    def _meta(self) -> Payload:
        """What was launched."""
        if not self._pinned:
            return {"summary": CLAUDE_SUMMARY, "description": CLAUDE_DESCRIPTION, "entry_point": "claude"}
        facts = {"description": self._pinned["description"], "version": str(self._pinned["version"])}
        return {"summary": self._attached.record["agent"], "entry_point": "claude", **facts}

    def _over_budget(self) -> Ended | None:
        """The end of a run whose earlier tries have cost what its agent allows; None while it may ask."""
        budget = self._pinned.get("budget_usd")
        if budget is None or self._spent_usd < Decimal(str(budget)):
            return None
        said = f"It has cost ${self._spent_usd:.2f}, and its agent allows ${Decimal(str(budget)):.2f}. No answer came."
        return Ended(DriveEnd.FAILED, error={"type": "CostLimit", "message": said}, retryable=False)

    async def _ask(self) -> None:
        try:
            inputs = self._attached.record["inputs"]
            request = ModelRequest.from_inputs({**self._pinned, "prompt": inputs["prompt"]} if self._pinned else inputs)
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
