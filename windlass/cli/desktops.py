"""`windlass desktop`: containers with a screen."""

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli import desktop_skills, desktop_templates
from windlass.cli.named import is_id, only_one
from windlass.cli.runs import hand_over
from windlass.cli.screen import AsJson, console, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import Client, Desktop
from windlass.client.calls import RunOptions

app = typer.Typer(no_args_is_help=True, help="Containers with a screen.")
app.add_typer(desktop_templates.app, name="template")
app.add_typer(desktop_skills.app, name="skill")

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Watch it; the exit code follows its outcome.")]
Which = Annotated[str, typer.Argument(metavar="DESKTOP", help="Its name or its id.")]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Its name among your own; else it is numbered.")] = None,
    template: Annotated[str | None, typer.Option(help="What it is made of.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have a desktop made; in about a second it is idle."""
    with connect(context) as client:
        print_asked(client.desktops.create(name, template), "is starting", as_json=as_json)


@app.command("list")
def list_desktops(context: typer.Context, as_json: AsJson = False) -> None:
    """The desktops you may see."""
    with connect(context) as client:
        page = client.desktops.list()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((d.name, d.status, d.owner_name, f"{d.width}x{d.height}", d.id, d.reason) for d in page.items)
    print_table(("Desktop", "Status", "Owner", "Screen", "Id", "Reason"), rows, "There are no desktops.")


@app.command()
def show(context: typer.Context, desktop: Which, as_json: AsJson = False) -> None:
    """A desktop and how it is."""
    with connect(context) as client:
        found = the(client, desktop)
    if as_json:
        print_json(found.to_json())
        return
    print_head(found.name, found.status)
    if found.reason:
        console.print(found.reason, markup=False, highlight=False)
    if found.status == "lost":
        again = f"Its files are kept. Start it again: windlass desktop start {found.name}"
        console.print(again, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{found.template}, {found.width}x{found.height}, on {found.node or 'no machine yet'}", highlight=False
    )
    console.print(found.id, highlight=False)


@app.command()
def start(context: typer.Context, desktop: Which, as_json: AsJson = False) -> None:
    """Have a desktop on again, with the home it had."""
    with connect(context) as client:
        print_asked(client.desktops.start(the(client, desktop).id), "is starting", as_json=as_json)


@app.command()
def stop(context: typer.Context, desktop: Which, as_json: AsJson = False) -> None:
    """Shut a desktop down; its home stays."""
    with connect(context) as client:
        print_asked(client.desktops.stop(the(client, desktop).id), "is being shut down", as_json=as_json)


@app.command()
def pause(context: typer.Context, desktop: Which, as_json: AsJson = False) -> None:
    """Freeze a desktop as it is."""
    with connect(context) as client:
        print_asked(client.desktops.pause(the(client, desktop).id), "is being paused", as_json=as_json)


@app.command()
def resume(context: typer.Context, desktop: Which, as_json: AsJson = False) -> None:
    """Let a paused desktop go on."""
    with connect(context) as client:
        print_asked(client.desktops.resume(the(client, desktop).id), "is to go on", as_json=as_json)


@app.command()
def task(  # noqa: PLR0913, PLR0917 - one parameter is one option
    context: typer.Context,
    desktop: Which,
    script: Annotated[
        typer.FileBinaryRead | None, typer.Argument(help="A file with a script for bash; - reads it from stdin.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What a model is to do there, in place of a script.")] = None,
    title: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    timeout: Annotated[int | None, typer.Option(help="Seconds it may work.")] = None,
    watch_it: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Give a desktop a script, or a model a task in it; it does one at a time."""
    if (script is None) is (prompt is None):
        raise typer.BadParameter("Give a script or --prompt, one of the two.")
    options = RunOptions(title=title, timeout_s=timeout)
    with connect(context) as client:
        found = the(client, desktop)
        if script is not None:
            run = client.desktops.give(found.id, script.read(), options)
        else:
            run = client.desktops.ask(found.id, prompt or "", options)
        hand_over(client, run, watch_it=watch_it, as_json=as_json)


@app.command()
def screenshot(
    context: typer.Context,
    desktop: Which,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Save the picture there, as WebP.")] = None,
    as_json: AsJson = False,
) -> None:
    """A desktop's screen, looked at once in 30 seconds."""
    with connect(context) as client:
        found = client.desktops.screenshot(the(client, desktop).id)
        if output is not None:
            output.write_bytes(client.desktops.picture(found))
    if as_json:
        print_json(found.to_json())
        return
    console.print(f"{found.width}x{found.height}, seen {found.age_s:.0f} s ago", highlight=False)
    console.print(str(output or found.url), markup=False, highlight=False, soft_wrap=True)


@app.command()
def view(
    context: typer.Context,
    desktop: Which,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Where a desktop's screen is shown, live."""
    with connect(context) as client:
        found = the(client, desktop)
        url = f"{client.url}/desktops/{found.id}"
    if as_json:
        print_json({"url": url})
    else:
        console.print(url, highlight=False, soft_wrap=True)
    if open_it:
        typer.launch(url)


@app.command()
def delete(context: typer.Context, desktop: Which, as_json: AsJson = False) -> None:
    """Delete a desktop with its home."""
    with connect(context) as client:
        found = the(client, desktop)
        client.desktops.delete(found.id)
    said = f"{found.name} was deleted, with its home."
    print_outcome({"id": found.id, "removed": True}, said, as_json=as_json)


def the(client: Client, name: str) -> Desktop:
    """The desktop of that name or id; the command ends when there is none, or more than one."""
    if is_id(name):
        return client.desktops.get(name)
    return only_one("desktop", name, client.desktops.list().items)


def print_asked(desktop: Desktop, outcome: str, *, as_json: bool) -> None:
    """Print what will become of it: it was asked for, and takes a moment."""
    said = f"{desktop.name} {outcome}. Look: windlass desktop show {desktop.name}"
    print_outcome(desktop.to_json(), said, as_json=as_json)
