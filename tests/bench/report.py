"""The bench as a page: every figure beside what must hold and what is aimed at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEAD = """# Figures

Measured by `make bench` on {machine}; spreads are min / median / max.
Ratios compare with raw Temporal, one activity, on the same server in the same minutes, in blocks that alternate.
Absolute times depend on the machine and its other load.

| figure | measured | must | aim | holds |
|---|---|---|---|---|
"""

Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One promise: where its figure stands in the results, and the bound it must keep (`worst` reads the bad end)."""

    name: str
    figure: str
    key: str
    must: str
    aim: str
    holds: Callable[[float], bool]
    worst: Callable[[Any], float]


def last(value: Any) -> float:
    """The largest of a spread, or the value itself."""
    return float(str(value).split(" / ")[-1])


def first(value: Any) -> float:
    """The smallest of a spread, or the value itself."""
    return float(str(value).split(" / ")[0])


def middle(value: Any) -> float:
    """The median of a spread, or the value itself."""
    parts = str(value).split(" / ")
    return float(parts[len(parts) // 2])


LINES = (
    Line("trivial run, ratio to raw", "sequential", "ratio to raw", "≤ 1.6", "≤ 1.15", lambda x: x <= 1.6, last),
    Line(
        "trivial run, POST to finished on SSE, ms",
        "sequential",
        "POST to finished on SSE, median ms",
        "≤ 80",
        "≤ 35",
        lambda x: x <= 80,
        middle,
    ),
    Line(
        "10 at once, ratio to raw",
        "parallel",
        "10 at once, ratio to raw",
        "≥ 0.55",
        "≥ 0.8",
        lambda x: x >= 0.55,
        first,
    ),
    Line("10 at once, runs/s", "parallel", "10 at once, runs/s", "≥ 20", "", lambda x: x >= 20, middle),
    Line(
        "50 at once, ratio to raw",
        "parallel",
        "50 at once, ratio to raw",
        "≥ 0.55",
        "≥ 0.8",
        lambda x: x >= 0.55,
        first,
    ),
    Line("50 at once, runs/s", "parallel", "50 at once, runs/s", "≥ 20", "", lambda x: x >= 20, middle),
    Line("runs not ended, of 2,000", "exactly once", "runs not ended", "0", "0", lambda x: x == 0, last),
    Line("gaps or repeats, in 2,000 runs", "exactly once", "gaps or repeats", "0", "0", lambda x: x == 0, last),
    Line("POST to 202, p95, ms", "sequential", "POST to 202, p95 ms", "≤ 20", "6", lambda x: x <= 20, last),
    Line(
        "CPU per run outside the Temporal server, ms",
        "sequential",
        "CPU per run without the Temporal server, ms",
        "≤ 35",
        "18",
        lambda x: x <= 35,
        middle,
    ),
    Line("cancel to cancelled, s", "cancelling", "cancel to cancelled, s", "≤ 2", "", lambda x: x <= 2, last),
    Line("idle, PSS MiB", "idle", "PSS MiB", "≤ 480", "350", lambda x: x <= 480, last),
    Line("idle, cores", "idle", "cores", "≤ 0.08", "0.05", lambda x: x <= 0.08, last),
    Line(
        "1,000 sleeping runs, MiB each", "sleeping", "growth per run, MiB", "≤ 0.25", "0.1", lambda x: x <= 0.25, last
    ),
    Line("1,000 sleeping runs, cores", "sleeping", "cores", "≤ 0.1", "0.05", lambda x: x <= 0.1, last),
    Line("200 attached runs, server and worker, cores", "attached", "cores", "≤ 0.4", "0.2", lambda x: x <= 0.4, last),
    Line(
        "event to SSE client, p99 ms (400/s, 100 clients)", "stream", "p99 ms", "≤ 200", "60", lambda x: x <= 200, last
    ),
    Line("start to first finished run, cold, s", "start", "cold, s", "≤ 8", "4", lambda x: x <= 8, last),
    Line("start to first finished run, warm, s", "start", "warm, s", "≤ 5", "2", lambda x: x <= 5, last),
    Line("history of a trivial run, events", "history", "events", "≤ 14", "12", lambda x: x <= 14, last),
    Line(
        "soak, last 500 against first 500, runs/s",
        "soak",
        "last to first, runs/s",
        "≥ 0.75",
        "≥ 0.9",
        lambda x: x >= 0.75,
        last,
    ),
    Line(
        "soak, last 500 against first 500, PSS",
        "soak",
        "last to first, PSS",
        "≤ 1.25",
        "≤ 1.1",
        lambda x: x <= 1.25,
        last,
    ),
)


def page(results: Results) -> str:
    """The table as Markdown."""
    rows = [
        f"| {line.name} | {_shown(line, results)} | {line.must} | {line.aim} | {_mark(line, results)} |"
        for line in LINES
    ]
    return HEAD.format(machine=results["machine"]) + "\n".join(rows) + "\n"


def broken(results: Results) -> list[str]:
    """The names of the promises that do not hold."""
    return [line.name for line in LINES if _holds(line, results) is False]


def _shown(line: Line, results: Results) -> str:
    return str(results.get(line.figure, {}).get(line.key, "not measured"))


def _mark(line: Line, results: Results) -> str:
    return {True: "yes", False: "**no**", None: "not measured"}[_holds(line, results)]


def _holds(line: Line, results: Results) -> bool | None:
    value = results.get(line.figure, {}).get(line.key)
    return None if value is None else line.holds(line.worst(value))
