"""The page of a run, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from api.pages.addresses import TABS, RunAddress
from api.pages.formats import MISSING, Viewer, counted, duration, money, size, tokens
from api.pages.logs import Log
from api.pages.questions import Card, card
from api.pages.run_views import (
    MOST_FILES,
    Comparison,
    Facts,
    Failure,
    Head,
    Latest,
    NowLine,
    Selected,
    comparison,
    drawing,
    failure,
    head,
    latest,
    now_lines,
    selected,
)  # fmt: skip
from api.pages.spans import Kind, Span
from api.pages.typed import to_json
from api.pages.values import Value, value
from api.pages.waterfall import Waterfall
from windlass.contracts.events import EventKind
from windlass.core.callers import Caller
from windlass.core.files import RunFile
from windlass.core.permissions import Permission
from windlass.core.tasks import Made

GROUPS = (
    ("in", "In", "Nothing was sent with its inputs."),
    ("out", "Out", "What the agent writes below out/ appears here."),
)
Problem = tuple[str, str]  # a sentence and the id of the field it is about


@dataclass(frozen=True, slots=True)
class Output:
    """One result of a run."""

    seq: int
    label: str
    time: str
    value: Value
    frame_url: str


@dataclass(frozen=True, slots=True)
class CostLine:
    """What one part of a run has cost; `share` is its part of the dearest, in percent."""

    name: str
    calls: str
    took: str
    cost: str
    share: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Where the money went."""

    total: str
    tokens: tuple[tuple[str, str], ...]
    lines: tuple[CostLine, ...]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a run; `folder` stands before its name."""

    folder: str
    name: str
    size: str
    digest: str
    time: str
    url: str
    preview_url: str


@dataclass(frozen=True, slots=True)
class FileGroup:
    """The files below one root."""

    label: str
    extent: str
    rows: tuple[FileRow, ...]
    empty: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """The values of `run.html` and its parts."""

    head: Head
    urls: RunAddress
    made: Made | None
    tabs: tuple[tuple[str, str, str, bool], ...]
    log: Log
    waterfall: Waterfall | None
    failure: Failure | None
    now: tuple[NowLine, ...]
    selected: Selected | None
    latest: Latest | None
    comparison: Comparison | None
    outputs: tuple[Output, ...]
    files: tuple[FileGroup, ...]
    costs: Costs | None
    inputs: tuple[tuple[str, str, Value], ...]  # label, name, what was filled in
    inputs_json: str
    may_start: bool
    may_cancel: bool
    may_retry: bool
    may_delete: bool
    dock: int
    temporal_url: str = ""
    problems: tuple[Problem, ...] = ()
    questions: tuple[Card, ...] = ()

    @property
    def waiting(self) -> int:
        """How many questions are open."""
        return sum(each.is_open for each in self.questions)

    @property
    def tab(self) -> str:
        """The tab that is open."""
        return self.urls.shown

    @property
    def now_label(self) -> str:
        """How much goes on."""
        return f"{counted(len(self.now), 'span')} open"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the viewer brings along beside the address: the height of the log, and where Temporal's pages are."""

    dock: int = 4
    temporal_url: str = ""
    problems: tuple[Problem, ...] = ()


def run_page(facts: Facts, log: Log, caller: Caller, viewer: Viewer, choice: Choice) -> RunPage:
    """Everything the page shows."""
    run, address = facts.run, log.address
    root = facts.root()
    return RunPage(
        head=head(facts, viewer, address, root),
        urls=address,
        made=facts.made,
        tabs=tabs(facts, address),
        log=log,
        waterfall=drawing(root, viewer, address),
        failure=failure(facts),
        now=now_lines(root, run, viewer),
        selected=selected(root, address, viewer),
        latest=latest(facts, viewer),
        comparison=comparison(facts),
        outputs=outputs(facts, viewer) if address.shown == "output" else (),
        files=files(facts, viewer) if address.shown == "files" else (),
        costs=costs(facts, root) if address.shown == "cost" else None,
        inputs=filled(run.inputs, facts.elements),
        inputs_json=to_json(run.inputs, indent=2),
        may_start=caller.may(Permission.RUNS_START),
        may_cancel=run.is_live and caller.may(Permission.RUNS_CANCEL),
        may_retry=not run.is_live and run.status != "finished" and caller.may(Permission.RUNS_START),
        may_delete=not run.is_live and run.archived_at is None and caller.may(Permission.RUNS_DELETE),
        dock=choice.dock,
        temporal_url=choice.temporal_url,
        problems=choice.problems,
        questions=tuple(card(each, caller, viewer) for each in facts.questions),
    )


