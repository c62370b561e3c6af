"""`windlass flow`: what is said of a service's flows, and whether they start; `windlass service health` and `send`."""

import gzip
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from windlass.cli.screen import AsJson, console, errors, print_json, print_outcome, print_table
from windlass.cli.service_logs import follow_log, printed_by
from windlass.cli.session import connect
from windlass.client.flows import Checkup

app = typer.Typer(no_args_is_help=True, help="What is said of the flows of a service, and whether they start.")
LEFT_BEHIND = frozenset({".git", ".venv", "venv", "__pycache__", "node_modules", ".pytest_cache", ".ruff_cache"})
ANSWERS = {True: "answers", False: "does not answer", None: "not asked"}


@app.command("list")
def list_flows(context: typer.Context, service: str, as_json: AsJson = False) -> None:
    """The flows of a service, also those that are switched off, with their runs of the last 24 hours."""
    with connect(context) as client:
        page = client.flows.list(service)
    if as_json:
        print_json(page.to_json())
        return
    rows = (
        (
            each.agent,
            each.display,
            "on" if each.enabled else "off",
            str(each.finished),
            str(each.failed),
            str(each.live),
        )
        for each in page.items
    )
    print_table(("Agent", "Name", "Starts", "Finished", "Failed", "Open"), rows, "It has no flows yet.")


@app.command()
def register(context: typer.Context, name: str, url: str, as_json: AsJson = False) -> None:
    """Have the flows of a service that others run in the catalogue; URL is that of its openapi.json."""
    with connect(context) as client:
        service = client.flows.register(name, url)
    said = f"{service.name} is registered; its flows: {', '.join(service.flows)}"
    print_outcome(service.to_json(), said, as_json=as_json)


@app.command()
def unregister(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """Take a service that others run out of the catalogue."""
    with connect(context) as client:
        if not client.services.get(name).url:
            raise typer.BadParameter(f"{name} has its program here: windlass service remove {name}")
        client.flows.unregister(name)
    print_outcome({"unregistered": name}, f"{name} is out of the catalogue.", as_json=as_json)


@app.command()
def change(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="SERVICE/FLOW")],
    *,
    display: Annotated[str | None, typer.Option(help="Its name; an empty one: as the service says.")] = None,
    description: Annotated[str | None, typer.Option(help="An empty one: as the service says.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated; one empty tag: as the service says.")] = None,
    author: Annotated[str | None, typer.Option(help="An empty one: as the service says.")] = None,
    organization: Annotated[str | None, typer.Option(help="An empty one: as the service says.")] = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether it can be started.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set what is given and nothing else; it is kept across boots."""
    given = {"display": display, "description": description, "author": author, "organization": organization}
    changes: dict[str, Any] = {name: text or None for name, text in given.items() if text is not None}
    if tag is not None:
        changes["tags"] = [each for each in tag if each] or None
    if enabled is not None:
        changes["enabled"] = enabled
    with connect(context) as client:
        flow = client.flows.change(agent, **changes)
    said = f"{flow.agent} is changed: {flow.display}, {'on' if flow.enabled else 'off'}."
    print_outcome(flow.to_json(), said, as_json=as_json)


def send(
    context: typer.Context,
    name: str,
    path: Annotated[Path, typer.Argument(exists=True, help="A folder, or a zip or tar.gz of one.")],
    as_json: AsJson = False,
) -> None:
    """Have it served from a folder of this machine, packed and sent; its runs go on."""
    content = packed(path) if path.is_dir() else path.read_bytes()
    with connect(context) as client:
        service = client.flows.send(name, content)
    said = f"{service.name} is served from {service.project[:20]}\u2026, {len(content):,} bytes."
    print_outcome(service.to_json(), said, as_json=as_json)


def packed(folder: Path) -> bytes:
    """A folder as tar.gz, without what is made anew elsewhere; the same files make the same bytes."""
    output = io.BytesIO()
    with gzip.GzipFile(fileobj=output, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for path in sorted(_files(folder)):
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            info.size, info.mode = path.stat().st_size, 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as file:
                archive.addfile(info, file)
    return output.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in LEFT_BEHIND]
        yield from (path for name in names if (path := Path(parent, name)).is_file() and not path.is_symlink())


def log(
    context: typer.Context,
    name: str,
    every: Annotated[bool, typer.Option("--all", help="Also of the processes before.")] = False,
    goes_on: Annotated[bool, typer.Option("--follow", "-f", help="Print what comes, until interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """What its program printed last: now, and before it ended."""
    with connect(context) as client:
        if goes_on:
            follow_log(client, name, as_json=as_json)
        page = client.flows.log(name)
    if as_json:
        print_json(page.to_json())
        return
    told = [each for each in page.items if each.text or each.ended_at is None]
    living = [each for each in told if each.ended_at is None]
    shown = page.items if every else living if any(each.text for each in living) else told[:1]
    for each in shown:
        errors.print(printed_by(each), style="dim", highlight=False, soft_wrap=True)
        console.print(each.text or "", markup=False, highlight=False, soft_wrap=True)
    if not shown:
        errors.print(f"Nothing of {name} has run on the machine of the gateway yet.", highlight=False)


def health(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One service; without it all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the hosts how they are: 1 when one that should answer does not."""
    with connect(context) as client:
        found = client.flows.check_all().items if name is None else [client.flows.check(name)]
    if as_json:
        print_json({"items": [each.to_json() for each in found]})
    else:
        rows = (
            (each.name, each.state, ANSWERS[each.answers], _took(each), each.message.partition("\n")[0])
            for each in found
        )
        print_table(("Service", "State", "Host", "Within", "What it says"), rows, "There are no services.")
        for each in found:
            _say_flows(each)
    raise typer.Exit(int(any(each.answers is False for each in found)))


def _took(checkup: Checkup) -> str:
    return "" if checkup.took_ms is None else f"{checkup.took_ms:.0f} ms"


def _say_flows(checkup: Checkup) -> None:
    for flow in checkup.flows:
        if flow.state != "alive":
            console.print(f"  {flow.name}: {flow.state}", markup=False, highlight=False)
