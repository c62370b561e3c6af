"""Tasks of desktops: scripts, executed inside a desktop and followed from outside."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from activities.containers import EngineAway, Scripts, ScriptState, Why
from activities.executors import Began, Ended, ExecutionLost, Report, Reported
from windlass.contracts.agents import DESKTOP
from windlass.contracts.desktops import script_bytes
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.runs import DriveEnd
from windlass.core.executions import Attached

LINE_BYTES = 8 * 1024
KEPT_BYTES = 4 * 1024 * 1024  # of each stream: a script may print without end, a log may not
STDERR = 2
LOST = "The desktop ended{}. What the script had done by then is done; it is not run again."
NEVER_BEGUN = "The desktop ended before the script began{}. Nothing was run."


class DesktopTasks:
    """Executes runs of `desktop`. A script outlives its driver, and no script is ever begun twice."""

    def __init__(self, scripts: Scripts, why: Why) -> None:
        self._scripts, self._why = scripts, why

    async def open(self, attached: Attached, attempt: int) -> "ScriptExecution":
        """Take the script over: begin it, or follow it where it is."""
        return ScriptExecution(self._scripts, self._why, attached)

    async def stop(self, attached: Attached) -> None:
        """Stop a script that nobody follows."""
        await ScriptExecution(self._scripts, self._why, attached).stop()


class ScriptExecution:
    """One script in one desktop."""

    def __init__(self, scripts: Scripts, why: Why, attached: Attached) -> None:
        inputs = attached.record.get("inputs", {})
        self._scripts, self._why, self._attached = scripts, why, attached
        self._desktop_id, self._script = str(inputs.get("desktop", "")), str(inputs.get("script", ""))
        self._id = str(attached.run_id)
        self._is_stopped = False

    async def reports(self) -> AsyncIterator[Report]:
        """What the script writes, up to its end. Raises ExecutionLost while the engine is away."""
        try:
            yield Began({"summary": "Desktop", "entry_point": DESKTOP, "desktop": self._desktop_id})
            state = await self._begun()
            if not state.is_none:
                async for event in self._written():
                    yield Reported(event)
                state = await self._scripts.state(self._desktop_id, self._id)
            if state.is_running and not self._is_stopped:
                raise ExecutionLost("what followed the script ended before it")
            if self._is_stopped:
                await self._scripts.stop(self._desktop_id, self._id)  # to its end: then nothing of it is left
            yield await self._end(state)
        except EngineAway as away:
            raise ExecutionLost(str(away)) from away

    async def acknowledge(self, stored: Mapping[str, int]) -> None:
        """Nothing to forget: what a script wrote stays beside it until its end is stored."""

    async def stop(self) -> None:
        """End everything the script started that stayed in its group; after a second by force."""
        self._is_stopped = True
        with suppress(EngineAway):
            await self._scripts.stop(self._desktop_id, self._id)

    async def answer(self, questions: Sequence[Payload]) -> None:
        """A script asks nobody."""

    async def settle(self) -> None:
        """Forget the script and what it wrote: it is in the log."""
        with suppress(EngineAway):
            await self._scripts.forget(self._desktop_id, self._id)

    async def close(self) -> None:
        """Let go; the script goes on."""

    async def _begun(self) -> ScriptState:
        """How the script stands; it is begun now unless it was before, or must stop."""
        state = await self._scripts.state(self._desktop_id, self._id)
        if state.is_none and not self._is_stopped:
            state = await self._scripts.begin(self._desktop_id, self._id, script_bytes(self._script))
            if self._is_stopped:  # meanwhile, when there was nothing to stop yet
                await self._scripts.stop(self._desktop_id, self._id)
        return state

    async def _written(self) -> AsyncIterator[NewEvent]:
        """Every line of both streams from the first on: those that are stored already are known by their place."""
        lines = {EventKind.STDOUT: Lines("out:task"), EventKind.STDERR: Lines("err:task")}
        async for stream, text in self._scripts.follow(self._desktop_id, self._id):
            kind = EventKind.STDERR if stream == STDERR else EventKind.STDOUT
            for event in lines[kind].take(text, kind):
                yield event
        for kind, each in lines.items():
            for event in each.rest(kind):
                yield event

    async def _end(self, state: ScriptState) -> Ended:
        if state.code == 0:
            return Ended(DriveEnd.FINISHED, {"dict": {"exit_code": 0}})
        if self._is_stopped:
            return Ended(DriveEnd.CANCELLED)
        if state.code is not None:
            said = f"The script ended with exit code {state.code}."
            error: Payload = {"type": "ScriptFailed", "message": said, "exit_code": state.code}
        else:
            why = await self._why(self._attached.tenant_id, UUID(self._desktop_id))
            said = (NEVER_BEGUN if state.is_none else LOST).format(f": {why}" if why else "")
            error = {"type": "DesktopLost", "message": said}
        return Ended(DriveEnd.FAILED, error=error, retryable=False)


class Lines:
    """Cuts what a stream carries into lines, always at the same places, and counts them."""

    def __init__(self, producer: str) -> None:
        self._producer = producer
        self._open = b""
        self._count = self._kept = 0

    def take(self, more: bytes, kind: EventKind) -> Iterator[NewEvent]:
        """The lines that are complete by now."""
        self._open += more
        while (end := self._end()) is not None:
            line, self._open = self._open[:end], self._open[end:]
            yield from self._event(line, kind)

    def rest(self, kind: EventKind) -> Iterator[NewEvent]:
        """The line that no newline ended."""
        line, self._open = self._open, b""
        if line:
            yield from self._event(line, kind)

    def _end(self) -> int | None:
        newline = self._open.find(b"\n", 0, LINE_BYTES)
        if newline >= 0:
            return newline + 1
        return LINE_BYTES if len(self._open) >= LINE_BYTES else None

    def _event(self, line: bytes, kind: EventKind) -> Iterator[NewEvent]:
        is_within = self._kept <= KEPT_BYTES
        self._kept += len(line)
        if not is_within:
            return
        self._count += 1
        text = line.decode(errors="replace").rstrip("\n")
        if self._kept > KEPT_BYTES:
            text = f"(more than {KEPT_BYTES // 2**20} MiB: what follows is not kept)"
        yield NewEvent(kind, {"text": text}, self._producer, self._count)
