"""Prompt tasks: what a model thinks, and what is done in a desktop because of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from temporalio import activity

from activities.actions import Action
from activities.beats import beating
from activities.exchanges import Exchange, Recorder, Spot, whole_log
from activities.models import ClaudeExecutor, ModelRequest
from activities.transcripts import BETA, COMPUTER, calls, conversation, instructions, texts, tools, turn_of
from windlass.contracts import prompts as words
from windlass.contracts.agents import DEFAULT_MODEL, DESKTOP, MAX_COST_USD
from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.prompts import ThinkInput, Thought
from windlass.contracts.runs import DriveEnd, DriveOutcome, RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.errors import NotFound
from windlass.core.events import Events
from windlass.core.executions import FINAL, META, RUNNING, TERMINAL, Executions
from windlass.core.machines import Machines
from windlass.core.screenshots import Screenshots
from windlass.core.storage import Objects

ATTEMPT = 1  # a prompt task is tried once: what it did cannot be undone
MAX_TOKENS = 8_000
SAID = (EventKind.MESSAGE, EventKind.TOOL_RESULT)
ENDS = {
    "max_tokens": ("AnswerCut", "The model's answer was longer than it may be."),
    "refusal": ("Refused", "The model refused to go on."),
}


@dataclass(frozen=True, slots=True)
class Mind:
    """What thinking needs of the world."""

    executor: ClaudeExecutor
    executions: Executions
    events: Events
    artifacts: Artifacts
    screenshots: Screenshots
    objects: Objects
    machines: Machines


class PromptActivities:
    """Asks a model what to do next in a desktop; one object per worker process."""

    def __init__(self, mind: Mind) -> None:
        self._mind = mind

    @activity.defn(name=words.THINK)
    async def think(self, request: ThinkInput) -> Thought:
        """Ask what comes next, and end the run when nothing does. An answer on record is not asked for again."""
        async with beating():
            thinking = Thinking(self._mind, request)
            inputs = await thinking.begin()
            if inputs is None:
                return Thought(outcome=DriveOutcome(DriveEnd.CLOSED))
            message = turn_of(await thinking.log(), request.turn) or await thinking.ask(inputs)
            if isinstance(message, DriveOutcome):
                return Thought(outcome=message)
            return await thinking.conclude(message)


class Thinking:
    """One turn of one run."""

    def __init__(self, mind: Mind, request: ThinkInput) -> None:
        self._mind, self._request = mind, request
        self._tenant_id, self._run_id = TenantId(UUID(request.tenant_id)), RunId(UUID(request.run_id))
        self._desktop_id: UUID | None = None
        self._events: list[Event] = []

    async def begin(self) -> Payload | None:
        """The run's inputs; it is running from now on. None: it has ended."""
        attached = await self._mind.executions.attach(self._tenant_id, self._run_id, ATTEMPT)
        if attached is None or attached.epoch is None:
            return None
        inputs: Payload = attached.record["inputs"]
        self._desktop_id = UUID(str(inputs["desktop"]))
        meta = {"summary": "Desktop", "entry_point": DESKTOP, "desktop": str(inputs["desktop"])}
        running = {"status": str(RunStatus.RUNNING), "attempt": ATTEMPT}
        own = attached.producer
        begun = (NewEvent(EventKind.META, meta, own, META), NewEvent(EventKind.STATUS, running, own, RUNNING))
        await self._append(begun)
        return inputs

    async def log(self) -> list[Event]:
        """What was said and done so far, whole."""
        kinds = (EventKind.MESSAGE, EventKind.TOOL_RESULT, EventKind.USAGE, EventKind.LOG)
        self._events = await whole_log(self._mind.events, self._mind.artifacts, self._tenant_id, self._run_id, kinds)
        return self._events

    async def ask(self, inputs: Payload) -> Event | DriveOutcome:
        """Ask the model, record its answer with what it cost, and answer where that is."""
        wanted = inputs.get("max_cost_usd")
        limit = Decimal(str(MAX_COST_USD if wanted is None else wanted))
        spent = sum((Decimal(str(e.payload.get("cost_usd") or 0)) for e in self._events), Decimal(0))
        if spent >= limit:
            return failed("CostLimit", f"It has cost ${spent:.2f}, and ${limit:.2f} is the limit. What it did is kept.")
        said = (event for event in self._events if event.kind in SAID)
        made_of = await self._mind.machines.made_of(self._tenant_id, UUID(str(inputs["desktop"])))
        question = ModelRequest(
            prompt="",
            system=instructions(self._events, made_of),
            model=str(inputs.get("model") or DEFAULT_MODEL),
            max_tokens=MAX_TOKENS,
            messages=await conversation(str(inputs["prompt"]), said, self._picture),
            tools=tools(made_of),
            beta=BETA,
        )
        mind, turn = self._mind, self._request.turn
        recorder = Recorder(mind.events, mind.artifacts, self._append, self._tenant_id, self._run_id)
        exchange = Exchange(mind.executor, recorder, Spot(f"turn-{turn}", 2 * turn, 100 * turn, {"turn": turn}))
        error = await exchange.ask(question, asyncio.Event())
        if error is not None:
            return failed(error.type, str(error))
        return turn_of(await self.log(), turn) or DriveOutcome(DriveEnd.CLOSED)

    async def conclude(self, message: Event) -> Thought:
        """What the message wants done; without that the run has come to its end."""
        said = message.payload
        wanted = calls(said)
        if said["stop_reason"] in ENDS:
            return Thought(outcome=failed(*ENDS[said["stop_reason"]]))
        if wanted:
            return Thought(message.seq, tuple(summary(each) for each in wanted))
        own = f"run:{ATTEMPT}"
        final = NewEvent(EventKind.FINAL, {"Markdown": {"body": texts(said)}}, own, FINAL)
        await self._append((final, NewEvent(EventKind.STATUS, {"status": str(RunStatus.FINISHED)}, own, TERMINAL)))
        return Thought(outcome=DriveOutcome(DriveEnd.FINISHED))

    async def _append(self, events: Sequence[NewEvent]) -> bool:
        stored = await self._mind.executions.append(self._tenant_id, self._run_id, None, events)
        return len(stored) == len(events)

    async def _picture(self, screenshot_id: UUID) -> bytes | None:
        """A picture's bytes; None when it was removed meanwhile."""
        if self._desktop_id is None:
            return None
        try:
            found = await self._mind.screenshots.get(self._tenant_id, self._desktop_id, screenshot_id)
            return await self._mind.objects.get(found.key)
        except NotFound:
            return None


def summary(call: dict[str, Any]) -> str:
    """What is to be done, in a few words for Temporal's pages; no content of anything."""
    given: dict[str, Any] = call.get("input") or {}
    if call.get("name") == COMPUTER:
        return Action(given).summary[:100]
    return " ".join(
        str(part) for part in (call.get("name"), given.get("command", "") if "path" in given else "") if part
    )


def failed(kind: str, message: str) -> DriveOutcome:
    """The end of a run that failed and is not tried again by itself."""
    return DriveOutcome(DriveEnd.FAILED, kind, message, retryable=False)
