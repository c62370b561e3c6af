"""A run as its events tell it: what a live view needs to know, without drawing it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from windlass.client import Event

LOG_LINES = 6
LOG_KINDS = frozenset({"debug", "stdout", "stderr", "log", "error"})


@dataclass(slots=True)
class StepLine:
    """One step: its newest state and how often it was executed."""

    name: str
    state: str
    ms: float | None = None
    executions: int = 1
    started_at: datetime | None = None


@dataclass(slots=True)
class Writing:
    """A message that is being written: the pieces of its newest attempt."""

    attempt: int
    pieces: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def text(self) -> str:
        """What is there so far."""
        return "".join(self.pieces[place] for place in sorted(self.pieces))


@dataclass(slots=True)
class Progress:
    """Everything a live view shows."""

    status: str = "queued"
    reason: str = ""
    attempt: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    steps: dict[str, StepLine] = field(default_factory=dict[str, StepLine])
    log: deque[tuple[str, str]] = field(default_factory=lambda: deque[tuple[str, str]](maxlen=LOG_LINES))
    writing: dict[str, Writing] = field(default_factory=dict[str, Writing])
    final: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    tokens: int = 0
    cost_usd: float | None = None
    is_standin: bool = False

    def take(self, event: Event) -> None:
        """Take the next event."""
        payload = event.payload
        match event.kind:
            case "status":
                self._take_status(event)
            case "step":
                self._take_step(event)
            case "message.delta":
                self._take_delta(payload)
            case "message":
                self.writing.pop(str(payload.get("item")), None)
                self.is_standin = self.is_standin or bool(payload.get("standin"))
            case "usage":
                self.tokens += int(payload.get("input_tokens") or 0) + int(payload.get("output_tokens") or 0)
                if payload.get("cost_usd") is not None:
                    self.cost_usd = (self.cost_usd or 0) + float(payload["cost_usd"])
            case "final":
                self.final = payload
            case _:
                self._take_log(event)

    @property
    def kept(self) -> int:
        """How many steps are done and stay so."""
        return sum(step.state == "done" for step in self.steps.values())

    def _take_status(self, event: Event) -> None:
        self.status = str(event.payload.get("status"))
        self.reason = str(event.payload.get("reason") or "")
        self.attempt = int(event.payload.get("attempt") or self.attempt)
        if self.status in ("starting", "running") and self.started_at is None:
            self.started_at = event.at
        if event.is_terminal:
            self.ended_at = event.at
            self.writing.clear()

    def _take_step(self, event: Event) -> None:
        payload = event.payload
        known = self.steps.get(str(payload.get("key")))
        self.steps[str(payload.get("key"))] = StepLine(
            name=str(payload.get("name")),
            state=str(payload.get("state")),
            ms=payload.get("ms"),
            executions=int(payload.get("execution") or (known.executions if known else 1)),
            started_at=(known and known.started_at) or event.at,
        )

    def _take_delta(self, payload: dict[str, Any]) -> None:
        item, attempt = str(payload.get("item")), int(payload.get("attempt") or 1)
        known = self.writing.get(item)
        if known is None or known.attempt < attempt:
            known = self.writing[item] = Writing(attempt)
        if known.attempt == attempt:
            known.pieces[int(payload.get("ord") or 0)] = str(payload.get("text", ""))

    def _take_log(self, event: Event) -> None:
        if event.kind == "error":
            self.error = event.payload
        if event.kind in LOG_KINDS:
            said = event.payload.get("text") or event.payload.get("message") or ""
            self.log.extend((event.kind, line) for line in str(said).splitlines())
