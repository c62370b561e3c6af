"""One execution of a run, followed from its takeover to its end: reports in, events out, acknowledgements back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import structlog

from activities.executors import Began, Due, Ended, Execution, Parked, Report, Reported, Writing
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.questions import QuestionState
from windlass.contracts.runs import DriveEnd, DriveOutcome, RunStatus, StepLine
from windlass.core.artifacts import Artifacts
from windlass.core.database import OUTAGES, Away
from windlass.core.events import Delta, Events
from windlass.core.executions import ERROR, FINAL, META, RUNNING, TERMINAL, Attached, Executions, Stored
from windlass.core.storage import StoreAway

BATCH = 64
BACKLOG = 1000
SHOWN_STEPS = 60
ANSWER_POLL_S = 1.0
SPLIT_KINDS = frozenset({EventKind.ACTION, EventKind.RESULT, EventKind.FINAL})
UPLOADS = "files"  # the producer of what the run finds below in/
STORE = "store"  # the producer of what is said about an object store that is away
STORE_FIRST_S, STORE_LAST_S = 0.2, 2.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

T = TypeVar("T")
Progress = Callable[[dict[str, Any]], None]


class Fenced(Exception):
    """The log refuses this driver: the run has ended, or a newer one has taken over."""


class Driving:
    """A run in the hands of one driving activity."""

    def __init__(
        self, executions: Executions, artifacts: Artifacts, events: Events, attached: Attached, progress: Progress
    ) -> None:
        self._executions = executions
        self._artifacts = artifacts
        self._events = events
        self._attached = attached
        self._progress = progress
        self._steps: dict[str, StepLine] = {step["key"]: _line(step) for step in attached.record["steps"]}
        self._asked = {str(each["key"]) for each in attached.record["questions"] if each["state"] == QuestionState.OPEN}
        self._quiet_since = monotonic()  # the last report, or the first open question after it
        self._seen = 0
        self._seq = attached.record["seq"]

    async def follow(self, execution: Execution) -> DriveOutcome:
        """Store what the execution reports until it ends or parks. Raises ExecutionLost, Fenced."""
        queue: asyncio.Queue[Report | BaseException] = asyncio.Queue(BACKLOG)
        reader = asyncio.create_task(_read(execution, queue))
        try:
            while True:
                batch = await self._next(queue)
                if not batch or any(isinstance(report, Due) for report in batch):
                    await self.tell(execution)
                outcome = await self._store(execution, batch) if batch else None
                if outcome is not None:
                    if outcome.end is not DriveEnd.PARKED:
                        await execution.settle()
                    return outcome
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def tell(self, execution: Execution) -> None:
        """Tell the agent where its questions stand; those whose time is up expire here."""
        attached = self._attached
        questions = await self._executions.questions(attached.tenant_id, attached.run_id, attached.attempt)
        for question in questions:
            unfold = partial(self._artifacts.unfold, attached.tenant_id, question["result"])
            question["result"] = await patiently(self._executions, attached, unfold)
        self._asked = {str(each["key"]) for each in questions if each["state"] == QuestionState.OPEN}
        await execution.answer(questions)

    async def _next(self, queue: "asyncio.Queue[Report | BaseException]") -> list[Report | BaseException]:
        """The next reports. While a question is open it looks once a second: notifications are only hints."""
        if not self._asked:
            return await _gather(queue)
        try:
            async with asyncio.timeout(ANSWER_POLL_S):
                return await _gather(queue)
        except TimeoutError:
            return []

    async def _store(self, execution: Execution, batch: Sequence[Report | BaseException]) -> DriveOutcome | None:
        """Commit one batch; answers the outcome when it was the last one."""
        events: list[NewEvent] = []
        ending: list[NewEvent] = []
        for report in batch:
            if isinstance(report, Reported):
                events.append(report.event)
            elif isinstance(report, Began):
                events += self._beginning(report.meta)
            elif isinstance(report, Ended):
                ending = self._ending(report)
        await self._show(batch)
        if self._attached.epoch != 1:  # what is said otherwise than the last time must be in before the log closes
            await self._append(execution, events)
            events = []
        await self._append(execution, [*events, *ending])
        return self._outcome(batch[-1])

    def _outcome(self, last: Report | BaseException) -> DriveOutcome | None:
        if isinstance(last, BaseException):
            raise last
        if isinstance(last, Parked):
            waited_s = monotonic() - self._quiet_since if last.awaiting else 0.0
            return self._came_back(
                DriveEnd.PARKED, parked_s=last.seconds, awaiting=last.awaiting, waited_s=round(waited_s, 3)
            )
        if isinstance(last, Ended):
            error = last.error or {}
            return self._came_back(
                last.end,
                error_type=str(error.get("type", "")),
                error_message=str(error.get("message", ""))[:2000],
                retryable=last.retryable,
            )
        return None

    def _came_back(self, end: DriveEnd, **more: Any) -> DriveOutcome:
        lines = tuple(self._steps.values())
        return DriveOutcome(end, steps=lines[-SHOWN_STEPS:], steps_total=len(lines), **more)

    def _beginning(self, meta: Payload) -> list[NewEvent]:
        running: Payload = {"status": str(RunStatus.RUNNING), "attempt": self._attached.attempt}
        began = [self._own(EventKind.META, meta, META), self._own(EventKind.STATUS, running, RUNNING)]
        if uploads := self._attached.record.get("uploads"):  # told once, however often the run begins anew
            began.insert(1, NewEvent(EventKind.UPLOAD, {"Upload": {"files": uploads}}, UPLOADS, 1))
        return began

    def _ending(self, ended: Ended) -> list[NewEvent]:
        """A success is written to its very end here; the workflow decides what follows anything else."""
        if ended.end is DriveEnd.FINISHED:
            finished: Payload = {"status": str(RunStatus.FINISHED)}
            return [
                self._own(EventKind.FINAL, ended.value or {"NoneType": None}, FINAL),
                self._own(EventKind.STATUS, finished, TERMINAL),
            ]
        if ended.end is DriveEnd.FAILED and ended.error is not None:
            return [self._own(EventKind.ERROR, ended.error, ERROR)]
        return []

    def _own(self, kind: EventKind, payload: Payload, place: int) -> NewEvent:
        return NewEvent(kind, payload, self._attached.producer, place)

    async def _show(self, batch: Sequence[Report | BaseException]) -> None:
        attached = self._attached
        pieces = [
            Delta(piece.item, attached.attempt, piece.order, piece.text)
            for piece in batch
            if isinstance(piece, Writing)
        ]
        if not pieces:
            return
        try:
            await self._events.append_deltas(attached.tenant_id, attached.run_id, pieces, epoch=attached.epoch)
        except (Away, *OUTAGES) as away:  # the message will say it all: to ask for it again is to pay again
            log.warning("words on their way were not shown", reason=repr(away))

    async def _append(self, execution: Execution, events: Sequence[NewEvent]) -> None:
        if not events:
            return
        folded = [await self._folded(event) for event in events]
        stored = await self._write(folded)
        acknowledged: dict[str, int] = {}
        for place, event in enumerate(events):
            if place in stored:
                acknowledged[event.producer] = max(event.pseq, acknowledged.get(event.producer, 0))
                self._note(event, stored[place])
        await self._write_different(folded, stored)
        if len(stored) < len(events):
            raise Fenced
        await execution.acknowledge(acknowledged)

    async def _folded(self, event: NewEvent) -> NewEvent:
        payload = await patiently(
            self._executions,
            self._attached,
            lambda: self._artifacts.fold(self._attached.tenant_id, self._attached.run_id, event.payload),
        )
        return event if payload is event.payload else NewEvent(event.kind, payload, event.producer, event.pseq)

    async def _write(self, events: Sequence[NewEvent]) -> Mapping[int, Stored]:
        attached = self._attached
        return await self._executions.append(attached.tenant_id, attached.run_id, attached.epoch, events)

    async def _write_different(self, events: Sequence[NewEvent], stored: Mapping[int, Stored]) -> None:
        """What the agent said otherwise this time at the same place goes on under the producer's next name."""
        turn = 2
        while True:
            different = [
                NewEvent(event.kind, event.payload, f"{event.producer.split('#')[0]}#{turn}", event.pseq)
                for place, event in enumerate(events)
                if event.kind in SPLIT_KINDS and place in stored and not stored[place].same
            ]
            if not different:
                return
            events, stored, turn = different, await self._write(different), turn + 1

    def _note(self, event: NewEvent, stored: Stored) -> None:
        self._seen += 1
        self._quiet_since = monotonic()
        if event.kind is EventKind.QUESTION:
            self._note_question(event.payload)
        self._seq = max(self._seq, stored.seq)
        if event.kind is EventKind.STEP:
            self._steps[event.payload["key"]] = _line(event.payload)
        last = next(reversed(self._steps.values()), None)
        kept = sum(line.state == "done" for line in self._steps.values())
        step = last.name if last else ""
        self._progress({"step": step, "n": len(self._steps), "kept": kept, "seq": self._seq})

    def _note_question(self, payload: Payload) -> None:
        if payload["state"] == QuestionState.OPEN:
            self._asked.add(payload["key"])
        else:
            self._asked.discard(payload["key"])


