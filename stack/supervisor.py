"""Start the parts of the stack in order, keep each alive, end them in reverse."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from stack.errors import StackError
from stack.processes import Command, Process, spawn
from stack.readiness import Question, answers
from windlass.core.supervision import ChildState, ChildStatus, identify

FIRST_START_S = 60.0  # a part that is not up by then ends the start
FIRST_TRIES = 4
SETTLED_S = 5.0  # who lived this long starts again at once
DELAY_S = 0.2
LONGEST_DELAY_S = 5.0
TAIL_BYTES = 1500
NOT_STARTED = 127  # what a shell answers


class StartFailed(StackError):
    """A part did not come up; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done once before others can start."""

    name: str
    act: Callable[[], Awaitable[None]]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Child:
    """A process that is kept alive; `ready` is asked until the parts after it may start.

    `clear` is awaited before every start: what the life before left behind must be gone by then.
    """

    name: str
    command: Command
    ready: Question
    after: tuple[str, ...] = ()
    stop_signal: Signals = SIGTERM
    grace_s: float = 15.0
    address: str = ""
    clear: Callable[[], Awaitable[None]] | None = None
    spawn: Callable[[Command, Path], Awaitable[Process]] = spawn


Part = Chore | Child


class Supervisor:
    """The parts of one stack; `changed` hears every change of a child's state, `announce` one line per restart."""

    def __init__(self, parts: Sequence[Part], logs: Path, changed: Callable[[], None], announce: Callable[[str], None]):
        self._parts = {part.name: part for part in parts}
        self._logs, self._changed, self._announce = logs, changed, announce
        self._done = {name: asyncio.Event() for name in self._parts}
        self._status = {part.name: _first_status(part, logs) for part in parts if isinstance(part, Child)}
        self._processes: dict[str, Process] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # ends when a part gave up

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        """Every child's status, in start order."""
        return tuple(self._status.values())

    async def start(self) -> None:
        """Start every part as soon as what it needs is there; return when all are up. Raises what stopped one."""
        for part in self._parts.values():
            keep = self._do(part) if isinstance(part, Chore) else self._keep(part)
            self._tasks[part.name] = task = asyncio.create_task(keep)
            task.add_done_callback(self._note_failure)
        everything = asyncio.create_task(self._all(self._done))
        await asyncio.wait([everything, self.failed], return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            everything.cancel()
            self.failed.result()

    async def stop(self) -> None:
        """End the children in reverse order of their start, each with its grace."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        levels = {name: self._level(name) for name in self._processes}
        for level in sorted(set(levels.values()), reverse=True):
            await asyncio.gather(*(self._end(name) for name in levels if levels[name] == level))

    def kill(self) -> None:
        """End every child at once."""
        for process in self._processes.values():
            _signal(process, SIGKILL)

    async def _do(self, chore: Chore) -> None:
        await self._all(chore.after)
        await chore.act()
        self._done[chore.name].set()

    async def _keep(self, child: Child) -> None:
        """Run a child again and again."""
        await self._all(child.after)
        quick_ends, first = 0, time.monotonic()
        while True:
            born = time.monotonic()
            code = await self._live(child)
            lived = time.monotonic() - born
            quick_ends = 0 if lived > SETTLED_S else quick_ends + 1
            if not self._done[child.name].is_set() and (quick_ends > FIRST_TRIES or born - first > FIRST_START_S):
                raise StartFailed(f"{child.name} does not stay up ({ending(code)}). {self._tail(child)}")
            delay = min(DELAY_S * 2 ** (quick_ends - 2), LONGEST_DELAY_S) if quick_ends > 1 else 0.0
            self._note(child.name, ChildState.RESTARTING, restarts=self._status[child.name].restarts + 1, process=None)
            wait = f" in {delay:.1f} s" if delay else ""
            log = self._status[child.name].log
            self._announce(f"{child.name} ended after {lived:.1f} s ({ending(code)}); starting it again{wait} · {log}")
            await asyncio.sleep(delay)

    async def _live(self, child: Child) -> int:
        """One life of a child, from its start to its exit code."""
        try:
            if child.clear is not None:
                await child.clear()
            process = await child.spawn(child.command, self._logs / f"{child.name}.log")
        except (OSError, RuntimeError) as error:
            if not self._done[child.name].is_set():
                raise StartFailed(f"{child.name} cannot be started: {error}") from error
            return NOT_STARTED
        self._processes[child.name] = process
        self._note(child.name, ChildState.STARTING, process=identify(process.pid))
        watch = asyncio.create_task(self._watch(child))
        try:
            return await process.wait()
        finally:
            watch.cancel()

    async def _watch(self, child: Child) -> None:
        """Wait until a child is ready; a first start that takes too long is ended, so that it is reported."""
        deadline = time.monotonic() + FIRST_START_S
        me = asyncio.current_task()
        while not await answers(child.ready):
            if me is not None and me.cancelling():  # a probe that ends just then may swallow the cancel
                return
            if time.monotonic() > deadline and not self._done[child.name].is_set():
                _signal(self._processes[child.name], SIGKILL)
            await asyncio.sleep(0.03)
        self._note(child.name, ChildState.RUNNING)
        self._done[child.name].set()

    async def _end(self, name: str) -> None:
        child, process = self._parts[name], self._processes[name]
        if isinstance(child, Child) and process.returncode is None:
            _signal(process, child.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), child.grace_s)
            except TimeoutError:
                self._announce(
                    f"{name} did not end within {child.grace_s:g} s and was killed · {self._status[name].log}"
                )
                _signal(process, SIGKILL)
                await process.wait()
        self._note(name, ChildState.STOPPED, process=None)

    async def _all(self, names: Sequence[str] | dict[str, asyncio.Event]) -> None:
        for name in names:
            await self._done[name].wait()

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)

    def _level(self, name: str) -> int:
        return 1 + max((self._level(each) for each in self._parts[name].after), default=0)

    def _note(self, name: str, state: ChildState, **changes: object) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._status[name] = replace(self._status[name], state=state, since=now, **changes)  # pyright: ignore[reportArgumentType] - fields by name
        self._changed()

    def _tail(self, child: Child) -> str:
        log = Path(self._status[child.name].log)
        with suppress(OSError):
            return f"The end of {log}:\n{log.read_bytes()[-TAIL_BYTES:].decode(errors='replace').strip()}"
        return ""


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {Signals(-code).name}"
    return f"signal {-code}"


def _first_status(child: Child, logs: Path) -> ChildStatus:
    return ChildStatus(
        child.name,
        address=child.address,
        log=str(logs / f"{child.name}.log"),
        death_signal=int(child.command.death_signal),
    )


def _signal(process: Process, number: Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
