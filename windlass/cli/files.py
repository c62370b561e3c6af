"""`windlass file`: what goes into a run and what comes out of it."""

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.codes import REFUSED
from windlass.cli.runs import RunId, find_id
from windlass.cli.screen import AsJson, console, errors, print_json, print_outcome, print_table
from windlass.cli.sending import refusing, send, shown
from windlass.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="What goes into a run and what comes out of it.")

ROOTS = frozenset({"in", "out"})  # there in every run, if empty

Which = Annotated[str, typer.Argument(metavar="PATH", help="With its root: out/report.csv, in/a folder, out.")]


@app.command()
def upload(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders with all in them.")],
    resume: Annotated[str | None, typer.Option(help="Go on with this upload of the same files.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send files to be taken by a run; prints the id that a field of its form takes."""
    with connect(context) as client:
        sent = send(client, paths, resume)
    print_outcome(sent.to_json(), sent.upload_id, as_json=as_json)


@app.command("list")
def list_files(
    context: typer.Context,
    run: RunId,
    below: Annotated[str, typer.Argument(help="A root or a folder.")] = "",
    as_json: AsJson = False,
) -> None:
    """The files of a run."""
    with connect(context) as client:
        found = client.files.list(find_id(client, run), below)
    if as_json:
        print_json({"items": [each.to_json() for each in found], "next": None})
        return
    rows = ((each.path, str(each.size_bytes), each.sha256[:8]) for each in found)
    print_table(("Path", "Bytes", "SHA-256"), rows, "The run has no files there.")


@app.command()
def download(
    context: typer.Context,
    run: RunId,
    path: Which = "out",
    to: Annotated[Path, typer.Option(help="The folder to lay them down in.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Lay a file, or all below a folder or a root, down in a folder of this machine."""
    with connect(context) as client, shown("Getting") as told, refusing():
        places = [str(each) for each in client.files.download(find_id(client, run), path, to, told=told)]
    if as_json:
        print_json({"files": places})
        return
    for each in places:
        console.print(each, markup=False, highlight=False, soft_wrap=True)
    if not places:
        errors.print("The run has no files there.", soft_wrap=True)
        raise typer.Exit(0 if path in ROOTS else REFUSED)


@app.command()
def remove(context: typer.Context, run: RunId, path: Which, as_json: AsJson = False) -> None:
    """Remove a file, or a folder with all in it."""
    with connect(context) as client:
        found = find_id(client, run)
        client.files.remove(found, path)
    print_outcome({"run_id": found, "path": path}, f"{path} is removed.", as_json=as_json)


@app.command()
def link(
    context: typer.Context,
    run: RunId,
    path: Which,
    minutes: Annotated[int, typer.Option(help="How long it is good for.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Print an address from which anybody may download the file for a while."""
    with connect(context) as client:
        made = client.files.link(find_id(client, run), path, minutes)
    print_outcome(made.to_json(), made.url, as_json=as_json)
