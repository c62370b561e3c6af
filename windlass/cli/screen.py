"""What every command prints with: a console, tables, JSON, times and states."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from windlass.client import Event, Run
from windlass.client.records import Record

PIPE_WIDTH = 200  # a pipe has no edge to fold at

console = Console() if sys.stdout.isatty() or "COLUMNS" in os.environ else Console(width=PIPE_WIDTH)
errors = Console(stderr=True)

PROSE_WIDTH = 20  # what prose needs beside other columns
PROSE = frozenset({"Title", "What it does", "What it is", "Permissions", "Project", "Tags"})
UNKNOWN = "–"  # noqa: RUF001 - an en dash is what pages show too

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

STATES = {
    "queued": ("◌", "bright_black"),
    "starting": ("◔", "cyan"),
    "running": ("●", "blue"),
    "awaiting": ("◆", "yellow"),
    "finished": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("⊘", "bright_black"),
}


def print_json(answer: object) -> None:
    """Print one JSON document; several on one line each make a stream of documents."""
    console.print(json.dumps(answer, indent=2, ensure_ascii=False), markup=False, highlight=False, soft_wrap=True)


def print_outcome(answer: object, sentence: str, *, as_json: bool) -> None:
    """Print what a command did: a sentence for people, JSON for programs."""
    if as_json:
        print_json(answer)
    else:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def print_json_line(record: Record) -> None:
    """Print one record on one line."""
    line = json.dumps(record.to_json(), ensure_ascii=False)
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType | None]], empty: str) -> None:
    """Print rows under their columns, or a value a line where they do not fit, or the sentence that there are none.

    Text is printed as it is; only prose is broken into lines, and nothing is left out.
    """
    known = [[UNKNOWN if cell is None else cell for cell in row] for row in rows]
    listed = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in known]
    widest = [max((len(str(row[place])) for row in listed), default=0) for place in range(len(columns))]
    kept = [
        min(width, PROSE_WIDTH) if column in PROSE else width for column, width in zip(columns, widest, strict=True)
    ]
    if not listed:
        console.print(empty)
    elif sum(max(pair) for pair in zip(kept, map(len, columns), strict=True)) + 2 * len(columns) > console.width:
        print_records(columns, listed)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column, width in zip(columns, kept, strict=True):
            table.add_column(column, no_wrap=column not in PROSE, min_width=width)
        for row in listed:
            table.add_row(*row)
        console.print(table)


def print_records(columns: Sequence[str], rows: Sequence[Sequence[RenderableType]]) -> None:
    """Print one value a line, with its column before it, and a line between rows."""
    for place, row in enumerate(rows):
        if place:
            console.print()
        for column, cell in zip(columns, row, strict=True):
            if str(cell):
                console.print(Text(f"{column}: ", style="bold"), end="")
                console.print(cell, soft_wrap=True, highlight=False)


def print_head(name: str, facts: str = "") -> None:
    """Print what something is called, as it is, and what is to be known first."""
    console.print(Text.assemble((name, "bold"), f"  {facts}" if facts else ""), soft_wrap=True)


def state(status: str) -> Text:
    """A state as a shape and a word in its colour."""
    shape, colour = STATES.get(status, ("·", "default"))
    return Text(f"{shape} {status}", style=colour)


def duration(milliseconds: float | None) -> str:
    """A length of time, short: `840 ms`, `3.2 s`, `2 m 05 s`, `1 h 04 m`."""
    if milliseconds is None:
        return ""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1_000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} m {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} m"


def elapsed(run: Run) -> str:
    """How long a run took, or has taken so far, from the wish to the end."""
    if run.created_at is None:
        return ""
    return duration(((run.ended_at or datetime.now(UTC)) - run.created_at).total_seconds() * 1_000)


def clock(at: datetime | None) -> str:
    """A point in time in this machine's zone; the day only where it is not today."""
    if at is None:
        return ""
    local = at.astimezone()
    same_day = local.date() == datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M")


def value(typed: dict[str, Any] | None) -> RenderableType:
    """A typed value as a person reads it."""
    if not typed:
        return Text("nothing", style="dim")
    (kind, content), *_ = typed.items()
    if kind == "Markdown":
        from rich.markdown import Markdown  # noqa: PLC0415 - loads a parser, and few commands print any

        return Markdown(str(content.get("body", "")))
    if kind in ("Text", "HTML"):
        return Text(str(content.get("body", "")))
    if kind == "__list__":
        return Group(*(value(item) for item in content))
    if kind == "NoneType":
        return Text("nothing", style="dim")
    if isinstance(content, str | int | float):
        return Text(str(content))
    return Text(json.dumps(content, indent=2, ensure_ascii=False))


def one_line(event: Event) -> Text | None:
    """An event as one line of a plain log; None for what is not worth one."""
    said = summary(event)
    if said is None:
        return None
    line = Text(f"{clock(event.at):>8}  ", style="dim")
    line.append(f"{event.kind:<9} ", style="bold")
    return line.append(said)


def summary(event: Event) -> str | None:
    """What an event says, in a line."""
    payload = event.payload
    match event.kind:
        case "status":
            return " · ".join(str(payload[name]) for name in ("status", "reason") if payload.get(name))
        case "step":
            took = duration(payload.get("ms"))
            return " ".join(str(part) for part in (payload.get("name"), payload.get("state"), took) if part)
        case "debug" | "stdout" | "stderr" | "log" | "message":
            return str(payload.get("text", ""))
        case "question" | "answer":
            return asked(payload)
        case "error":
            return f"{payload.get('type')}: {payload.get('message')}"
        case "usage":
            cost = payload.get("cost_usd")
            counts = f"{payload.get('input_tokens')} in, {payload.get('output_tokens')} out"
            return f"{payload.get('model')} {counts}, {'cost unknown' if cost is None else f'${cost}'}"
        case _:
            return other(event)


def other(event: Event) -> str | None:
    """The same of the kinds without a line of their own."""
    if event.kind == "tool.result":
        return ": ".join(str(event.payload[name]) for name in ("name", "outcome", "text") if event.payload.get(name))
    if event.kind == "tool.call":
        return f"{event.payload.get('name')} {json.dumps(event.payload.get('input'), ensure_ascii=False)}"
    hidden = event.kind in ("message.delta", "meta", "inputs")
    return None if hidden else json.dumps(event.payload, ensure_ascii=False)


def asked(payload: dict[str, Any]) -> str:
    """A question, or what became of it."""
    name, state = payload.get("name"), payload.get("state")
    if "by" in payload:
        return f"{name}: answered by {payload['by']}"
    return f"{name}: open until {payload.get('expires_at')}" if state == "open" else f"{name or 'question'}: {state}"
