"""Turns of sessions: what is asked of the model, and how a turn ends."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from temporalio import activity

from activities import budgets, summaries
from activities.beats import beating
from activities.dialogues import KINDS, answer_of, answers_of, conversation, enclosed, gone, of_turn, summary_of
from activities.exchanges import TROUBLE, Exchange, Recorder, Spot, whole_log
from activities.interrupts import Interrupts
from activities.models import CANCELLED, CallCancelled, ClaudeExecutor, ModelError, ModelRequest
from activities.summaries import ROOMS, TOO_LONG, Summing, end_of_past
from activities.toolboxes import MOST_TOOLS, Toolbox, opened_box
from activities.transcripts import Json, calls
from windlass.contracts import sessions as words
from windlass.contracts.events import Event, EventKind, NewEvent
from windlass.contracts.ids import SessionId, TenantId
from windlass.contracts.questions import QuestionState
from windlass.contracts.sessions import (
    Answered,
    AskInput,
    Limits,
    Move,
    SealInput,
    SessionRef,
    SessionSettings,
    Turn,
    TurnEnd,
)
from windlass.core.artifacts import Artifacts
from windlass.core.attachments import Attachments
from windlass.core.errors import NotFound
from windlass.core.events import Events
from windlass.core.inquiries import Inquiries
from windlass.core.server_uses import Offers
from windlass.core.turns import Standing, Turns

REFUSED = "BadRequest"
CUT_BY_WINDOW = "model_context_window_exceeded"
PLACES = 10_000  # of one turn under a producer
UNSEEN = 40  # the place of that note among the troubles of a call, after its tries
KEPT = "What was said is kept: say something to go on."
LOOP = 5  # so many equal calls in one turn are one
MOST_AT_ONCE = 50  # uses of tools in one answer
ENDS = {
    "max_tokens": ("AnswerCut", "The answer was longer than it may be: raise max_tokens, or ask for less at once."),
    "refusal": ("Refused", "The model refused to go on. Say it differently, or open another session."),
}


@dataclass(frozen=True, slots=True)
class Mind:
    """What a turn needs of the world."""

    executor: ClaudeExecutor
    turns: Turns
    events: Events
    artifacts: Artifacts
    attachments: Attachments
    offers: Offers
    inquiries: Inquiries


class SessionActivities:
    """Works on turns; one object per worker process."""

    def __init__(self, mind: Mind, interrupts: Interrupts) -> None:
        self._mind, self._interrupts = mind, interrupts

    @activity.defn(name=words.BEGIN)
    async def begin(self, ref: SessionRef) -> Turn:
        """Take up what waits. The second time it is the same turn."""
        execution = activity.info().workflow_run_id
        return await self._mind.turns.begin(TenantId(UUID(ref.tenant_id)), UUID(ref.session_id), execution)

    @activity.defn(name=words.SEAL)
    async def seal(self, request: SealInput) -> None:
        """Write down how a turn ended. The second time nothing changes."""
        await self._mind.turns.seal(request)

    @activity.defn(name=words.ASK)
    async def ask(self, request: AskInput) -> Answered:
        """Ask what comes next. An answer on record is not asked for again."""
        async with beating():
            return await self.answer(request)

    async def answer(self, request: AskInput) -> Answered:
        """The same within an activity that does something else before."""
        asking = Asking(self._mind, request)
        standing = await asking.look()
        if standing is None:
            return Answered(end=TurnEnd.CLOSED)
        await asking.open_box(standing.settings)
        log = await asking.log()
        if (summed_up := summary_of(log, request.turn, request.call)) is not None:
            return Answered(summed_up.seq)
        found = answer_of(log, request.turn, request.call)
        if found is not None and found.payload["stop_reason"] != CUT_BY_WINDOW:
            return await asking.concluded(found, standing)
        async with self._interrupts.heard(SessionId(UUID(request.session_id)), asking.look) as stop:
            return await (asking.ask(standing, stop) if found is None else asking.sum_up(standing, stop))


class Asking:
    """One call to the model in one turn of one session."""

    def __init__(self, mind: Mind, request: AskInput) -> None:
        self._mind, self._request = mind, request
        self._tenant_id, self._session_id = TenantId(UUID(request.tenant_id)), UUID(request.session_id)
        self._events: list[Event] = []
        self._box = Toolbox(SessionSettings(tools=()), ())
        self._recorder = Recorder(mind.events, mind.artifacts, self._append, self._tenant_id, self._session_id)

    async def open_box(self, settings: SessionSettings) -> None:
        """Find out what the model may use."""
        self._box = await opened_box(self._mind.offers, self._tenant_id, settings)

    async def look(self) -> Standing | None:
        """Where the session stands. None: it was deleted."""
        return await self._mind.turns.look(self._tenant_id, self._session_id, self._request.turn)

    async def log(self) -> list[Event]:
        """What was said and done so far, whole."""
        mind = self._mind
        self._events = await whole_log(mind.events, mind.artifacts, self._tenant_id, self._session_id, KINDS)
        return self._events

    async def ask(self, standing: Standing, stop: asyncio.Event) -> Answered:
        """Ask the model unless the turn may not go on, and record its answer with what it cost."""
        end = self._may_not_go_on(standing) or await self._over_budget(standing)
        if end is not None:
            return end
        if standing.is_steered:
            await self._mind.turns.take_steering(self._tenant_id, self._session_id, self._request.turn)
            await self.log()
        turn, call = self._request.turn, self._request.call
        try:
            error = await self._exchange(
                self._spot(f"turn-{turn}-{call}"), await self._question(standing.settings), stop
            )
        except CallCancelled:
            return Answered(end=TurnEnd.INTERRUPTED)
        if error is not None and error.type == TOO_LONG:
            return await self.sum_up(standing, stop)
        if error is not None:
            return failed(error.type, f"{error} {KEPT}")
        found = answer_of(await self.log(), turn, call)
        if found is not None and found.payload["stop_reason"] == CUT_BY_WINDOW:
            return await self.sum_up(standing, stop)
        return Answered(end=TurnEnd.CLOSED) if found is None else await self.concluded(found, standing)

    async def _exchange(self, spot: Spot, question: ModelRequest, stop: asyncio.Event) -> ModelError | None:
        """Ask; where a file beside a message may be what was refused, once more without them: no file ends a talk."""
        error = await Exchange(self._mind.executor, self._recorder, spot).ask(question, stop)
        without = replace(question, messages=conversation(self._events))
        if error is None or error.type != REFUSED or without == question:
            return error
        note = {"level": "warning", "text": f"{error} It is asked again without the files beside the messages."}
        await self._append([NewEvent(EventKind.LOG, note, TROUBLE, spot.trouble + UNSEEN)])
        return await Exchange(self._mind.executor, self._recorder, spot).ask(without, stop)

    async def sum_up(self, standing: Standing, stop: asyncio.Event) -> Answered:
        """Have the model sum up what came before, for the next call to go on from; else the turn fails."""
        turn, call = self._request.turn, self._request.call
        upto = end_of_past(self._events, turn, call)
        if upto is None:
            return failed(TOO_LONG, f"The conversation is too long for the model, even in short. {KEPT}")
        spot = self._spot(f"summary-{turn}-{call}", 50)
        error: ModelError | None = None
        for room in ROOMS:
            summing = Summing(self._mind.executor, self._recorder, spot)
            summing.upto = upto
            try:
                error = await summing.ask(summaries.question(self._events, upto, standing.settings, room), stop)
            except CallCancelled:
                return Answered(end=TurnEnd.INTERRUPTED)
            if error is None or error.type != TOO_LONG:
                break
        if error is not None:
            return failed(error.type, f"{error} {KEPT}")
        found = summary_of(await self.log(), turn, call)
        if found is None:
            return failed(TOO_LONG, f"The conversation is too long for the model, and it did not sum it up. {KEPT}")
        return Answered(found.seq)

    def _spot(self, item: str, trouble: int = 0) -> Spot:
        """Where an answer to this call belongs; `trouble` counts from where the troubles of the call begin."""
        turn, call, tried = self._request.turn, self._request.call, self._request.tried
        trouble += PLACES * turn + 100 * call
        return Spot(item, PLACES * turn + 2 * call, trouble, {"turn": turn, "call": call}, tried)

    async def concluded(self, message: Event, standing: Standing) -> Answered:
        """What an answer means; a turn to which something was said meanwhile goes on instead of ending."""
        answered = self.conclude(message, standing.settings.limits)
        now = await self.look() if answered.end is TurnEnd.FINISHED else None
        return Answered(message.seq) if now is not None and now.is_steered else answered

    def conclude(self, message: Event, limits: Limits) -> Answered:
        """What an answer means for the turn: tools that it wants used, or the end."""
        reason = message.payload["stop_reason"]
        if reason == CANCELLED:
            return Answered(message.seq, TurnEnd.INTERRUPTED)
        if reason in ENDS:
            return replace(failed(*ENDS[reason]), seq=message.seq)
        wanted = calls(message.payload)
        if not wanted:
            return Answered(message.seq, TurnEnd.FINISHED)
        end = self._want_too_much(message, wanted, limits)
        if end is not None:
            return end
        return Answered(message.seq, moves=tuple(self._move(str(each["name"])) for each in wanted))

    def _move(self, name: str) -> Move:
        return Move(name[:100], self._box.only_reads(name), self._box.is_brief(name))

    def _want_too_much(self, message: Event, wanted: list[Json], limits: Limits) -> Answered | None:
        """How the turn ends when it goes round in circles, or does more than it may."""
        said = [each for each in answers_of(self._events, self._request.turn) if each.seq <= message.seq]
        used = [call for answer in said for call in calls(answer.payload)]
        if len(used) > limits.tool_calls:
            return failed("ToolCallLimit", f"The turn wanted more than {limits.tool_calls} uses of tools.")
        if len(wanted) > MOST_AT_ONCE:
            return failed("ToolCallLimit", f"The model wanted more than {MOST_AT_ONCE} uses of tools at once.")
        for call in wanted:
            times = sum((each["name"], each.get("input")) == (call["name"], call.get("input")) for each in used)
            if times >= LOOP:
                return failed("Loop", f"The model used {call['name']} {times} times in the very same way.")
        return None

    async def _question(self, settings: SessionSettings) -> ModelRequest:
        """What is asked; files beside messages are read here, and are nowhere else on the way."""
        kept = self._mind.attachments
        files: dict[str, bytes] = {}
        for each in enclosed(self._events):
            with suppress(NotFound):  # it is named and left out
                files[each] = await kept.content(self._tenant_id, each)
        return ModelRequest(
            prompt="",
            system=settings.system,
            model=settings.model,
            max_tokens=settings.max_tokens,
            messages=conversation(self._events, files),
            tools=self._box.described or gone(self._events),
        )

    def _may_not_go_on(self, standing: Standing) -> Answered | None:
        """How the turn ends when it was interrupted, or is at one of its limits."""
        limits = standing.settings.limits
        spent = sum(
            (Decimal(str(e.payload.get("cost_usd") or 0)) for e in self._used()),
            Decimal(0),
        )
        if standing.is_interrupted:
            return Answered(end=TurnEnd.INTERRUPTED)
        if len(self._box) > MOST_TOOLS:
            chosen = f"The session may use {len(self._box)} tools, and {MOST_TOOLS} are the most."
            return failed("TooManyTools", f"{chosen} Choose fewer tools of its MCP servers.")
        if self._request.call > limits.model_calls:
            return failed("ModelCallLimit", f"The turn asked the model {limits.model_calls} times and may not go on.")
        if spent >= Decimal(str(limits.cost_usd)):
            return failed("CostLimit", f"The turn has cost ${spent:.2f}, and ${limits.cost_usd:.2f} is its limit.")
        if standing.age_s > limits.time_s:
            return failed("TimeLimit", f"The turn took longer than its limit of {limits.time_s} s.")
        return None

    async def _over_budget(self, standing: Standing) -> Answered | None:
        """While the session has cost what it may, people are asked and the turn waits; None: it may go on."""
        place, turns = (self._tenant_id, self._session_id, self._request.turn), self._mind.turns
        budget, cost = standing.settings.budget_usd, standing.cost_usd or 0.0
        if budget is None or cost < budget:
            if standing.is_awaiting:  # somebody raised the budget otherwise
                await turns.ask_no_more(*place)
            return None
        spent = budgets.Spent(cost, budget)
        found = await self._mind.inquiries.ask(budgets.question(*place, spent))
        if found is None:
            return Answered(end=TurnEnd.CLOSED)
        if found["state"] == QuestionState.OPEN:
            return Answered(waits_s=max(0.1, float(found["left_s"])))
        wanted = budgets.raised(found, spent)
        if wanted is None:
            return failed("BudgetReached", f"The session has cost {spent}. Raise its budget and say something.")
        await turns.raise_budget(self._tenant_id, self._session_id, wanted)
        return None

    def _used(self) -> list[Event]:
        """The usage of this turn: what came after its beginning."""
        began = max((e.seq for e in of_turn(self._events, EventKind.STATUS, self._request.turn)), default=0)
        return [event for event in self._events if event.kind is EventKind.USAGE and event.seq > began]

    async def _append(self, events: Sequence[NewEvent]) -> bool:
        stored = await self._mind.turns.append(self._tenant_id, self._session_id, events)
        return len(stored) == len(events)


def failed(kind: str, message: str) -> Answered:
    """The end of a turn that failed."""
    return Answered(end=TurnEnd.FAILED, error_type=kind, error_message=message)
