"""`windlass run`: start runs, watch them, look at them, end them."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from windlass.cli.completion import agent_names
from windlass.cli.given_files import with_uploads
from windlass.cli.inputs import parse_inputs
from windlass.cli.progress import Progress
from windlass.cli.screen import (
    AsJson,
    clock,
    console,
    elapsed,
    errors,
    one_line,
    print_json,
    print_json_line,
    print_outcome,
    print_table,
    state,
    value,
)
from windlass.cli.session import connect
from windlass.cli.watching import conclude, step_table, watch
from windlass.client import Client, Event, Run
from windlass.client.calls import RunFilter, RunOptions
from windlass.contracts.runs import TERMINAL

app = typer.Typer(no_args_is_help=True, help="Start runs, watch them, look at them, end them.")

LAST = "last"
PAGE = 500
PICTURE_KINDS = ("status", "step", "usage", "error", "final", "message")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or `last` for your newest one.")]
Pairs = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="An input; also KEY=@file, KEY:=JSON.")]
Inputs = Annotated[str | None, typer.Option("--inputs", help="All inputs as a JSON object, or @file.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Watch it; the exit code follows its outcome.")]


@app.command()
def start(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="What to run: see `windlass agents`.", autocompletion=agent_names)],
    pairs: Pairs = None,
    *,
    inputs: Inputs = None,
    title: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")] = None,
    timeout: Annotated[int | None, typer.Option(help="Give up after so many seconds.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="How often to try when the agent fails.")] = None,
    watch_it: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Start an agent: windlass run start claude prompt="Why is the sky blue?" --watch."""
    options = RunOptions(title, tuple(tag or ()), timeout, max_attempts)
    with connect(context) as client:
        filled = parse_inputs(with_uploads(client, agent, pairs or ()), inputs)
        run = client.runs.start(agent, filled, options)
        if left := ", ".join(name for name in filled if name not in run.inputs):
            said = f"Left out, since {agent} does not take it: {left}. What it takes: windlass agents show {agent}"
            errors.print(said, markup=False, highlight=False, soft_wrap=True)
        hand_over(client, run, watch_it=watch_it, as_json=as_json)


@app.command("watch")
def watch_command(context: typer.Context, run_id: RunId, as_json: AsJson = False) -> None:
    """Watch a run live to its end. Exit code: 0 finished, 1 failed, 130 cancelled."""
    with connect(context) as client:
        watch(client, find(client, run_id), as_json=as_json)


