"""What an agent's own tests need: a tracer that records what it is told."""

import asyncio
import inspect
from typing import Any

from windlass.asking import Asking
from windlass.contracts.events import EventKind, Payload
from windlass.errors import FileRefused
from windlass.files import FileAccess
from windlass.steps import StepCall
from windlass.tracer import RunFacts, Tracer


class _Recorded:
    """Reports that are kept in a list; steps really run, sleeps do not."""

    def __init__(self, fid: str) -> None:
        self.facts = RunFacts(run_id=fid)
        self.events: list[tuple[EventKind, Payload]] = []
        self.answers: dict[str, Any] = {}

    async def report(self, kind: EventKind, payload: Payload) -> None:
        self.report_sync(kind, payload)

    def report_sync(self, kind: EventKind, payload: Payload) -> None:
        self.events.append((kind, payload))

    async def step(self, call: StepCall) -> Any:
        if inspect.iscoroutinefunction(call.function):
            value = await call.function(*call.args, **call.kwargs)
        else:
            value = await asyncio.to_thread(call.function, *call.args, **call.kwargs)
        return self._done(call, await value if inspect.isawaitable(value) else value)

    def step_sync(self, call: StepCall) -> Any:
        return self._done(call, call.function(*call.args, **call.kwargs))

    async def sleep(self, seconds: float) -> None:
        self.report_sync(EventKind.STEP, {"name": "sleep", "state": "done", "args": str(seconds)})
        await asyncio.sleep(0)

    def files(self) -> FileAccess:
        raise FileRefused("a tracer without a run has no files")

    async def ask(self, call: Asking) -> Any:
        form = call.own_form()
        asked = {"kind": "ask" if form else "form", "name": call.name, "data": call.plain_data, "state": "open"}
        self.report_sync(EventKind.QUESTION, asked)
        await asyncio.sleep(0)
        return self.answers.get(call.name, {})

    def _done(self, call: StepCall, value: Any) -> Any:
        packed = call.pack(value)
        self.report_sync(EventKind.STEP, {"name": call.name, "state": "done", "result": packed})
        return call.unpack(packed)


class TracerMock(Tracer):
    """A tracer without a run: `.events` lists `(kind, payload)`, a step calls its function, a sleep returns at once.

    A question is answered by what `.answers` holds under its name, else by `{}`.
    """

    async def fs(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - there is no run whose files they were
        """None, as ever."""
        return None

    def fs_sync(self) -> Any:
        """None, as ever."""
        return None

    def __init__(self, fid: str = "mock") -> None:
        recorded = _Recorded(fid)
        super().__init__(recorded)
        self.events = recorded.events
        self.answers = recorded.answers
