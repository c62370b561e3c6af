"""Watching a run: a live view on a terminal, lines elsewhere, JSON for programs."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import typer
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from windlass.cli.codes import INTERRUPTED
from windlass.cli.progress import Progress, StepLine
from windlass.cli.screen import UNKNOWN, console, duration, errors, one_line, print_json_line, state, value
from windlass.client import Client, Event, Run
from windlass.contracts.events import EventKind

OUTCOMES = {"finished": 0, "failed": 1, "cancelled": INTERRUPTED}
WRITING_LINES = 12
OTHER_LINES = 16  # header, log and text around the steps
STEP_SHAPES = {
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "unknown": ("?", "yellow"),
    "repeated": ("↻", "yellow"),
}


def watch(client: Client, run: Run, *, as_json: bool) -> None:
    """Show the run to its end and leave with its exit code; an interrupt leaves the run alone."""
    progress = Progress(status=run.status)
    events = client.runs.stream(run.id)
    try:
        if as_json:
            follow(events, progress, print_record)
        elif console.is_terminal:
            follow_live(events, progress, run)
        else:
            follow(events, progress, print_plain)
    except KeyboardInterrupt:
        errors.print(f"The run goes on. Watch it again: windlass run watch {run.id}", highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    status = progress.status if progress.ended_at else client.runs.get(run.id).status
    if not as_json:
        conclude(run, progress)
    raise typer.Exit(OUTCOMES.get(status, 0))


def follow(events: Iterator[Event], progress: Progress, show: Callable[[Event], None]) -> None:
    """Show every event as it comes."""
    for event in events:
        progress.take(event)
        show(event)


def follow_live(events: Iterator[Event], progress: Progress, run: Run) -> None:
    """Keep one picture of the run up to date."""
    view = View(run, progress)
    with Live(view, console=console, refresh_per_second=8, vertical_overflow="crop"):
        for event in events:
            view.take(event)


def print_record(event: Event) -> None:
    """Print a durable event as a line of JSON."""
    if event.seq is not None:
        print_json_line(event)


def print_plain(event: Event) -> None:
    """Print an event as one line, when it is worth one; the final value is printed at the end."""
    line = None if event.kind == EventKind.FINAL else one_line(event)
    if line is not None:
        console.print(line, soft_wrap=True)


def conclude(run: Run, progress: Progress) -> None:
    """Say how it ended: what happened, what was kept, what to do next."""
    if progress.is_standin:
        say("A scripted stand-in answered: no model was asked. Set ANTHROPIC_API_KEY for real answers.", "yellow")
    if progress.status == "finished":
        console.print(value(progress.final))
        return
    if progress.status == "failed":
        error = progress.error or {}
        say(f"{error.get('type', 'Failed')}: {error.get('message') or progress.reason}", "red")
    if progress.ended_at:
        say(f"{kept_words(progress.kept)}: windlass run retry {run.id}")


def kept_words(kept: int) -> str:
    """What a run that did not finish leaves behind, and what to do."""
    if not kept:
        return "No step had finished. Try again"
    return f"{'1 finished step is' if kept == 1 else f'{kept} finished steps are'} kept. Try again from there"


def say(text: str, style: str = "") -> None:
    """Say something about the run beside its output."""
    errors.print(Text(text, style=style), soft_wrap=True)


class View:
    """The picture of a live run; drawn by one thread while another brings events."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self._run, self._progress = run, progress
        self._lock = threading.Lock()

    def take(self, event: Event) -> None:
        """Take the next event."""
        with self._lock:
            self._progress.take(event)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the run as it is now."""
        with self._lock:
            yield picture(self._run, self._progress, max(4, console.height - OTHER_LINES))


def picture(run: Run, progress: Progress, most_steps: int) -> RenderableType:
    """A header, the steps, what is being written, the last lines of the log."""
    parts: list[RenderableType] = [header(run, progress)]
    if progress.steps:
        parts.append(step_table(list(progress.steps.values()), most_steps))
    for writing in progress.writing.values():
        lines = writing.text.splitlines()[-WRITING_LINES:]
        parts.append(Text("\n".join(lines)))
    if progress.log:
        lines = (
            Text(f"  {line}", style="red" if kind in ("stderr", "error") else "dim") for kind, line in progress.log
        )
        parts.extend(lines)
    return Group(*parts)


def header(run: Run, progress: Progress) -> RenderableType:
    """State, agent, time, cost."""
    line = state(progress.status)
    line.append(f"  {run.title or run.agent}", style="bold")
    if progress.started_at:
        spent = (progress.ended_at or datetime.now(UTC)) - progress.started_at
        line.append(f"  {duration(spent.total_seconds() * 1_000)}", style="dim")
    if progress.attempt > 1:
        line.append(f"  attempt {progress.attempt}", style="yellow")
    if progress.tokens:
        line.append(f"  {progress.tokens} tokens, {cost(progress)}", style="dim")
    return line.append(f"  {run.id}", style="dim")


def cost(progress: Progress) -> str:
    """What the models cost; unknown is not nothing."""
    if progress.is_standin:
        return "stand-in"
    return UNKNOWN if progress.cost_usd is None else f"${progress.cost_usd:.4f}"


def step_table(steps: list[StepLine], most: int) -> RenderableType:
    """The newest steps with their states and durations; the older ones as a count."""
    table = Table.grid(padding=(0, 2, 0, 0))
    hidden = len(steps) - most
    if hidden > 0:
        table.add_row("", Text(f"… {hidden} earlier steps", style="dim"), "")
    for step in steps[-most:]:
        shape, colour = STEP_SHAPES.get(step.state, ("●", "blue"))
        took = duration(step.ms) or running_time(step)
        again = f" ({step.executions} times)" if step.executions > 1 else ""
        table.add_row(Text(shape, style=colour), Text(step.name + again), Text(took, style="dim"))
    return table


def running_time(step: StepLine) -> str:
    """How long a step has been at work."""
    if step.started_at is None or step.state not in ("started", "repeated"):
        return ""
    return duration((datetime.now(UTC) - step.started_at).total_seconds() * 1_000)