async def patiently(executions: Executions, attached: Attached, work: Callable[[], Awaitable[T]]) -> T:
    """Do what needs the object store; while it is away say so in the run's log, once, and wait. Raises Fenced."""
    pause = STORE_FIRST_S
    while True:
        try:
            return await work()
        except StoreAway as error:
            warning: Payload = {"level": "warning", "text": f"The run waits. {error.detail}"}
        event = NewEvent(EventKind.LOG, warning, STORE, attached.epoch or 0)
        if not await executions.append(attached.tenant_id, attached.run_id, attached.epoch, [event]):
            raise Fenced
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, STORE_LAST_S)


def _line(step: Mapping[str, Any]) -> StepLine:
    executions = int(step.get("executions") or step.get("execution") or 1)
    return StepLine(str(step["name"])[:80], str(step["state"]), step.get("ms"), executions)


async def _read(execution: Execution, queue: "asyncio.Queue[Report | BaseException]") -> None:
    try:
        async for report in execution.reports():
            await queue.put(report)
    except Exception as error:  # noqa: BLE001 - handed to the loop that stores, which raises it in its place
        await queue.put(error)


async def _gather(queue: "asyncio.Queue[Report | BaseException]") -> list[Report | BaseException]:
    """The next report and whatever gathered behind it, up to a batch or the last report."""
    batch: list[Report | BaseException] = [await queue.get()]
    while len(batch) < BATCH and not queue.empty() and not _is_last(batch[-1]):
        batch.append(queue.get_nowait())
    return batch


def _is_last(report: Report | BaseException) -> bool:
    return isinstance(report, Ended | Parked | BaseException)
