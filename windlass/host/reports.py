"""What a run's tracer does: every call becomes an event in the run's outbox."""

import asyncio
import inspect
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from windlass.contracts.events import EventKind, Payload
from windlass.errors import StepUnknown
from windlass.host import wire
from windlass.host.branches import Branch, Place, context_of, current_branch, inside
from windlass.host.outbox import Outbox, resolver
from windlass.host.output import capped
from windlass.host.steps import Execution, Steps
from windlass.host.threads import Threads
from windlass.steps import StepCall
from windlass.tracer import RunFacts

OUTPUT_KINDS = frozenset({EventKind.DEBUG, EventKind.STDOUT, EventKind.STDERR})
EVENT_LIMIT = 16 * 1024 * 1024
OUTPUT_LINES = 100_000
OUTPUT_BYTES = 16 * 1024 * 1024
PATIENCE_S = 1.0  # how long a print in a thread waits for room: it may hold a lock of the logging module
LONGEST_SLEEP = timedelta(days=3_660)


class RunReports:
    """The reporting side of one run; its methods may be called from the run's loop and its threads."""

    def __init__(self, facts: RunFacts, steps: Steps, epoch: int) -> None:
        self.facts = facts
        self.outbox = Outbox()
        self.threads = Threads()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.is_cancelled = False
        self.dropped = 0
        self._steps = steps
        self._loop_thread = 0
        self._branches: dict[Branch, None] = {}
        self._output_left = [OUTPUT_LINES, OUTPUT_BYTES]
        self._is_impatient = False
        self._stopped: set[int] = set()
        self.move_to(epoch)

    def live_here(self) -> None:
        """The calling thread runs the loop: it must never be made to wait."""
        self._loop_thread = threading.get_ident()

    def move_to(self, epoch: int) -> None:
        """Events without a branch belong to the life that reports them."""
        self._loose = Place(f"loose:{epoch}")

    # tracer.Reports

    async def report(self, kind: EventKind, payload: Payload) -> None:
        """Accept an event; waits while 1,000 events or 1 MiB are not stored."""
        if not self.outbox.has_room():
            await self.outbox.room()
        self._put(kind, payload)

    def report_sync(self, kind: EventKind, payload: Payload) -> None:
        """Accept an event; a thread waits for room, and is stopped here when the run was cancelled."""
        self._stop_thread()
        if not self.outbox.has_room() and (self._is_thread() or not self.outbox.has_room(8)):
            self.outbox.room_sync()
            self._stop_thread()
        self._put(kind, payload)

    async def step(self, call: StepCall) -> Any:
        """Return the recorded result, or execute and record."""
        execution = self._begin(call)
        if execution.is_recorded:
            return execution.recorded()
        if execution.state == "unknown":
            await self._store(execution.place, execution.unknown())
            raise StepUnknown(call.name)
        await self._store(execution.place, execution.started())
        try:
            packed = call.pack(await self._execute(execution))
            result = call.unpack(packed)
        except asyncio.CancelledError as error:
            self._put(EventKind.STEP, execution.failed(error), execution.place)
            raise
        except BaseException as error:
            await self._store(execution.place, execution.failed(error))
            raise
        await self._store(execution.place, execution.done(packed))
        return result

    def step_sync(self, call: StepCall) -> Any:
        """The same in a thread."""
        if not self._is_thread():
            raise RuntimeError(f"step_sync({call.name!r}) would block the event loop: use `await tracer.step(…)` here")
        execution = self._begin(call)
        if execution.is_recorded:
            return execution.recorded()
        if execution.state == "unknown":
            self._store_sync(execution.place, execution.unknown())
            raise StepUnknown(call.name)
        self._store_sync(execution.place, execution.started())
        try:
            with inside(self._branch_of(execution)):
                packed = call.pack(call.function(*call.args, **call.kwargs))
            result = call.unpack(packed)
        except BaseException as error:
            self._store_sync(execution.place, execution.failed(error))
            raise
        self._store_sync(execution.place, execution.done(packed))
        return result

    async def sleep(self, seconds: float) -> None:
        """Wait until the recorded time; a run started again waits only for the rest."""
        wanted = timedelta(seconds=seconds)
        if not timedelta() <= wanted <= LONGEST_SLEEP:
            raise ValueError(f"sleep takes 0 seconds to ten years, not {seconds}")
        execution = self._begin(StepCall("sleep", asyncio.sleep, (seconds,)), is_timer=True)
        if execution.is_recorded:
            return
        until = execution.until or datetime.now(UTC) + wanted
        if execution.place.count == 0:
            await self._store(execution.place, execution.started(until=until.isoformat()))
        await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        await self._store(execution.place, execution.done(None))

    # branches.Owner

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Remember a task of the run until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def write(self, branch: Branch, kind: EventKind, text: str) -> None:
        """Take what was printed, line by line."""
        self._branches[branch] = None
        for line in branch.lines(kind).feed(text):
            self._print(branch, kind, line)

    # for the host

    def flush(self) -> None:
        """Take unfinished lines, and say how many were dropped."""
        for branch in self._branches:
            for kind, line in branch.unfinished():
                self._print(branch, kind, line)
        if self.dropped:
            self.log(f"{self.dropped} lines of output were dropped: the run printed faster or more than can be kept.")

    def log(self, text: str) -> None:
        """Report something the host itself has to say."""
        self._put(EventKind.LOG, {"level": "warning", "text": text}, self._loose)

    # inside

    def _begin(self, call: StepCall, *, is_timer: bool = False) -> Execution:
        self._stop_thread()
        branch = current_branch()
        return self._steps.begin(call, branch.name if branch else "loose", is_timer=is_timer)

    async def _execute(self, execution: Execution) -> Any:
        call, branch = execution.call, self._branch_of(execution)
        if inspect.iscoroutinefunction(call.function):
            with inside(branch):
                return await call.function(*call.args, **call.kwargs)
        value = await self.threads.run(context_of(branch), call.function, *call.args, **call.kwargs)
        return await value if inspect.isawaitable(value) else value

    def _branch_of(self, execution: Execution) -> Branch:
        return Branch(self, f"step-{execution.key}")

    async def _store(self, place: Place, payload: Payload) -> None:
        """Accept a step's event and wait until it is stored."""
        if not self.outbox.has_room():
            await self.outbox.room()
        stored = asyncio.get_running_loop().create_future()
        self.outbox.put(place, EventKind.STEP, wire.body(payload), resolver(stored))
        await stored

    def _store_sync(self, place: Place, payload: Payload) -> None:
        stored = threading.Event()
        self.outbox.put(place, EventKind.STEP, wire.body(payload), stored.set)
        stored.wait()

    def _put(self, kind: EventKind, payload: Payload, place: Place | None = None) -> None:
        if self.outbox.is_closed:
            raise RuntimeError("the run has ended: nothing can be reported any more")
        if isinstance(text := payload.get("text"), str):
            payload = {**payload, "text": capped(text)}
        body = wire.body(payload)
        if len(body) > EVENT_LIMIT:
            body = wire.body({"str": f"({len(body) / 2**20:.0f} MiB were dropped: an event holds at most 16 MiB)"})
        self.outbox.put(place or self._place(kind), kind, body)

    def _place(self, kind: EventKind) -> Place:
        branch = current_branch()
        if branch is None or branch.owner is not self:
            return self._loose
        return branch.out if kind in OUTPUT_KINDS else branch.events

    def _print(self, branch: Branch, kind: EventKind, line: str) -> None:
        if not line or self.outbox.is_closed:
            return
        if not self._may_print(len(line)):
            self.dropped += 1
            self.outbox.skip(branch.out)
            return
        self.outbox.put(branch.out, kind, wire.body({"text": line}))

    def _may_print(self, size: int) -> bool:
        if self._output_left[0] <= 0 or self._output_left[1] <= 0:
            return False
        self._output_left[0] -= 1
        self._output_left[1] -= size
        if self.outbox.has_room():
            self._is_impatient = False
            return True
        if not self._is_thread():
            return self.outbox.has_room(8)
        self._is_impatient = self._is_impatient or not self.outbox.room_sync(PATIENCE_S)
        return not self._is_impatient

    def _is_thread(self) -> bool:
        return threading.get_ident() != self._loop_thread

    def _stop_thread(self) -> None:
        """In a thread of a cancelled run, raise once."""
        me = threading.get_ident()
        if self.is_cancelled and self._is_thread() and me not in self._stopped:
            self._stopped.add(me)
            raise asyncio.CancelledError("the run was cancelled")
