"""What a run's tracer does: every call becomes an event in the run's outbox."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from windlass.asking import Asking
from windlass.contracts.events import EventKind, Payload
from windlass.errors import FileRefused, StepUnknown
from windlass.files import FileAccess
from windlass.host import wire
from windlass.host.branches import Branch, Place, context_of, current_branch, inside
from windlass.host.outbox import SLACK, Outbox, resolver
from windlass.host.output import capped
from windlass.host.parking import Parking
from windlass.host.printing import Printing
from windlass.host.questions import Questions, Service
from windlass.host.steps import Execution, Steps
from windlass.host.threads import Threads
from windlass.steps import StepCall
from windlass.tracer import RunFacts

OUTPUT_KINDS = frozenset({EventKind.DEBUG, EventKind.STDOUT, EventKind.STDERR})
EVENT_LIMIT = 16 * 1024 * 1024
LONGEST_SLEEP = timedelta(days=3_660)


class RunReports:
    """The reporting side of one run; its methods may be called from the run's loop and its threads."""

    def __init__(self, facts: RunFacts, steps: Steps, epoch: int, service: Service) -> None:
        self.facts = facts
        self.outbox = Outbox()
        self.parking = Parking(self.outbox)
        self.questions = Questions(facts.run_id, facts.attempt, service, self.outbox, self.parking)
        self.printing = Printing(self.outbox, self._is_thread)
        self.threads = Threads()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.is_cancelled = False
        self.places: Mapping[str, str] | None = None
        self._life = uuid4().hex
        self._steps = steps
        self._loop_thread = 0
        self._stopped = WeakSet[threading.Thread]()
        self.nowhere = Branch(self, "loose")
        self.move_to(epoch)

    def live_here(self) -> None:
        """The calling thread runs the loop: it must never be made to wait."""
        self._loop_thread = threading.get_ident()
        self.parking.live_on(asyncio.get_running_loop())

    def move_to(self, epoch: int) -> None:
        """Events without a branch belong to the life that reports them."""
        self.nowhere.events = self.nowhere.out = Place(f"loose:{epoch}")

    # tracer.Reports

    async def report(self, kind: EventKind, payload: Payload) -> None:
        """Accept an event; waits while 1,000 events or 1 MiB are not stored."""
        if not self.outbox.has_room():
            await self.outbox.room()
        self._put(kind, payload)

    def report_sync(self, kind: EventKind, payload: Payload) -> None:
        """Accept an event; a thread waits for room, and is stopped here when the run was cancelled."""
        self._stop_thread()
        if not self.outbox.has_room() and (self._is_thread() or not self.outbox.has_room(SLACK)):
            self.outbox.room_sync()
            self._stop_thread()
        self._put(kind, payload)

    async def step(self, call: StepCall) -> Any:
        """Return the recorded result, or execute and record."""
        execution = self._begin(call)
        if execution.is_recorded:
            return execution.recorded()
        with self.parking.working():
            if execution.state == "unknown":
                await self._store(execution, execution.unknown())
                raise StepUnknown(call.name)
            try:
                await self._store(execution, execution.started())
                packed, result = _kept(call, await self._execute(execution))
            except asyncio.CancelledError as error:
                with suppress(RuntimeError):  # the run has ended: its tasks are being stopped
                    self._put(EventKind.STEP, execution.failed(error), execution.place)
                raise
            except BaseException as error:
                await self._store(execution, execution.failed(error))
                raise
            await self._store(execution, execution.done(packed))
        return result

    def step_sync(self, call: StepCall) -> Any:
        """The same in a thread."""
        if not self._is_thread():
            raise RuntimeError(f"step_sync({call.name!r}) would block the event loop: use `await tracer.step(…)` here")
        execution = self._begin(call)
        if execution.is_recorded:
            return execution.recorded()
        with self.parking.working():
            if execution.state == "unknown":
                self._store_sync(execution, execution.unknown())
                raise StepUnknown(call.name)
            self._store_sync(execution, execution.started())
            try:
                with inside(self._branch_of(execution)):
                    packed, result = _kept(call, call.function(*call.args, **call.kwargs))
            except BaseException as error:
                self._store_sync(execution, execution.failed(error))
                raise
            self._store_sync(execution, execution.done(packed))
        return result

    async def sleep(self, seconds: float) -> None:
        """Wait until the recorded time; a run started again waits only for the rest."""
        wanted = timedelta(seconds=seconds)
        if not timedelta() <= wanted <= LONGEST_SLEEP:
            raise ValueError(f"sleep takes from 0 seconds to ten years, not {seconds}")
        execution = self._begin(StepCall("sleep", asyncio.sleep, (seconds,)), is_timer=True)
        if execution.is_recorded:
            return
        until = execution.until or datetime.now(UTC) + wanted
        if execution.is_new:
            await self._store(execution, execution.started(until=until.isoformat()))
        await self.parking.sleep(until)
        await self._store(execution, execution.done(None))

    def files(self) -> FileAccess:
        """How the run reaches its files. Raises FileRefused where nobody has said so."""
        self._stop_thread()
        if self.places is None:
            raise FileRefused("this run has no files: whoever drives it has not said where they are")
        where = (self.places["url"], self.facts.run_id, self.places["token"])
        return FileAccess(*where, self._aside, self._stop_thread, self._life)

    async def ask(self, call: Asking) -> Any:
        """Wait for the answer of a person; asked once, however often the code comes by."""
        if self._is_thread():
            raise RuntimeError(
                f"the question {call.name!r} is asked from another loop: await it on the loop of the run"
            )
        return await self.questions.ask(call, current_branch() or self.nowhere)

    # branches.Owner

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Remember a task of the run until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def write(self, branch: Branch, kind: EventKind, text: str) -> None:
        """Take what was printed."""
        self.printing.write(branch, kind, text)

    # for the host

    def finish(self) -> None:
        """Take unfinished lines, and say how many were dropped."""
        self.printing.finish()
        if self.printing.dropped:
            self.log(
                f"{self.printing.dropped} lines of output were dropped: "
                "the run printed more, or faster, than can be kept. Its results are not affected."
            )

    def log(self, text: str) -> None:
        """Report something the host itself has to say."""
        self._put(EventKind.LOG, {"level": "warning", "text": text}, self.nowhere.events)

    async def keep(self, key: str, name: str, result: Any) -> None:
        """Record something as a finished step without a start."""
        execution = self._steps.noted(key, name)
        await self._store(execution, execution.done(result))

    def kept(self, key: str) -> Any | None:
        """What an earlier life of the run recorded by `keep`."""
        return self._steps.note(key)

    # inside

    def _aside(self, function: Callable[..., Any], /, *args: Any) -> Awaitable[Any]:
        return self.threads.run(copy_context(), function, *args)

    def _begin(self, call: StepCall, *, is_timer: bool = False) -> Execution:
        self._stop_thread()
        branch = current_branch() or self.nowhere
        return self._steps.begin(call, branch.name, is_timer=is_timer)

    async def _execute(self, execution: Execution) -> Any:
        call, branch = execution.call, self._branch_of(execution)
        if inspect.iscoroutinefunction(call.function):
            with inside(branch):
                return await call.function(*call.args, **call.kwargs)
        value = await self.threads.run(context_of(branch), call.function, *call.args, **call.kwargs)
        if not inspect.isawaitable(value):
            return value
        with inside(branch):  # `lambda: fetch(url)` is as good as `fetch`
            return await value

    def _branch_of(self, execution: Execution) -> Branch:
        return Branch(self, f"step-{execution.key}")

    async def _store(self, execution: Execution, payload: Payload) -> None:
        """Accept a step's event and wait until it is stored."""
        if not self.outbox.has_room():
            await self.outbox.room()
        stored = asyncio.get_running_loop().create_future()
        self.outbox.put(execution.place, EventKind.STEP, wire.body(payload), resolver(stored))
        await stored

    def _store_sync(self, execution: Execution, payload: Payload) -> None:
        stored = threading.Event()
        self.outbox.put(execution.place, EventKind.STEP, wire.body(payload), stored.set)
        stored.wait()

    def _put(self, kind: EventKind, payload: Payload, place: Place | None = None) -> None:
        if isinstance(text := payload.get("text"), str):
            payload = {**payload, "text": capped(text)}
        body = wire.body(payload)
        if len(body) > EVENT_LIMIT:
            body = wire.body({"str": f"({len(body) / 2**20:.0f} MiB were dropped: an event holds at most 16 MiB)"})
        self.outbox.put(place or self._place(kind), kind, body)

    def _place(self, kind: EventKind) -> Place:
        branch = current_branch()
        if branch is None or branch.owner is not self:
            branch = self.nowhere
        return branch.out if kind in OUTPUT_KINDS else branch.events

    def _is_thread(self) -> bool:
        return threading.get_ident() != self._loop_thread

    def _stop_thread(self) -> None:
        """In a thread of a cancelled run, raise once: what comes after is its cleaning up."""
        thread = threading.current_thread()
        if self.is_cancelled and self._is_thread() and thread not in self._stopped:
            self._stopped.add(thread)
            raise asyncio.CancelledError("the run was cancelled")


def _kept(call: StepCall, value: Any) -> tuple[Any, Any]:
    """The result as it is recorded, and as the agent gets it."""
    packed = call.pack(value)
    return packed, call.unpack(packed)
