"""`windlass dashboard`: what works now, what failed, what was slow, and how every agent did."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from windlass.cli.screen import UNKNOWN, AsJson, console, duration, print_json, print_table, state
from windlass.cli.session import connect
from windlass.client.dashboard import Dashboard, ErrorGroup, Figures, Glance, Times


class Span(StrEnum):
    """How far back one looks."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


def dashboard(
    context: typer.Context,
    span: Annotated[Span, typer.Option(help="How far back to look.")] = Span.DAY,
    as_json: AsJson = False,
) -> None:
    """What works now, what failed, what was slow, and how every agent did."""
    with connect(context) as client:
        shown = client.dashboards.read(span.value)
    if as_json:
        print_json(shown.to_json())
    else:
        print_dashboard(shown)


def print_dashboard(shown: Dashboard) -> None:
    """Print it part by part; a part without anything in it is left out."""
    total, live = shown.total, sum(shown.live.values())
    said = f"{live} at work. Last {shown.span}: {total.finished} finished, {total.failed} failed, "
    console.print(f"{said}{total.cancelled} cancelled; {success(total)} of them well.", highlight=False)
    console.print(f"queued {times(total.queue)}, ran {times(total.run)}", style="dim", highlight=False)
    if shown.agents:
        rows = ((each.agent, *cells(each.figures)) for each in shown.agents)
        part("Agents", ("Agent", "Ended", "Failed", "Success", "Queued p50 · p95", "Ran p50 · p95"), rows)
    for title, runs in (("At work", shown.running), ("Slow", shown.slow), ("Failed", shown.failed)):
        if runs:
            part(title, ("Run", "Status", "Agent", "What it is", "Ran", "Usually"), map(glance, runs))
    if shown.errors:
        part("Errors", ("Count", "Agents", "Newest", "What it is"), map(group, shown.errors))


def part(title: str, columns: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> None:
    """Print one part under its title."""
    console.print(f"\n[bold]{title}[/]")
    print_table(columns, rows, "")


def cells(figures: Figures) -> tuple[str, ...]:
    """An agent's figures in a table."""
    counts = (str(figures.ended), str(figures.failed), success(figures))
    return *counts, times(figures.queue), times(figures.run)


def success(figures: Figures) -> str:
    """The share that finished."""
    return UNKNOWN if figures.success_rate is None else f"{figures.success_rate:.1%}"


def times(known: Times) -> str:
    """The middle and the 95th percentile."""
    return f"{seconds(known.p50_s)} · {seconds(known.p95_s)}"


def seconds(value: float | None) -> str:
    """A duration; one nobody knows is a dash."""
    return UNKNOWN if value is None else duration(value * 1_000)


def glance(run: Glance) -> tuple[RenderableType, ...]:
    """A run in a line."""
    usual = "" if run.usual_s is None else f"{seconds(run.usual_s)}{', slow' if run.is_slow else ''}"
    return run.id, state(run.status), run.agent, Text(run.error or run.title), seconds(run.ran_s), usual


def group(errors: ErrorGroup) -> tuple[RenderableType, ...]:
    """What went wrong the same way, in a line."""
    return str(errors.count), ", ".join(errors.agents), errors.run_id, Text(errors.message or UNKNOWN)
