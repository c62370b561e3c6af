"""The bench as a page: every figure beside what must hold and what is aimed at."""

import operator
from dataclasses import dataclass
from typing import Any

HEAD = """# Figures

Measured by `make bench` on {machine}; spreads are min / median / max, and a ratio is judged by its worst repetition.
Ratios compare with raw Temporal (a bare worker, one activity) on the same server, in blocks that alternate.
Ratios, counts and sizes bind; absolute times and rates are the machine's and are reported: Temporal's own server took
here {server} ms of CPU for a raw run, where the machine that the bounds come from took 19 to 27.
Runs that wait are counted twice: the first of a stack bring besides what the worker and Temporal grow to in use and
keep; those after as many have ended hold what is theirs alone.
Parts and blocks: `tests/bench/results/latest.json`.

| figure | measured | must | aim | holds |
|---|---|---|---|---|
"""
HOLDS = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}

Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One promise: where its figure stands in the results, and its bounds (`≤ 1.6`); a median may speak for it.

    `binds` is false for times and rates of the machine itself: they are reported, with whether they hold here where
    something is asked of them.
    """

    name: str
    figure: str
    key: str
    must: str
    aim: str = ""
    by_median: bool = False
    binds: bool = True

    def holds(self, value: Any) -> bool:
        """Whether a figure or a spread keeps the promise."""
        symbol, bound = self.must.split()
        spread = sorted(float(part) for part in str(value).split(" / "))
        end = len(spread) // 2 if self.by_median else 0 if symbol == "≥" else -1
        return HOLDS[symbol](spread[end], float(bound))


LINES = (
    Line("trivial run, ratio to raw", "sequential", "ratio to raw", "≤ 1.6", "≤ 1.15"),
    Line(
        "trivial run, POST to finished on SSE, median ms",
        "sequential",
        "POST to finished on SSE, median ms",
        "≤ 80",
        "≤ 35",
        by_median=True,
        binds=False,
    ),
    Line("10 at once, ratio to raw", "parallel", "10 at once, ratio to raw", "≥ 0.55", "≥ 0.8"),
    Line("10 at once, runs/s", "parallel", "10 at once, runs/s", "≥ 20", by_median=True, binds=False),
    Line("50 at once, ratio to raw", "parallel", "50 at once, ratio to raw", "≥ 0.55", "≥ 0.8"),
    Line("50 at once, runs/s", "parallel", "50 at once, runs/s", "≥ 20", by_median=True, binds=False),
    Line("runs lost, of 2,000", "exactly once", "runs lost", "= 0", "= 0"),
    Line(
        "runs with events lost or doubled, of 2,000", "exactly once", "runs with events lost or doubled", "= 0", "= 0"
    ),
    Line("POST to 202, p95, ms", "sequential", "POST to 202, p95 ms", "≤ 20", "≤ 6", binds=False),
    Line(
        "CPU per run outside the Temporal server, median ms",
        "sequential",
        "CPU per run without the Temporal server, ms",
        "≤ 35",
        "≤ 18",
        by_median=True,
        binds=False,
    ),
    Line("cancel to cancelled, s", "cancelling", "cancel to cancelled, s", "≤ 2"),
    Line("idle, PSS MiB", "idle", "PSS MiB", "≤ 480", "≤ 350"),
    Line("idle, cores", "idle", "cores", "≤ 0.08", "≤ 0.05"),
    Line("1,000 sleeping runs, MiB each", "sleeping", "growth per run, MiB", "≤ 0.25", "≤ 0.1"),
    Line("1,000 sleeping runs, cores", "sleeping", "cores", "≤ 0.1", "≤ 0.05"),
    Line("200 attached runs, Temporal and worker, cores", "attached", "server and worker, cores", "≤ 0.4", "≤ 0.2"),
    Line("event to SSE client, p99 ms (400/s, 100 clients)", "stream", "p99 ms", "≤ 200", "≤ 60"),
    Line("100 idle streams, cores of the gateway", "idle streams", "gateway, cores more", "≤ 0.02"),
    Line("100 idle streams, MiB of the gateway each", "idle streams", "growth per stream, MiB", "", binds=False),
    Line("start to first finished run, cold, s", "start", "cold, s", "≤ 8", "≤ 4", binds=False),
    Line("start to first finished run, warm, s", "start", "warm, s", "≤ 5", "≤ 2", binds=False),
    Line("history of a trivial run, events", "history", "events", "≤ 14", "≤ 12"),
    Line("soak, last 500 against first 500, runs/s", "soak", "last to first, runs/s", "≥ 0.75", "≥ 0.9"),
    Line("schedules made by the API, per s", "schedules", "made, schedules/s", "≥ 20", binds=False),
    Line("1,000 schedules, page of them, ms", "schedules", "/schedules, median ms", "≤ 200", binds=False),
    Line("1,000 schedules, page of a week, ms", "schedules", "/schedules/week, median ms", "≤ 200", binds=False),
    Line("1,000 schedules, idle cores more", "schedules", "idle cores more with 1,000", "≤ 0.02"),
    Line("200 due in one second, runs", "schedules", "200 due together, runs", "= 200"),
    Line("200 due in one second, last start, s", "schedules", "200 due together, last start s", "≤ 15", binds=False),
    Line("soak, last 500 against first 500, PSS", "soak", "last to first, PSS", "≤ 1.25", "≤ 1.1"),
    Line("boot of 5 services that are down, s", "services", "boot of 5 that are down, s", "≤ 8", "≤ 4", binds=False),
    Line("boot of 5 services that serve, s", "services", "boot of 5 that serve, s", "≤ 8", "≤ 4", binds=False),
    Line("refresh under 40 requests/s, failed", "services", "refresh, failed requests", "= 0", "= 0"),
    Line("a service, idle, PSS MiB", "services", "idle, PSS MiB each", "≤ 60", "≤ 40"),
    Line("a service, idle, cores", "services", "idle, cores each", "≤ 0.003"),
    Line(
        "200 runs waiting for answers, MiB each",
        "services",
        "waiting, growth per run of the first of a stack, MiB",
        "≤ 0.2",
    ),
    Line("200 more that wait, once those have ended, MiB each", "services", "waiting, growth per run, MiB", "≤ 0.2"),
    Line("200 runs waiting for answers, activity slots", "services", "waiting, activity slots", "= 0"),
    Line(
        "400 answered, half after their host died, unfinished",
        "services",
        "waiting, not finished after the answers",
        "= 0",
    ),
    Line("desktop, POST to idle, s", "desktops", "POST to idle, s", "≤ 1.5", "≤ 0.7", by_median=True, binds=False),
    Line("desktop, ratio to the engine alone", "desktops", "POST to idle, ratio to the engine alone", "", binds=False),
    Line(
        "screenshot, request to bytes, ms",
        "desktops",
        "screenshot, request to bytes, ms",
        "≤ 250",
        "≤ 90",
        by_median=True,
        binds=False,
    ),
    Line("20 desktops at once, all idle, s", "desktops", "20 at once, all idle, s", "≤ 40", "≤ 25", binds=False),
    Line(
        "first words, provider to SSE client, p95 ms",
        "sessions",
        "first words, provider to client, p95 ms",
        "≤ 80",
        "≤ 30",
    ),
    Line("message to 202, p95 ms", "sessions", "POST to 202, p95 ms", "≤ 40", "≤ 12", binds=False),
    Line("100 turns at once, turns/s", "sessions", "turns at once, turns/s", "", binds=False),
    Line("100 turns at once, lost", "sessions", "turns at once, lost", "= 0"),
    Line("100 turns at once, doubled", "sessions", "turns at once, doubled", "= 0"),
    Line(
        "interrupt to closed model stream, s",
        "sessions",
        "interrupt to the provider's closed connection, s",
        "≤ 1",
        "≤ 0.3",
    ),
    Line(
        "history of 10 tools, asked for in one answer, events",
        "sessions",
        "history of 10 tools of one answer, events",
        "≤ 130",
    ),
    Line(
        "history of 10 tools, each asked for alone, events",
        "sessions",
        "history of 10 tools of ten answers, events",
        "≤ 130",
    ),
    Line(
        "history of 10 tools that take their time, each asked for alone, events",
        "sessions",
        "history of 10 tools that are activities of ten answers, events",
        "≤ 130",
    ),
    Line("history of 10 tools, KB", "sessions", "history of 10 tools of ten answers, KB", "≤ 120"),
    Line(
        "2,000 messages, the next turn later by, ms", "sessions", "long session, median later by ms", "≤ 500", "≤ 150"
    ),
    Line("idle sessions, open workflows", "sessions", "idle sessions, open workflows", "= 0", "= 0"),
    Line("idle sessions, KB in Temporal after a minute", "sessions", "idle sessions, KB in Temporal", "≤ 2", "= 0"),
    Line("100,000 runs, dashboard of 30 days, ms", "dashboard", "dashboard of 30 days, ms", "≤ 200", binds=False),
    Line("100,000 runs, page of the dashboard, ms", "dashboard", "page of the dashboard, ms", "≤ 200", binds=False),
    Line("100,000 runs, page of the runs, ms", "dashboard", "page of the runs, ms", "≤ 200", binds=False),
    Line("100,000 runs, page of the agents, ms", "dashboard", "page of the agents, ms", "≤ 200", binds=False),
    Line("100,000 runs, search of a word, ms", "dashboard", "search, a word of some, ms", "≤ 200", binds=False),
    Line("upload, ratio to a plain server", "files", "upload, ratio to plain", "≥ 0.5", "≥ 0.8", by_median=True),
    Line("download, ratio to a plain server", "files", "download, ratio to plain", "≥ 0.5", "≥ 0.8", by_median=True),
    Line("2 GiB up and down, growth of the gateway, MiB", "files", "2 GiB up and down, growth MiB", "≤ 64"),
    Line("20 desktops at once, failures", "desktops", "20 at once, failures", "= 0"),
    Line("an idle desktop, MiB of our processes", "desktops", "idle, MiB each", "≤ 3"),
    Line("an idle desktop, cores of our processes", "desktops", "idle, cores each", "≤ 0.001"),
)


def page(results: Results) -> str:
    """The table as Markdown."""
    rows = [
        f"| {line.name} | {_shown(line, results)} | {line.must} | {line.aim} | {_mark(line, results)} |"
        for line in LINES
    ]
    server = results.get("sequential", {}).get("CPU of Temporal's server per raw run, ms", "not yet measured")
    return HEAD.format(machine=results["machine"], server=server) + "\n".join(rows) + "\n"


def broken(results: Results) -> list[str]:
    """The names of the binding promises that do not hold."""
    return [line.name for line in LINES if line.binds and _holds(line, results) is False]


def _shown(line: Line, results: Results) -> str:
    return str(results.get(line.figure, {}).get(line.key, "not measured"))


def _mark(line: Line, results: Results) -> str:
    if not line.must:
        return "(reported)"
    verdict = {True: "yes", False: "**no**", None: "not measured"}[_holds(line, results)]
    return verdict if line.binds else f"{verdict} (reported)"


def _holds(line: Line, results: Results) -> bool | None:
    value = results.get(line.figure, {}).get(line.key)
    return None if value is None else line.holds(value)
