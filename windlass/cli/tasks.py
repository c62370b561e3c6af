"""`windlass task`: saved ways to start an agent."""

import json
from typing import Annotated, Any

import typer

from windlass.cli.inputs import parse_inputs
from windlass.cli.named import is_id, only_one
from windlass.cli.runs import Inputs, Pairs, Watch, hand_over
from windlass.cli.screen import (
    AsJson,
    clock,
    console,
    duration,
    elapsed,
    print_head,
    print_json,
    print_outcome,
    print_table,
    state,
)
from windlass.cli.session import connect
from windlass.client import Client, Task

app = typer.Typer(no_args_is_help=True, help="Saved ways to start an agent.")

Which = Annotated[str, typer.Argument(metavar="TASK", help="Its name or its id.")]


@app.command()
def create(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    agent: Annotated[str, typer.Argument(help="What to run: see `windlass agents`.")],
    pairs: Pairs = None,
    *,
    inputs: Inputs = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME:TYPE or NAME:TYPE=DEFAULT; may be repeated.")
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag of its runs; may be repeated.")] = None,
    timeout: Annotated[int | None, typer.Option(help="Give up a run after so many seconds.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="How often to try when the agent fails.")] = None,
    backoff: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="How long to wait before trying again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save a task: windlass task create news claude prompt="News of {{ parameters.topic }}" -p topic:text=tea."""
    parameters = dict(described(text) for text in parameter or ())
    more = {"description": description, "tags": tag, "timeout_s": timeout, "max_attempts": max_attempts}
    more |= {"backoff_s": backoff}
    with connect(context) as client:
        task = client.tasks.add(name, agent, parse_inputs(pairs or (), inputs), parameters=parameters, **more)
    said = f"{task.name} is saved. Start it: windlass task run '{task.name}'"
    print_outcome(task.to_json(), said, as_json=as_json)


@app.command("list")
def list_tasks(
    context: typer.Context,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Words to look for.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest tasks."""
    with connect(context) as client:
        page = client.tasks.list(q=q, limit=200)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((t.name, t.agent, str(t.version), ", ".join(t.parameters), clock(t.updated_at)) for t in page.items)
    print_table(("Task", "Agent", "Version", "Parameters", "Changed"), rows, "There are no tasks.")


@app.command()
def show(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """A task as it runs now."""
    with connect(context) as client:
        task = find(client, name)
    if as_json:
        print_json(task.to_json())
        return
    print_head(task.name, f"version {task.version}, {task.agent}")
    if task.description:
        console.print(task.description, markup=False, highlight=False)
    console.print(json.dumps({"inputs": task.inputs, "parameters": task.parameters}, indent=2), markup=False)


@app.command()
def run(
    context: typer.Context,
    name: Which,
    pairs: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="A parameter.")] = None,
    watch_it: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Start it now: windlass task run news topic=coffee --watch."""
    with connect(context) as client:
        started = client.tasks.run(find(client, name).id, parse_inputs(pairs or (), None))
        hand_over(client, started, watch_it=watch_it, as_json=as_json)


@app.command()
def runs(
    context: typer.Context,
    name: Which,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """Its newest runs, and how all of them went."""
    with connect(context) as client:
        page = client.tasks.runs(find(client, name).id, limit=limit)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((r.id, state(r.status), clock(r.created_at), elapsed(r), r.title) for r in page.items)
    print_table(("Run", "Status", "Started", "Took", "Title"), rows, "It has not run yet.")
    if page.statistics.get("runs"):
        console.print(summary(page.statistics), markup=False, highlight=False)


@app.command()
def clone(
    context: typer.Context,
    name: Which,
    copy: Annotated[str | None, typer.Argument(metavar="COPY", help="What the copy is called.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a task; the copy is yours."""
    with connect(context) as client:
        made = client.tasks.clone(find(client, name).id, copy)
    print_outcome(made.to_json(), f"{made.name} is saved.", as_json=as_json)


@app.command()
def remove(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Delete a task; its runs stay on record."""
    with connect(context) as client:
        task = find(client, name)
        client.tasks.remove(task.id)
    said = f"{task.name} is deleted. Its runs stay on record."
    print_outcome({"id": task.id, "removed": True}, said, as_json=as_json)


def find(client: Client, name: str) -> Task:
    """The task of that name or id; ends the command when there is none."""
    if is_id(name):
        return client.tasks.get(name)
    return only_one("task", name, client.tasks.list(q=name, limit=200).items)


def described(text: str) -> tuple[str, dict[str, Any]]:
    """Read NAME:TYPE=DEFAULT."""
    head, sign, default = text.partition("=")
    name, colon, kind = head.partition(":")
    if not name or (colon and not kind):
        raise typer.BadParameter(f"{text!r} is not NAME:TYPE or NAME:TYPE=DEFAULT.")
    return name, {"type": kind or "text", **({"default": default} if sign else {})}


def summary(numbers: dict[str, Any]) -> str:
    """The statistics of a task in a line."""
    rate, took, cost = numbers.get("success_rate"), numbers.get("took_p50_s"), numbers.get("cost_usd")
    parts = ["1 run" if numbers["runs"] == 1 else f"{numbers['runs']} runs"]
    parts += [f"{rate:.0%} finished"] if rate is not None else []
    parts += [f"usually {duration(took * 1000)}"] if took is not None else []
    parts += [f"${cost:.2f} in all"] if cost is not None else []
    return ", ".join(parts)
