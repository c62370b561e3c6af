"""What a run did, as spans of time: read from its events and its step records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, cast

from api.pages.formats import parse_time
from windlass.contracts.agents import CLAUDE
from windlass.contracts.events import Event, EventKind
from windlass.core.run_steps import Step

GROUP_FROM = 4  # so many steps of one name become one row
SPAN_KINDS = (
    *(EventKind.STATUS, EventKind.STEP, EventKind.MESSAGE, EventKind.USAGE, EventKind.LOG),
    *(EventKind.QUESTION, EventKind.ANSWER),
)


class Kind(StrEnum):
    """What a span is, hence its icon and its colour."""

    RUN = "run"
    MODEL = "model"
    STEP = "step"
    TIMER = "timer"
    QUESTION = "question"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work or waiting; `kept` is recorded for good, `taken_over` was finished by an earlier try."""

    key: str
    name: str
    kind: Kind
    state: str
    started_at: datetime
    ended_at: datetime | None = None
    note: str = ""
    cause: str = ""
    cost_usd: Decimal | None = None
    seq: int = 0
    executions: int = 1
    kept: bool = False
    taken_over: bool = False
    grouped: bool = False
    again_at: tuple[datetime, ...] = ()  # when later tries took it over
    pauses: tuple[tuple[datetime, datetime], ...] = ()  # of a run: between its tries
    children: tuple["Span", ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.ended_at is None


STATES = {
    "started": "running", "repeated": "running", "done": "finished", "failed": "failed", "unknown": "lost",
}  # fmt: skip


@dataclass(slots=True)
class SpanReader:
    """Reads events in their order; may be fed again and again while the run goes on."""

    agent: str
    is_prompt: bool = False
    _steps: dict[str, Span] = field(default_factory=dict[str, Span])
    _earlier: dict[str, list[Span]] = field(default_factory=dict[str, list[Span]])
    _models: dict[str, Span] = field(default_factory=dict[str, Span])
    _questions: dict[str, Span] = field(default_factory=dict[str, Span])
    _costs: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    _started_at: datetime | None = None
    _work_at: datetime | None = None
    _ended_at: datetime | None = None
    _status: str = "queued"
    _attempt: int = 1

    def take_over(self, steps: Iterable[Step]) -> None:
        """Note the steps that an earlier try finished: they have no events here."""
        self.take_records(step for step in steps if step.kept_from is not None)

    def take_records(self, steps: Iterable[Step]) -> None:
        """Read step records instead of events: enough for a run with too many of them."""
        for step in steps:
            kind = Kind.TIMER if step.until is not None else Kind.STEP
            self._steps[step.key] = Span(
                step.key, step.name, kind, STATES.get(step.state, "finished"), step.started_at, step.ended_at,
                cause=short_cause(step.error), executions=step.execution, kept=step.state == "done",
                note="repeated" if step.execution > 1 else "", taken_over=step.kept_from is not None,
            )  # fmt: skip

    def feed(self, events: Sequence[Event]) -> None:
        """Read on."""
        readers = {
            EventKind.STATUS: self._read_status,
            EventKind.STEP: self._read_step,
            EventKind.MESSAGE: self._read_message,
            EventKind.USAGE: self._read_usage,
            EventKind.QUESTION: self._read_question,
            EventKind.ANSWER: self._read_question,
            EventKind.LOG: self._read_failed_call,
            EventKind.ERROR: self._read_error,
        }
        for event in events:
            if (reader := readers.get(event.kind)) is not None:
                reader(event)

    def root(self) -> Span | None:
        """The run as one span with everything inside; None before its first event."""
        if self._started_at is None:
            return None
        return Span(
            "run", self.agent, Kind.RUN, self._status, self._started_at, self._ended_at,
            note=f"attempt {self._attempt}" if self._attempt > 1 else "",
            cost_usd=sum(self._costs.values(), Decimal(0)) if self._costs else None,
            kept=self._status == "finished", children=self._children(),
        )  # fmt: skip

    def _children(self) -> tuple[Span, ...]:
        spans = [self._with_attempts(step) for step in self._steps.values()]
        spans += [*self._models.values(), *self._questions.values()]
        spans.sort(key=lambda span: (span.started_at, span.seq))
        return grouped(spans)

    def _with_attempts(self, step: Span) -> Span:
        step = replace(step, cost_usd=self._costs.get(step.key), kind=self._kind(step))
        earlier = self._earlier.get(step.key)
        if not earlier:
            return step
        last = replace(step, key=f"{step.key}:{step.executions}", note=f"attempt {len(earlier) + 1}", kept=False)
        started_at = earlier[0].started_at
        return replace(step, started_at=started_at, note="repeated", children=(*earlier, last))

    def _kind(self, step: Span) -> Kind:
        return Kind.MODEL if step.key in self._costs and step.kind is Kind.STEP else step.kind

    def _read_status(self, event: Event) -> None:
        self._status = str(event.payload.get("status", self._status))
        self._attempt = int(event.payload.get("attempt") or self._attempt)
        self._started_at = self._started_at or event.at
        if self._status == "running":
            self._work_at = event.at
            if self.is_prompt or self.agent == CLAUDE:
                self._models["open"] = Span("model-open", "answer", Kind.MODEL, "running", event.at, seq=event.seq)
        if self._status in ("finished", "failed", "cancelled"):
            self._end(event.at)

    def _end(self, at: datetime) -> None:
        self._ended_at = at
        state, cause = ("lost", "had no end") if self._status == "finished" else ("cancelled", "stopped with the run")
        for spans in (self._steps, self._models, self._questions):
            for key, span in spans.items():
                if span.is_open:
                    spans[key] = replace(span, state=state, ended_at=at, cause=cause)

    def _read_step(self, event: Event) -> None:
        payload = event.payload
        key, state = str(payload.get("key", "")), str(payload.get("state", ""))
        before = self._steps.get(key)
        if state in ("started", "repeated"):
            self._begin_step(event, key, before)
            return
        base = before or self._new_step(event, key)
        error: Any = payload.get("error") or {}
        ended_at = event.at
        if isinstance(ms := payload.get("ms"), int | float):
            ended_at = min(event.at, base.started_at + timedelta(milliseconds=float(ms))) if before else event.at
        self._steps[key] = replace(
            base, state=STATES.get(state, "finished"), ended_at=ended_at, kept=state == "done",
            cause="outcome unknown" if state == "unknown" else short_cause(error),
        )  # fmt: skip

    def _begin_step(self, event: Event, key: str, before: Span | None) -> None:
        span = self._new_step(event, key)
        if before is not None:
            died = before.is_open
            cause = "interrupted, runs again" if died else before.cause
            state = "lost" if died else before.state
            past = replace(
                before, key=f"{key}:{before.executions}", state=state, cause=cause, kept=False,
                ended_at=before.ended_at or span.started_at, note=f"attempt {before.executions}",
            )  # fmt: skip
            self._earlier.setdefault(key, []).append(past)
            span = replace(span, seq=before.seq, executions=before.executions + 1)
        self._steps[key] = span

    def _new_step(self, event: Event, key: str) -> Span:
        payload = event.payload
        started_at = parse_time(payload.get("started_at")) or event.at
        is_sleep = payload.get("until") is not None
        name = str(payload.get("name") or key)
        return Span(
            key, name, Kind.TIMER if is_sleep else Kind.STEP, "running", min(started_at, event.at), seq=event.seq
        )  # fmt: skip

    def _read_question(self, event: Event) -> None:
        payload = event.payload
        key = str(payload.get("question_id", ""))
        known = self._questions.get(key)
        if event.kind is EventKind.QUESTION and payload.get("state") == "open":
            span = known or Span(
                f"question-{key}", str(payload.get("name")), Kind.QUESTION, "awaiting", event.at, seq=event.seq
            )
            note = "asked again" if known else ""
            self._questions[key] = replace(span, state="awaiting", ended_at=None, kept=False, note=note)
        elif known is not None:
            is_answer = event.kind is EventKind.ANSWER
            note = f"by {payload['by']}" if payload.get("by") else str(payload.get("state") or "")
            state = "finished" if is_answer else "cancelled"
            self._questions[key] = replace(known, state=state, ended_at=event.at, kept=is_answer, note=note)

    def _read_message(self, event: Event) -> None:
        payload = event.payload
        if payload.get("role") != "assistant":
            return
        self._models.pop("open", None)
        item = str(payload.get("item") or event.seq)
        started_at = parse_time(payload.get("started_at")) or self._work_at or event.at
        model = str(payload.get("model") or "")
        self._models[item] = Span(
            f"model-{item}", "answer", Kind.MODEL, "finished", min(started_at, event.at), event.at,
            note=model.removeprefix("claude-"), seq=event.seq, kept=True,
        )  # fmt: skip
        self._work_at = event.at

    def _read_error(self, event: Event) -> None:
        if answer := self._models.get("open"):
            self._models["open"] = replace(answer, state="failed", ended_at=event.at, cause=short_cause(event.payload))

    def _read_failed_call(self, event: Event) -> None:
        if not event.payload.get("attempt"):
            return
        self._models.pop("open", None)
        began = self._work_at or event.at
        said = str(event.payload.get("text") or "")
        self._models[f"failed-{event.seq}"] = Span(
            f"model-{event.seq}", "answer", Kind.MODEL, "failed", began, event.at,
            note=f"attempt {event.payload['attempt']}", cause=said[:60], seq=event.seq,
        )  # fmt: skip
        self._work_at = event.at

    def _read_usage(self, event: Event) -> None:
        owner = str(event.payload.get("step") or event.payload.get("item") or "")
        cost = decimal(event.payload.get("cost_usd"))
        if cost is None:
            return
        self._costs[owner] = self._costs.get(owner, Decimal(0)) + cost
        if self._models and owner not in self._steps:
            last = next(reversed(self._models))
            span = self._models[last]
            self._models[last] = replace(span, cost_usd=(span.cost_usd or Decimal(0)) + cost)


def grouped(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same spans, with many of one name as one group at the place of the first."""
    by_name: dict[tuple[str, Kind], list[Span]] = {}
    for span in spans:
        by_name.setdefault((span.name, span.kind), []).append(span)
    result: list[Span] = []
    for members in by_name.values():
        result.extend([group(members)] if len(members) >= GROUP_FROM else members)
    return tuple(sorted(result, key=lambda span: (span.started_at, span.seq)))


def group(members: Sequence[Span]) -> Span:
    """One span over many of one name; it is as far as its least finished member."""
    state = next(
        (state for state in ("running", "failed", "lost", "cancelled") if any(each.state == state for each in members)),
        "finished",
    )
    costs = [each.cost_usd for each in members if each.cost_usd is not None]
    ends = [each.ended_at for each in members if each.ended_at is not None]
    first = members[0]
    return Span(
        f"group-{first.key}", first.name, first.kind, state, min(each.started_at for each in members),
        None if len(ends) < len(members) else max(ends), note=f"\u00d7 {len(members)}", seq=first.seq,
        cost_usd=sum(costs, Decimal(0)) if costs else None, kept=all(each.kept for each in members),
        taken_over=all(each.taken_over for each in members), grouped=True, children=tuple(members),
    )  # fmt: skip


def short_cause(error: Any) -> str:
    """An error in a few words: its type and the first line of its message."""
    if not isinstance(error, dict) or not error:
        return ""
    said = cast("dict[str, Any]", error)
    kind, message = str(said.get("type") or "Error"), str(said.get("message") or "").split("\n")[0]
    text = f"{kind}: {message}" if message else kind
    return text if len(text) <= 60 else text[:59] + "\u2026"


def decimal(value: Any) -> Decimal | None:
    """A number of money from JSON text or number; None when it is unknown."""
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