@app.command("list")
def list_runs(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    *,
    status: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Words to look for.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only runs made from then on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only runs made before then, UTC.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only runs that wait for an answer.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only runs you started.")] = False,
    cost_above: Annotated[float | None, typer.Option(min=0, help="Only runs that cost more, in $.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
    after: Annotated[str | None, typer.Option(help="The `next` of the page before: the runs after it.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest runs."""
    wanted = RunFilter(tuple(status or ()), agent, tag, q, utc(since), utc(until), waiting, mine, cost_above)
    with connect(context) as client:
        page = client.runs.list(wanted, limit=limit, cursor=after)
    if as_json:
        print_json(page.to_json())
        return
    rows = (
        (run.id, state(run.status), run.agent, run.title, clock(run.created_at), elapsed(run)) for run in page.items
    )
    print_table(("Run", "Status", "Agent", "Title", "Started", "Took"), rows, "There are no runs.")


@app.command()
def changes(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(help="The cursor that was printed the last time.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """The runs that began, changed or left the lists since a cursor; without one, only the cursor to begin with."""
    with connect(context) as client:
        found = client.runs.changes(since, limit=limit)
    if as_json:
        print_json(found.to_json())
        return
    rows = [(run.id, state(run.status), run.agent, run.title) for run in found.items]
    if since is not None:
        print_table(
            ("Run", "Status", "Agent", "Title"),
            [*rows, *((each, "deleted", "", "") for each in found.deleted)],
            "Nothing has changed.",
        )
    more = "There is more. " if found.is_more else ""
    errors.print(f"{more}Ask next with --since {found.cursor}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def show(context: typer.Context, run_id: RunId, as_json: AsJson = False) -> None:
    """A run with its steps, its inputs and how it ended."""
    with connect(context) as client:
        run = find(client, run_id)
        if as_json:
            print_json(run.to_json())
            return
        progress = Progress(status=run.status)
        for event in all_events(client, run.id, kinds=PICTURE_KINDS):
            progress.take(event)
    print_facts(run)
    if progress.steps:
        console.print(step_table(list(progress.steps.values()), len(progress.steps)))
    conclude(run, progress)


@app.command()
def events(
    context: typer.Context,
    run_id: RunId,
    after: Annotated[int, typer.Option(help="Only events after this seq.")] = 0,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """The events of a run so far; with --json one JSON object a line."""
    with connect(context) as client:
        run = find(client, run_id)
        for event in all_events(client, run.id, after, tuple(kind or ())):
            line = None if as_json else one_line(event)
            if as_json:
                print_json_line(event)
            elif line is not None:
                console.print(line, soft_wrap=True)


@app.command()
def result(context: typer.Context, run_id: RunId, as_json: AsJson = False) -> None:
    """What a run came to, and nothing else."""
    with connect(context) as client:
        ended = client.runs.result(find(client, run_id).id)
    if as_json:
        print_json(ended.to_json())
    elif ended.error and not ended.value:
        errors.print(Text(f"{ended.error.get('type')}: {ended.error.get('message')}", style="red"))
        raise typer.Exit(1)
    elif ended.status not in TERMINAL:
        errors.print(
            f"The run is {ended.status}. Wait for its end: windlass run watch {ended.run_id}",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)
    else:
        console.print(value(ended.value))


@app.command()
def cancel(
    context: typer.Context,
    run_id: RunId,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a run to stop; its finished steps are kept."""
    with connect(context) as client:
        run = client.runs.cancel(find(client, run_id).id, reason)
    print_outcome(run.to_json(), f"Asked to stop: {run.id}. Watch it: windlass run watch {run.id}", as_json=as_json)


@app.command()
def retry(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    run_id: RunId,
    pairs: Pairs = None,
    *,
    inputs: Inputs = None,
    from_: Annotated[str | None, typer.Option("--from", help="The step to start at, or `start`.")] = None,
    watch_it: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Try a run again: its finished steps are kept, unless --from says otherwise."""
    changed = parse_inputs(pairs or (), inputs) if pairs or inputs else None
    with connect(context) as client:
        earlier = find(client, run_id)
        run = client.runs.retry(earlier.id, from_, None if changed is None else {**earlier.inputs, **changed})
        hand_over(client, run, watch_it=watch_it, as_json=as_json)


@app.command()
def delete(context: typer.Context, run_id: RunId, as_json: AsJson = False) -> None:
    """Take a run that has ended out of the lists."""
    with connect(context) as client:
        run = find(client, run_id)
        client.runs.archive(run.id)
    said = f"{run.id} is out of the lists. Its events stay."
    print_outcome({"id": run.id, "removed": True}, said, as_json=as_json)


@app.command()
def archive(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    run_ids: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Their ids.")] = None,
    *,
    status: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Words to look for.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only runs made from then on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only runs made before then, UTC.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only runs you started.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take many ended runs out of the lists, by their ids or by a filter; live ones stay and are named."""
    wanted = RunFilter(tuple(status or ()), agent, tag, q, utc(since), utc(until), mine=mine)
    if bool(run_ids) == (wanted != RunFilter()):
        raise typer.BadParameter("Name the runs, or say which by a filter such as --status finished.")
    with connect(context) as client:
        done = client.runs.archive_many(run_ids) if run_ids else client.runs.archive_all(wanted)
    if as_json:
        print_json(done.to_json())
        return
    more = " More of them fit: say it again." if done.is_more else ""
    console.print(f"{len(done.ids)} out of the lists, {len(done.refused)} stay.{more}", highlight=False)
    for each in done.refused:
        console.print(Text(f"  {each.id}  {each.title}  {each.reason}"), soft_wrap=True)


def hand_over(client: Client, run: Run, *, watch_it: bool, as_json: bool) -> None:
    """Watch a new run, or say which one it is."""
    if watch_it:
        watch(client, run, as_json=as_json)
    elif as_json:
        print_json(run.to_json())
    else:
        console.print(run.id, highlight=False, soft_wrap=True)
        errors.print(f"Watch it: windlass run watch {run.id}", highlight=False, soft_wrap=True)


def utc(at: datetime | None) -> datetime | None:
    """A time of the command line."""
    return at and at.replace(tzinfo=UTC)


def find(client: Client, run_id: str) -> Run:
    """The run of that id, or one's own newest."""
    return newest(client) if run_id == LAST else client.runs.get(run_id)


def find_id(client: Client, run_id: str) -> str:
    """The id of that run; only that of one's own newest is asked for."""
    return newest(client).id if run_id == LAST else run_id


def newest(client: Client) -> Run:
    """The newest run that one has started, among those of others that are seen; ends the command when there is none."""
    found = client.runs.list(RunFilter(mine=True), limit=1).items
    if not found:
        raise typer.BadParameter("You have started no runs yet.")
    return found[0]


def all_events(client: Client, run_id: str, after: int = 0, kinds: tuple[str, ...] = ()) -> list[Event]:
    """Every event so far, page by page."""
    found: list[Event] = []
    cursor: int | None = after
    while cursor is not None:
        page = client.runs.events(run_id, after=cursor, limit=PAGE, kinds=kinds)
        found.extend(page.items)
        cursor = None if page.next is None else int(page.next)
    return found


def print_facts(run: Run) -> None:
    """The head of a run: what, when, who paid."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("Run", run.id)
    table.add_row("Agent", run.agent)
    table.add_row("Title", run.title)
    table.add_row("Status", state(run.status))
    table.add_row("Created", clock(run.created_at))
    table.add_row("Took", elapsed(run))
    table.add_row("Attempts", str(run.attempts))
    for name, content in run.inputs.items():
        if content is not None:
            table.add_row(f"  {name}", Text(str(content)[:400]))
    if run.temporal_url:
        table.add_row("Temporal", run.temporal_url)
    console.print(table)