def tabs(facts: Facts, address: RunAddress) -> tuple[tuple[str, str, str, bool], ...]:
    """The tabs: name, address, count and whether it is open."""
    numbers = {
        "events": str(facts.last_seq),
        "output": str(len(facts.outputs) or ""),
        "files": f"{MOST_FILES}+" if len(facts.files) > MOST_FILES else str(len(facts.files) or ""),
    }
    return tuple((name.capitalize(), address.tab(name), numbers.get(name, ""), name == address.shown) for name in TABS)


def outputs(facts: Facts, viewer: Viewer) -> tuple[Output, ...]:
    """All results in their order."""
    return tuple(
        Output(
            event.seq,
            "Final result" if event.kind is EventKind.FINAL else "Result",
            viewer.clock(event.at),
            value(event.payload),
            f"/runs/{facts.run.id}/html/{event.seq}",
        )
        for event in facts.outputs
    )


def files(facts: Facts, viewer: Viewer) -> tuple[FileGroup, ...]:
    """What went in and what came out."""
    return tuple(_file_group(facts, viewer, *group) for group in GROUPS)


def _file_group(facts: Facts, viewer: Viewer, root: str, label: str, empty: str) -> FileGroup:
    inside = [each for each in facts.files if each.path.startswith(f"{root}/")]
    extent = f"{counted(len(inside), 'file')}, {size(sum(each.size_bytes for each in inside))}"
    if len(inside) > MOST_FILES:
        extent = f"more than {MOST_FILES}: the first by their names; the zip has all"
    rows = tuple(_file_row(facts, each, viewer) for each in inside[:MOST_FILES])
    return FileGroup(label, extent, rows, empty)


def _file_row(facts: Facts, file: RunFile, viewer: Viewer) -> FileRow:
    folder = file.path.partition("/")[2].removesuffix(file.name)
    url = f"/v1/runs/{facts.run.id}/files/{quote(file.path)}"
    looked = f"/runs/{facts.run.id}/preview?path={quote(file.path, safe='')}"
    return FileRow(folder, file.name, size(file.size_bytes), file.digest, viewer.clock(file.changed_at), url, looked)


def costs(facts: Facts, root: Span | None) -> Costs:
    """The cost by step."""
    run = facts.run
    spans = [span for span in (root.children if root else ()) if span.cost_usd is not None or span.kind is Kind.MODEL]
    dearest = max((span.cost_usd for span in spans if span.cost_usd is not None), default=Decimal(0))
    lines = tuple(_cost_line(span, dearest) for span in sorted(spans, key=lambda span: -(span.cost_usd or 0)))
    total = None if run.cost_usd is None else Decimal(str(run.cost_usd))
    parts = (
        ("Model calls", str(run.model_calls)),
        ("Tokens in", tokens(run.input_tokens)),
        ("From cache", tokens(run.cached_tokens)),
        ("Tokens out", tokens(run.output_tokens)),
    )
    return Costs(money(total), parts, lines)


def _cost_line(span: Span, dearest: Decimal) -> CostLine:
    share = float((span.cost_usd or Decimal(0)) / dearest * 100) if dearest else 0.0
    took = "" if span.ended_at is None else duration((span.ended_at - span.started_at).total_seconds())
    return CostLine(span.name, span.note, took, money(span.cost_usd), round(share, 2))


def filled(inputs: Mapping[str, Any], elements: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str, Value], ...]:
    """What was filled in, by the labels and in the order of the form; what it does not ask for comes last."""
    labels = {str(each["name"]): str(each.get("label") or each["name"]) for each in elements if each.get("name")}
    names = [*(name for name in labels if name in inputs), *(name for name in inputs if name not in labels)]
    return tuple((labels.get(name, name), name, value(typed(inputs[name]))) for name in names)


def typed(content: Any) -> dict[str, Any]:
    """A plain input as a typed value."""
    return {"str": MISSING if content is None else content} if isinstance(content, str | None) else {"dict": content}


def announcement(names: Sequence[str]) -> str:
    """One sentence about what has just finished."""
    if not names:
        return ""
    return f"{names[0]} finished" if len(names) == 1 else f"{len(names)} steps finished"
