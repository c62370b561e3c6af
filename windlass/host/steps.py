"""The step records of one run: what was done in an earlier life, and what happens to a new call."""

import builtins
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from windlass.contracts.events import Payload
from windlass.errors import StepFailed, StepUnknown
from windlass.host.branches import Place
from windlass.steps import StepCall

INTERRUPTED = "CancelledError"

Record = dict[str, Any]  # as the driver sends it: key name state executions result? error? until? attempt?


@dataclass(slots=True)
class Execution:
    """One execution of a step, or its record."""

    call: StepCall
    key: str
    number: int
    place: Place
    attempt: int
    state: str
    record: Record
    is_new: bool
    started_at: datetime
    clock: float

    @property
    def is_recorded(self) -> bool:
        """Whether the step was finished in an earlier life."""
        return self.state == "done"

    @property
    def until(self) -> datetime | None:
        """When a sleep that was begun in an earlier life ends."""
        until = self.record.get("until")
        return datetime.fromisoformat(until) if until else None

    def recorded(self) -> Any:
        """The result of that earlier life."""
        return self.call.unpack(self.record.get("result"))

    def started(self, **more: Any) -> Payload:
        """The event before the function runs."""
        return self._payload(self.state, args=self.call.shown_arguments(), **more)

    def done(self, result: Any) -> Payload:
        """The event that keeps the result."""
        return self._payload("done", ms=self._ms(), result=result)

    def failed(self, error: BaseException) -> Payload:
        """The event that keeps the error."""
        return self._payload("failed", ms=self._ms(), error=described(error))

    def unknown(self) -> Payload:
        """The event of a step that must not run twice and was interrupted."""
        return self._payload(
            "unknown", error={"type": StepUnknown.__name__, "message": str(StepUnknown(self.call.name))}
        )

    def _payload(self, state: str, **more: Any) -> Payload:
        return {
            "key": self.key,
            "name": self.call.name,
            "state": state,
            "execution": self.number,
            "attempt": self.attempt,
            "started_at": self.started_at.isoformat(),
            **more,
        }

    def _ms(self) -> int:
        return round((monotonic() - self.clock) * 1000)


class Steps:
    """Finds the record of a call by `(name, arguments, n-th such call)`, never by its place in the code."""

    def __init__(self, records: list[Record], attempt: int) -> None:
        self._records = {record["key"]: record for record in records}
        self._attempt = attempt
        self._calls: Counter[str] = Counter()

    def begin(self, call: StepCall, branch: str, *, is_timer: bool = False) -> Execution:
        """What becomes of a call; raises the recorded error of a step that failed in this attempt."""
        fingerprint = call.fingerprint(branch)
        self._calls[fingerprint] += 1
        key = f"{fingerprint}.{self._calls[fingerprint]}"
        record = self._records.pop(key, {})
        state = self._state(call, record)
        is_new = not record or (state in {"started", "repeated"} and not is_timer)
        number = (record.get("executions") or 1) + (1 if record and is_new else 0)
        return self._execution(call, key, number, state=state, record=record, is_new=is_new)

    def note(self, key: str) -> Any | None:
        """The result recorded under a name of the host's own."""
        return self._records.pop(key, {}).get("result")

    def noted(self, key: str, name: str) -> Execution:
        """The record of something the host did."""
        return self._execution(StepCall(name, lambda: None), key, 1, state="done", record={}, is_new=True)

    def _execution(
        self, call: StepCall, key: str, number: int, *, state: str, record: Record, is_new: bool
    ) -> Execution:
        place = Place(f"step:{key}:{self._attempt}.{number}", 0 if is_new else 1)
        now = datetime.now(UTC)
        return Execution(call, key, number, place, self._attempt, state, record, is_new, now, monotonic())

    def _state(self, call: StepCall, record: Record) -> str:
        match record.get("state"):
            case "done":
                return "done"
            case "unknown":
                raise StepUnknown(call.name)
            case "failed" if self._is_final(record):
                raise revived(record.get("error") or {})
            case "started" | "repeated":
                return "unknown" if call.once else "repeated"
            case _:
                return "started"

    def _is_final(self, record: Record) -> bool:
        """Whether a failure holds: it is of this attempt and was no interruption."""
        error: dict[str, Any] = record.get("error") or {}
        if error.get("type") == INTERRUPTED:
            return False
        return record.get("attempt", self._attempt) == self._attempt


def described(error: BaseException) -> dict[str, str]:
    """An error as JSON; the type is importable."""
    kind = type(error)
    name = (
        kind.__name__
        if kind.__module__ in {"builtins", "asyncio.exceptions"}
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    return {"type": name, "message": str(error)[:10_000]}


def revived(error: dict[str, Any]) -> Exception:
    """The recorded error as the agent knows it, or `StepFailed` when its class cannot be found."""
    name, message = str(error.get("type", "")), str(error.get("message", ""))
    module, _, kind_name = name.rpartition(".")
    kind = getattr(sys.modules.get(module) if module else builtins, kind_name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            again = kind.__new__(kind, message)  # not its __init__, which may want other arguments
            again.args = (message,)
        except TypeError:
            pass
        else:
            return again
    return StepFailed(f"{name}: {message}")
