"""Prompt tasks: what a model thinks, and what is done in a desktop because of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.actions import Action
from activities.beats import beating
from activities.models import CallCancelled, ClaudeExecutor, ModelCall, ModelError, ModelRequest
from activities.transcripts import BETA, COMPUTER, calls, conversation, instructions, texts, tools, turn_of
from windlass.contracts import prompts as words
from windlass.contracts.agents import DEFAULT_MODEL, DESKTOP, MAX_COST_USD
from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.prompts import ThinkInput, Thought
from windlass.contracts.runs import DriveEnd, DriveOutcome, RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.errors import NotFound
from windlass.core.events import PAGE, Delta, Events
from windlass.core.executions import FINAL, META, RUNNING, TERMINAL, Executions
from windlass.core.machines import Machines
from windlass.core.screenshots import Screenshots
from windlass.core.storage import Objects

ATTEMPT = 1  # a prompt task is tried once: what it did cannot be undone
MAX_TOKENS = 8_000
TRIES = 6
PAUSE_FIRST_S, PAUSE_LAST_S = 1.0, 60.0
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
        self._reported: list[NewEvent] = []

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
        await self._append(NewEvent(EventKind.META, meta, own, META), NewEvent(EventKind.STATUS, running, own, RUNNING))
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
        call = ModelCall(question, f"turn-{self._request.turn}", activity.info().attempt)
        try:
            await self._mind.executor.run(call, self, asyncio.Event())
        except ModelError as error:
            return await self._again(error)
        except CallCancelled:
            return DriveOutcome(DriveEnd.CANCELLED)
        return await self._record()

    async def conclude(self, message: Event) -> Thought:
        """What the message wants done; without that the run has come to its end."""
        said = message.payload
        wanted = calls(said)
        if said["stop_reason"] in ENDS:
            return Thought(outcome=failed(*ENDS[said["stop_reason"]]))
        if wanted:
            return Thought(message.seq, tuple(summary(each) for each in wanted))
        own = f"run:{ATTEMPT}"
        await self._append(
            NewEvent(EventKind.FINAL, {"Markdown": {"body": texts(said)}}, own, FINAL),
            NewEvent(EventKind.STATUS, {"status": str(RunStatus.FINISHED)}, own, TERMINAL),
        )
        return Thought(outcome=DriveOutcome(DriveEnd.FINISHED))

    async def emit(self, kind: EventKind, payload: Payload) -> None:
        """Take what the call reports; it is recorded when the call is over, all at once."""
        more: Payload = {"turn": self._request.turn} if kind is EventKind.MESSAGE else {}
        place = 2 * self._request.turn + (kind is EventKind.USAGE)
        folded = await self._mind.artifacts.fold(self._tenant_id, {**payload, **more})
        self._reported.append(NewEvent(kind, folded, "model", place))

    async def delta(self, item: str, ord: int, text: str) -> None:
        """Show words on their way."""
        piece = Delta(item, activity.info().attempt, ord, text)
        await self._mind.events.append_deltas(self._tenant_id, self._run_id, [piece])

    async def _record(self) -> Event | DriveOutcome:
        if not await self._append(*self._reported):
            return DriveOutcome(DriveEnd.CLOSED)
        recorded = turn_of(await self.log(), self._request.turn)
        return recorded or DriveOutcome(DriveEnd.CLOSED)

    async def _again(self, error: ModelError) -> DriveOutcome:
        """Have the call made again where that may help; else answer how the run ends."""
        attempt = activity.info().attempt
        if not error.retryable or attempt >= TRIES:
            return failed(error.type, str(error))
        delay_s = error.retry_after_s
        if delay_s is None:
            delay_s = min(PAUSE_FIRST_S * 2 ** (attempt - 1), PAUSE_LAST_S)
        text = f"{error} Attempt {attempt + 1} of {TRIES} follows in {delay_s:g} s."
        place = 100 * self._request.turn + attempt
        await self._append(NewEvent(EventKind.LOG, {"level": "warning", "text": text}, "model:trouble", place))
        raise ApplicationError(str(error), type=error.type, next_retry_delay=timedelta(seconds=delay_s))

    async def _append(self, *events: NewEvent) -> bool:
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


async def whole_log(
    events: Events, artifacts: Artifacts, tenant_id: TenantId, run_id: UUID, kinds: Sequence[EventKind]
) -> list[Event]:
    """Every event of these kinds, with what was too large for the log."""
    found: list[Event] = []
    while True:
        page = await events.read(tenant_id, run_id, found[-1].seq if found else 0, PAGE, kinds)
        found += [replace(event, payload=await artifacts.whole(tenant_id, event.payload)) for event in page]
        if len(page) < PAGE:
            return found


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
