"""What the page of a run shows, worked out from its record, its steps and its events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from api.pages.addresses import RunAddress
from api.pages.formats import MISSING, Clock, Viewer, counted, duration, epoch_ms, money, short_id, tokens, took
from api.pages.sentences import sentence
from api.pages.spans import Span, SpanReader
from api.pages.tries import joined
from api.pages.typed import to_json
from api.pages.values import Value, value
from api.pages.waterfall import Waterfall, draw, leaves, row_id, waits_now, worked_and_waited
from windlass.contracts.events import Event, EventKind
from windlass.core.files import RunFile
from windlass.core.questions import Question
from windlass.core.run_steps import Step
from windlass.core.runs import Run
from windlass.core.tasks import Made

LONGEST_RESULT = 6000
LONGEST_SAID = 600  # of an error, on the card; the log has all of it
MOST_NOW = 8
MOST_FILES = 500  # of each root; who wants more takes the zip


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was read to show a run; `spans` has been fed with its events."""

    run: Run
    steps: Sequence[Step]
    tries: Sequence[Run]
    spans: SpanReader
    last_seq: int
    outputs: Sequence[Event]
    questions: Sequence[Question] = ()  # the open ones first
    files: Sequence[RunFile] = ()  # the first ones of each root by their path, one more than is shown
    earlier: tuple[Span, ...] = ()  # the roots of earlier tries, where they are shown together
    made: Made | None = None  # the task it was made of
    elements: Sequence[Mapping[str, Any]] = ()  # of its agent's form as it is now, where the inputs are shown

    def root(self) -> Span | None:
        """The run as a span, with its earlier tries; None before it has begun."""
        last = self.spans.root()
        return last if last is None else joined((*self.earlier, last))


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a run and its cells."""

    id: UUID
    short_id: str
    title: str
    status: str
    status_label: str
    standin: bool
    deleted: bool
    cancelling: bool
    agent: str
    agent_path: str
    agent_note: str
    try_note: str
    started_at: datetime
    started: str
    started_by: str
    ended_at: datetime | None
    ended: str
    elapsed: Clock
    worked: Clock
    waited: Clock
    cost: str
    cost_note: str
    kept: int
    kept_label: str
    kept_note: str
    cancel_text: str
    tries: tuple["TryLink", ...]


@dataclass(frozen=True, slots=True)
class TryLink:
    """One of the tries of a run."""

    name: str
    status: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """The card of a run that did not finish: what happened, what was kept, what to do next."""

    title: str
    shape: str
    look: str
    happened: str
    kept: tuple[str, ...]
    next: str
    retry_label: str = "Retry"


@dataclass(frozen=True, slots=True)
class NowLine:
    """Something that goes on."""

    name: str
    state: str
    clock: Clock
    note: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The row a person looks at."""

    name: str
    state: str
    facts: tuple[tuple[str, str], ...]
    cause: str
    seq: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest thing the run has said."""

    label: str
    time: str
    value: Value
    seq: int
    more: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The tries of a run side by side."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    saved: str


def head(facts: Facts, viewer: Viewer, address: RunAddress, root: Span | None) -> Head:
    """The header of the run."""
    run = facts.run
    worked, waited = parts(root, viewer)
    began, ended = (root.started_at, root.ended_at) if root and address.together else (run.created_at, run.ended_at)
    taken = sum(step.kept_from is not None for step in facts.steps)
    cost = None if run.cost_usd is None else Decimal(str(run.cost_usd))
    return Head(
        id=run.id,
        short_id=short_id(run.id),
        title=run.title,
        status=str(run.status),
        status_label=status_label(run),
        standin=run.standin,
        deleted=run.archived_at is not None,
        cancelling=run.is_live and run.cancel_requested_at is not None,
        agent=run.agent,
        agent_path=run.agent,
        agent_note=agent_note(run),
        try_note=f"try {run.try_}" if len(facts.tries) < 2 else f"try {run.try_} of {len(facts.tries)}",
        started_at=run.started_at or run.created_at,
        started=viewer.clock(run.started_at) if run.started_at else "not yet",
        started_by=f"by {run.created_by_name}" if run.created_by_name else "",
        ended_at=run.ended_at,
        ended=viewer.clock(run.ended_at),
        elapsed=took(began, ended, viewer.now),
        worked=worked,
        waited=waited,
        cost=money(cost),
        cost_note=cost_note(run),
        kept=run.steps_kept,
        kept_label=counted(run.steps_kept, "step"),
        kept_note=f"{taken} from an earlier try" if taken else kept_note(facts.steps),
        cancel_text=cancel_text(run),
        tries=try_links(facts, address),
    )


def parts(root: Span | None, viewer: Viewer) -> tuple[Clock, Clock]:
    """Worked and waited; the one of the two that goes on ticks."""
    if root is None:
        return Clock(duration(0)), Clock(duration(0))
    worked, waited = worked_and_waited(root, viewer.now)
    if not root.is_open:
        return Clock(duration(worked)), Clock(duration(waited) if waited >= 1 else "nothing")
    now_ms = epoch_ms(viewer.now)
    if waits_now(root):
        return Clock(duration(worked)), Clock(duration(waited), now_ms - round(waited * 1000))
    return Clock(duration(worked), now_ms - round(worked * 1000)), Clock(duration(waited) if waited >= 1 else "nothing")


def status_label(run: Run) -> str:
    """The state in words, with what makes it special."""
    if run.is_live and run.cancel_requested_at is not None:
        return "Cancelling"
    if run.status == "finished" and run.try_ > 1:
        return f"Finished on try {run.try_}"
    if run.is_live and run.attempt > 1:
        return f"{str(run.status).capitalize()}, attempt {run.attempt} of {run.max_attempts}"
    return str(run.status).capitalize()


def agent_note(run: Run) -> str:
    """The version of the agent, as its run told it."""
    version = run.meta.get("version")
    return f"version {version}" if version else str(run.meta.get("author") or "")


def cost_note(run: Run) -> str:
    """Tokens and the share that came from the cache."""
    if not run.model_calls:
        return "no model calls"
    total = run.input_tokens + run.output_tokens + run.cached_tokens
    cached = f", {run.cached_tokens / total:.0%} from cache" if run.cached_tokens and total else ""
    return f"{tokens(total)} tokens{cached}"


def kept_note(steps: Sequence[Step]) -> str:
    """How many steps are not kept yet, or were run twice."""
    repeated = sum(step.execution > 1 for step in steps)
    going = sum(step.state == "started" for step in steps)
    if repeated:
        return f"{repeated} repeated"
    return f"{going} at work" if going else ""


def cancel_text(run: Run) -> str:
    """What a cancel means for this run."""
    kept = (
        f"{counted(run.steps_kept, 'kept step')} {'stays' if run.steps_kept == 1 else 'stay'} and can be retried from."
        if run.steps_kept
        else "It has no kept steps yet."
    )
    return f"It stops within two seconds. {kept}"


def try_links(facts: Facts, address: RunAddress) -> tuple[TryLink, ...]:
    """The tries of one root, and both on one axis."""
    if len(facts.tries) < 2:
        return ()
    links = [
        TryLink(
            f"Try {each.try_}",
            str(each.status),
            RunAddress(each.id).path,
            each.id == facts.run.id and not address.together,
        )
        for each in facts.tries
    ]
    name = "Both" if len(facts.tries) == 2 else "All"
    return (*links, TryLink(name, "", address.both(), address.together))


def drawing(root: Span | None, viewer: Viewer, address: RunAddress) -> Waterfall | None:
    """The waterfall of the run, none before it has begun."""
    return None if root is None else draw(root, viewer, address.look)


def failure(facts: Facts) -> Failure | None:
    """The card of a run that failed or was cancelled."""
    run = facts.run
    if run.status == "cancelled":
        reason = run.cancel_reason or "somebody cancelled it"
        return Failure(
            "Cancelled",
            "cancelled",
            "neutral",
            f"The run was {reason}." if reason.startswith("cancelled") else f"It stopped: {reason}.",
            kept_lines(run),
            "Retry it from its kept steps, or run it again with changes.",
        )
    if run.status != "failed":
        return None
    error: dict[str, Any] = run.error or {}
    broken = next((step for step in reversed(facts.steps) if step.state in ("failed", "unknown")), None)
    where = f" at {broken.name}" if broken else ""
    text = f"{error.get('type', 'Error')}: {error.get('message', '')}".rstrip(": ")
    attempts = f" It was tried {run.attempt} times." if run.attempt > 1 else ""
    again = f"Retry from {broken.name}" if broken else "Retry"
    return Failure(
        f"Run failed{where}",
        "failed",
        "",
        sentence(text, LONGEST_SAID) + attempts,
        kept_lines(run),
        f"{again}, or run it again with other inputs.",
        again if len(again) <= 34 else "Retry",
    )


def kept_lines(run: Run) -> tuple[str, ...]:
    """What a run leaves behind."""
    if not run.steps_kept and run.cost_usd is None:
        return ("The inputs and every event. No step had finished.",)
    parts = [counted(run.steps_kept, "step")] if run.steps_kept else []
    if run.cost_usd is not None:
        parts.append(f"{money(Decimal(str(run.cost_usd)))} of model work")
    return (" and ".join(parts) + ".",)


def now_lines(root: Span | None, run: Run, viewer: Viewer) -> tuple[NowLine, ...]:
    """What goes on in a live run."""
    if root is None or not run.is_live:
        return ()
    lines = [
        NowLine(span.name, span.state, took(span.started_at, None, viewer.now), span.note)
        for span in leaves(root.children)
        if span.is_open
    ]
    if not lines and run.status in ("queued", "starting"):
        note = "waits for a worker" if run.status == "queued" else "its service is getting ready"
        lines = [NowLine(run.agent, str(run.status), took(run.created_at, None, viewer.now), note)]
    return tuple(lines[-MOST_NOW:])


def selected(root: Span | None, address: RunAddress, viewer: Viewer) -> Selected | None:
    """The selected row, if there is one."""
    if root is None or not address.look.selected:
        return None
    span = next((each for each in everything(root) if row_id(each.key) == address.look.selected), None)
    if span is None:
        return None
    offset = (span.started_at - root.started_at).total_seconds()
    clock = took(span.started_at, span.ended_at, viewer.now)
    facts = [
        ("Started", f"{viewer.clock(span.started_at)}, after {duration(offset)}"),
        ("Took", clock.text if span.ended_at else f"{clock.text} so far"),
        ("Cost", money(span.cost_usd)),
    ]
    if span.note:
        facts.insert(0, ("What", span.note))
    if span.executions > 1:
        facts.append(("Started", f"{span.executions} times, the first was interrupted"))
    facts.append(("Kept", "yes" if span.kept else "no"))
    return Selected(span.name, span.state, tuple(facts), span.cause, span.seq)


def everything(span: Span) -> list[Span]:
    """A span and all inside it."""
    return [span, *(inner for child in span.children for inner in everything(child))]


def latest(facts: Facts, viewer: Viewer) -> Latest | None:
    """The final answer, or the newest result."""
    if not facts.outputs:
        return None
    event = facts.outputs[-1]
    label = "Result" if event.kind is EventKind.FINAL else "Latest output"
    shown = value(event.payload)
    cut = replace(shown, text=shown.text[:LONGEST_RESULT], rows=shown.rows[:12])
    return Latest(label, viewer.when(event.at), cut, event.seq, len(facts.outputs) > 1)


def comparison(facts: Facts) -> Comparison | None:
    """The tries side by side, and what was saved by not starting over."""
    tries = facts.tries[-4:]
    if len(tries) < 2:
        return None
    rows: list[tuple[str, tuple[str, ...]]] = [
        ("Status", tuple(str(each.status).capitalize() for each in tries)),
        ("Took", tuple(try_took(each) for each in tries)),
        ("Steps kept", tuple(str(each.steps_kept) for each in tries)),
        ("Cost", tuple(money(None if each.cost_usd is None else Decimal(str(each.cost_usd))) for each in tries)),
    ]
    names = dict.fromkeys(name for each in tries for name in each.inputs)
    for name in names:
        values = [short(each.inputs.get(name)) for each in tries]
        if len(set(values)) > 1:
            rows.append((f"Input {name}", tuple(values)))
    taken = sum(step.kept_from is not None for step in facts.steps)
    saved = f"Starting over would have run {counted(taken, 'kept step')} again." if taken else ""
    return Comparison(tuple(f"Try {each.try_}" for each in tries), tuple(rows), saved)


def try_took(run: Run) -> str:
    """How long a try took."""
    if run.started_at is None or run.ended_at is None:
        return MISSING
    return duration((run.ended_at - run.started_at).total_seconds())


def short(content: Any) -> str:
    """An input in a few characters."""
    text = content if isinstance(content, str) else to_json(content)
    return text if len(text) <= 18 else text[:17] + "\u2026"
