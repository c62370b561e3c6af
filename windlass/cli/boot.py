"""`windlass boot`: all services brought up together, or taken down."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from windlass.cli.screen import AsJson, console, print_json, print_outcome
from windlass.cli.session import connect
from windlass.client.boot import BootState
from windlass.client.sync import Client

LOOK_S = 0.5
AT = re.compile(r"(?<= at )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")  # in UTC, as Kodosumi says it

app = typer.Typer()


@app.callback(invoke_without_command=True)
def boot(
    context: typer.Context,
    force: Annotated[bool, typer.Option(help="End a boot that goes on, and start anew.")] = False,
    watch: Annotated[bool, typer.Option(help="Print what it does, to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start every enabled service's program anew; each serves as before until the new one answers."""
    if context.invoked_subcommand is not None:
        return
    with connect(context) as client:
        started = client.boots.start(force=force)
        if not watch:
            said = f"Boot {started.number} goes on by itself. Look: windlass boot show"
            print_outcome(started.to_json(), said, as_json=as_json)
            return
        raise typer.Exit(follow(client, started.boot_id, as_json=as_json))


@app.command()
def show(
    context: typer.Context,
    watch: Annotated[bool, typer.Option(help="Go on to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the newest boot said."""
    with connect(context) as client:
        state = client.boots.read()
        if watch and state.boot is not None:
            raise typer.Exit(follow(client, state.boot.boot_id, as_json=as_json))
    if as_json:
        print_json(state.to_json())
    elif state.boot is None:
        console.print("No boot in progress")
    else:
        say(state)


@app.command()
def stop(context: typer.Context, as_json: AsJson = False) -> None:
    """Take all services down until the next boot: their runs wait, nothing is lost."""
    with connect(context) as client:
        stopped = client.boots.stop()
    print_outcome(stopped.to_json(), "All services are taken down. Up again: windlass boot", as_json=as_json)


def follow(client: Client, boot_id: str, *, as_json: bool) -> int:
    """Print what is said to the end of the boot; answers the exit code."""
    after = 0
    while True:
        state = client.boots.read(boot_id, after=after)
        if as_json:
            for each in state.messages:
                print_json(each.to_json())
        else:
            say(state)
        after = state.messages[-1].seq if state.messages else after
        if state.boot is None or (not state.locked and state.next is None):
            return 0 if state.boot is not None and state.boot.status == "finished" and not state.boot.failed else 1
        time.sleep(LOOK_S)


def say(state: BootState) -> None:
    """Print messages as lines."""
    for each in state.messages:
        if each.text:
            text = each.text if each.target else AT.sub(_here, each.text)
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _here(at: re.Match[str]) -> str:
    """A moment in this machine's zone."""
    return f"{datetime.fromisoformat(at[0]).replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M:%S}"
