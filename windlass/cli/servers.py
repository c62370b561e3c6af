"""`windlass mcp`: MCP servers, where the tools of sessions come from."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from windlass.cli.screen import AsJson, clock, console, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import McpServer

app = typer.Typer(no_args_is_help=True, help="MCP servers: where the tools of sessions come from.")

Which = Annotated[str, typer.Argument(metavar="SERVER", help="Its name.")]
Url = Annotated[str | None, typer.Option(help="Where it answers (streamable HTTP).")]
CommandName = Annotated[str | None, typer.Option("--command", help="Instead: a command the operator listed.")]
Header = Annotated[
    list[str] | None, typer.Option(help="NAME: TEXT, or NAME:- to be asked for it; kept sealed; may be repeated.")
]
Timeout = Annotated[int | None, typer.Option(help="How many seconds a call may take.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


@app.command()
def add(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it: lower-case letters, digits and -.")],
    *,
    url: Url = None,
    command: CommandName = None,
    header: Header = None,
    timeout: Timeout = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Add a server: windlass mcp add files --url https://tools.example.com/mcp --header "Authorization:-"."""
    way = {"url": url, "command": command, "headers": headers_of(header), "timeout_s": timeout}
    with connect(context) as client:
        server = client.mcp_servers.add(name, description=description, **way)
    said = f"{server.name} is added and looked at now. See what it offers: windlass mcp tools {server.name}"
    print_outcome(server.to_json(), said, as_json=as_json)


@app.command("list")
def list_servers(context: typer.Context, as_json: AsJson = False) -> None:
    """All servers, and how they are."""
    with connect(context) as client:
        page = client.mcp_servers.list()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((s.name, s.state, s.url or s.command, clock(s.checked_at), s.reason) for s in page.items)
    print_table(("Server", "State", "Where", "Looked at", "Reason"), rows, "There are no MCP servers.")


@app.command()
def show(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """A server, and how it is."""
    with connect(context) as client:
        server = client.mcp_servers.get(name)
    if as_json:
        print_json(server.to_json())
        return
    print_server(server)


@app.command()
def tools(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """What it offered when it was looked at last, and what of it was taken."""
    with connect(context) as client:
        page = client.mcp_servers.tools(name)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((t.name, "yes" if t.taken else "", (t.description.splitlines() or [""])[0]) for t in page.items)
    print_table(("Tool", "Taken", "What it does"), rows, f"It offers nothing ({page.state}).")
    if page.digest != page.pinned:
        said = f"These are others than were taken; none is called. Take them: windlass mcp take {name} {page.digest}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)


@app.command()
def check(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Have it looked at now."""
    with connect(context) as client:
        server = client.mcp_servers.check(name)
    print_outcome(server.to_json(), f"{server.name} is looked at now.", as_json=as_json)


@app.command()
def take(
    context: typer.Context,
    name: Which,
    digest: Annotated[str, typer.Argument(help="The digest of the tools, as `windlass mcp tools` prints it.")],
    as_json: AsJson = False,
) -> None:
    """Take the tools it offers now: from now on they may be called."""
    with connect(context) as client:
        server = client.mcp_servers.take(name, digest)
    print_outcome(server.to_json(), f"The tools of {server.name} are taken.", as_json=as_json)


@app.command()
def change(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Which,
    *,
    url: Url = None,
    command: CommandName = None,
    header: Header = None,
    timeout: Timeout = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given; another address takes its headers away unless new ones come with it."""
    wanted = {"url": url, "command": command, "headers": headers_of(header), "timeout_s": timeout}
    given = {key: value for key, value in {**wanted, "description": description}.items() if value is not None}
    if not given:
        raise typer.BadParameter("Say what to change, such as --url or --header.")
    with connect(context) as client:
        server = client.mcp_servers.change(name, **given)
    print_outcome(server.to_json(), f"{server.name} is changed.", as_json=as_json)


@app.command()
def remove(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Forget a server and its secrets."""
    with connect(context) as client:
        client.mcp_servers.delete(name)
    print_outcome({"name": name, "removed": True}, f"{name} is forgotten.", as_json=as_json)


def print_server(server: McpServer) -> None:
    """Print a server."""
    print_head(server.name, server.state)
    for text in (server.reason, server.description, server.url or f"command {server.command}"):
        if text:
            console.print(text, markup=False, highlight=False)
    if server.header_names:
        console.print(f"headers: {', '.join(server.header_names)}", markup=False, highlight=False)


def headers_of(given: Sequence[str] | None) -> dict[str, str] | None:
    """Read NAME: TEXT; NAME:- is asked for, so that no secret stands in a history of commands."""
    if not given:
        return None
    headers: dict[str, str] = {}
    for each in given:
        name, colon, text = each.partition(":")
        if not colon or not name:
            raise typer.BadParameter(f"{name!r} is not NAME: TEXT.")
        headers[name.strip()] = asked(name.strip()) if text.strip() == "-" else text.strip()
    return headers


def asked(name: str) -> str:
    """A secret from the person at the terminal, or from a pipe."""
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=True))
    return sys.stdin.readline().strip()
