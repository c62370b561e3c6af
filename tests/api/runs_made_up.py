"""Events, steps and runs made up for tests of pure functions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from windlass.contracts.events import Event, EventKind
from windlass.contracts.ids import RunId
from windlass.core.run_steps import Step

BEGAN = datetime(2026, 11, 21, 14, 18, 6, tzinfo=UTC)
RUN = RunId(UUID("0199c0de-0000-7000-8000-0000a41c9e07"))


def at(seconds: float) -> datetime:
    """So many seconds after the beginning."""
    return BEGAN + timedelta(seconds=seconds)


class Story:
    """Writes a log event by event."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.tell(0, EventKind.STATUS, status="queued")
        self.tell(0.1, EventKind.STATUS, status="running", attempt=1)

    def tell(self, seconds: float, kind: EventKind, **payload: Any) -> "Story":
        """Add one event."""
        self.events.append(Event(len(self.events) + 1, at(seconds), kind, payload))
        return self

    def step(self, name: str, start: float, end: float | None = None, **more: Any) -> "Story":
        """Add a step; with `error` it failed, with `until` it is a sleep."""
        key = more.pop("key", name)
        until = {"until": more.pop("until")} if "until" in more else {}
        self.tell(start, EventKind.STEP, key=key, name=name, state="started", started_at=at(start).isoformat(), **until)
        if end is not None:
            state = "failed" if "error" in more else "done"
            self.tell(end, EventKind.STEP, key=key, name=name, state=state, ms=(end - start) * 1000, **more)
        return self

    def end(self, seconds: float, status: str) -> "Story":
        """Add the terminal event."""
        return self.tell(seconds, EventKind.STATUS, status=status, attempt=1)


def record(name: str, state: str = "done", ms: float | None = 1000, **more: Any) -> Step:
    """A step record."""
    ended_at = None if state == "started" else at(1)
    values: dict[str, Any] = {"until": None, "error": None, "kept_from": None, "execution": 1} | more
    return Step(name, name, state, 1, values["execution"], at(0), ended_at, ms, *_rest(values))


def _rest(values: dict[str, Any]) -> Sequence[Any]:
    return values["until"], values["error"], values["kept_from"]
