"""`windlass session` and `windlass chat`: conversations with a model."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from windlass.cli import members
from windlass.cli.agents import Servers, Trusted, servers_of
from windlass.cli.codes import INTERRUPTED
from windlass.cli.runs import LAST
from windlass.cli.screen import AsJson, console, errors, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.cli.talk import Teller
from windlass.client import Client, Session

app = typer.Typer(no_args_is_help=True, help="Conversations with a model.")

Which = Annotated[str, typer.Argument(metavar="SESSION", help="Its id, or `last` for your newest one.")]
System = Annotated[str | None, typer.Option(help="Who the model should be.")]
Model = Annotated[str | None, typer.Option(help="Which model answers.")]
Agent = Annotated[str | None, typer.Option(help="A saved agent; its newest version says who the model is.")]
Budget = Annotated[float | None, typer.Option(help="What the session may cost, in dollars.")]
Workspace = Annotated[str | None, typer.Option(help="Another session, whose files it begins with.")]
Attach = Annotated[
    list[Path] | None,
    typer.Option("--attach", help="A picture, a PDF or a text beside the message.", exists=True, dir_okay=False),
]
CODES = {"finished": 0, "interrupted": INTERRUPTED}


@app.command()
def create(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    title: Annotated[str | None, typer.Argument(help="What it is called; else by its first words.")] = None,
    *,
    agent: Agent = None,
    system: System = None,
    model: Model = None,
    budget: Budget = None,
    mcp: Servers = None,
    trust: Trusted = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Open a session; nothing runs until somebody says something."""
    with connect(context) as client:
        wish = {"title": title, "agent": agent, "system": system, "model": model, "budget_usd": budget}
        wish["workspace"] = workspace
        opened = client.sessions.open(**wish, **servers_of(mcp, trust))
    said = f"{opened.title} is open. Speak: windlass chat {opened.id}"
    print_outcome(opened.to_json(), said, as_json=as_json)


@app.command("list")
def list_sessions(
    context: typer.Context,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Words of the title.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="idle, running, awaiting or archived.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest sessions."""
    with connect(context) as client:
        page = client.sessions.list(status=status or (), q=search)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((s.id, s.title, s.status, str(s.turn), s.owner_name, _cost(s)) for s in page.items)
    print_table(("Id", "Title", "Status", "Turn", "Owner", "Cost"), rows, "There are no sessions.")


@app.command()
def show(context: typer.Context, session: Which, as_json: AsJson = False) -> None:
    """A session and what was said in it."""
    with connect(context) as client:
        session = known_id(client, session)
        found, said = client.sessions.get(session), client.sessions.messages(session, limit=500)
    if as_json:
        print_json({**found.to_json(), "messages": said.to_json()["items"]})
        return
    made_of = f", {found.agent} version {found.agent_version}" if found.agent else ""
    print_head(found.title, f"{found.status}, turn {found.turn}, {_cost(found)}{made_of}")
    for message in said.items:
        if not message.content:  # it used tools, and said nothing
            continue
        who = message.name if message.role == "user" else "Claude"
        console.print(f"{who}: {message.content}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def send(
    context: typer.Context,
    session: Which,
    message: Annotated[str, typer.Argument(help="What to say; - reads it from stdin.")],
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the answer.")] = False,
    attach: Attach = None,
    as_json: AsJson = False,
) -> None:
    """Say something, and wait for the answer; the exit code follows how the turn ended."""
    content = sys.stdin.read() if message == "-" else message
    with connect(context) as client:
        session = known_id(client, session)
        files = attached(client, session, attach)
        if no_wait:
            said = client.sessions.say(session, content, attachments=files)
            print_outcome(said.to_json(), f"It waits. See: windlass session watch {session}", as_json=as_json)
            return
        raise typer.Exit(CODES.get(converse(client, session, content, files, as_json=as_json), 1))


@app.command()
def steer(
    context: typer.Context,
    session: Which,
    message: Annotated[str, typer.Argument(help="What to say; - reads it from stdin.")],
    as_json: AsJson = False,
) -> None:
    """Say something to the turn under way, which takes it up at its next step."""
    with connect(context) as client:
        session = known_id(client, session)
        said = client.sessions.steer(session, sys.stdin.read() if message == "-" else message)
    print_outcome(said.to_json(), "The turn takes it up at its next step.", as_json=as_json)


@app.command()
def watch(
    context: typer.Context,
    session: Which,
    after: Annotated[int, typer.Option(help="Begin after this seq.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Follow a session until it is deleted."""
    with connect(context) as client:
        session = known_id(client, session)
        try:
            Teller(as_json=as_json).tell(client.sessions.stream(session, after=after))
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


@app.command()
def artifacts(context: typer.Context, session: Which, as_json: AsJson = False) -> None:
    """What the model has kept as results."""
    with connect(context) as client:
        session = known_id(client, session)
        page = client.sessions.artifacts(session, limit=500)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((str(each.id), each.name, str(each.size_bytes), str(each.turn), each.description) for each in page.items)
    print_table(("Id", "Name", "Bytes", "Turn", "What it is"), rows, "Nothing was kept yet.")


@app.command()
def interrupt(context: typer.Context, session: Which, as_json: AsJson = False) -> None:
    """End the turn under way; what was said stays."""
    with connect(context) as client:
        session = known_id(client, session)
        found = client.sessions.interrupt(session)
    print_outcome(found.to_json(), "It stops within a second. What was said is kept.", as_json=as_json)


@app.command()
def archive(context: typer.Context, session: Which, as_json: AsJson = False) -> None:
    """Put a session away; a turn under way is interrupted."""
    with connect(context) as client:
        session = known_id(client, session)
        found = client.sessions.archive(session)
    said = f"{found.title} is put away. Take it up again: windlass session resume {found.id}"
    print_outcome(found.to_json(), said, as_json=as_json)


@app.command()
def resume(context: typer.Context, session: Which, as_json: AsJson = False) -> None:
    """Take an archived session up again, with all that was said."""
    with connect(context) as client:
        session = known_id(client, session)
        found = client.sessions.resume(session)
    print_outcome(found.to_json(), f"{found.title} goes on: windlass chat {found.id}", as_json=as_json)


@app.command("handover")
def hand_over(
    context: typer.Context,
    session: Which,
    to: Annotated[str, typer.Argument(metavar="MEMBER", help="Their e-mail address, name or id.")],
    as_json: AsJson = False,
) -> None:
    """Make a session another member's, with a turn under way and all that was said."""
    with connect(context) as client:
        session = known_id(client, session)
        found = client.sessions.hand_over(session, members.find(client, to).id)
    print_outcome(found.to_json(), f"{found.title} belongs to {found.owner_name} now.", as_json=as_json)


@app.command()
def delete(context: typer.Context, session: Which, as_json: AsJson = False) -> None:
    """Delete a session, with what was said and made in it."""
    with connect(context) as client:
        session = known_id(client, session)
        found = client.sessions.get(session)
        client.sessions.delete(session)
    print_outcome({"id": found.id, "removed": True}, f"{found.title} was deleted.", as_json=as_json)


def chat(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    session: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", help="Its id, or `last`; without one it is new.")
    ] = None,
    *,
    agent: Agent = None,
    system: System = None,
    model: Model = None,
    budget: Budget = None,
    attach: Attach = None,
    as_json: AsJson = False,
) -> None:
    """Talk to a model until an empty line or the end of the input; Ctrl+C interrupts its answer."""
    with connect(context) as client:
        wish = {"agent": agent, "system": system, "model": model, "budget_usd": budget}
        opened = known_id(client, session) if session else None
        which = f"Session {opened}. " if opened else ""
        errors.print(f"{which}An empty line ends the talk, not the session.", highlight=False, soft_wrap=True)
        for line in iter(_read, ""):
            opened = opened or _open(client, wish)
            files, attach = attached(client, opened, attach), None
            try:
                converse(client, opened, line, files, as_json=as_json)
            except KeyboardInterrupt:
                client.sessions.interrupt(opened)
                errors.print("Interrupted. What was said is kept.")


def _open(client: Client, wish: Mapping[str, Any]) -> str:
    """Open the session of a talk, now that there is something to say, and tell which it is."""
    opened = client.sessions.open(**wish).id
    errors.print(f"Session {opened}.", highlight=False, soft_wrap=True)
    return opened


def known_id(client: Client, session: str) -> str:
    """The id of that session; only that of one's own newest one is asked for, among those of others that are seen."""
    if session != LAST:
        return session
    me, page = client.me().person.id, client.sessions.list()
    while (own := next((each.id for each in page.items if each.owner == me), None)) is None:
        if page.next is None:
            raise typer.BadParameter("You have no sessions yet.")
        page = client.sessions.list(cursor=str(page.next))
    return own


def attached(client: Client, session: str, paths: Sequence[Path] | None) -> Sequence[str]:
    """The ids of files, kept for the message that comes."""
    return [client.sessions.attach(session, path.name, path.read_bytes()).id for path in paths or ()]


def converse(client: Client, session: str, content: str, files: Sequence[str] = (), *, as_json: bool = False) -> str:
    """Say something and show what comes until its turn has ended; answers how."""
    said = client.sessions.say(session, content, attachments=files)
    teller = Teller(said.id, as_json=as_json, own_words=False)
    return teller.tell(client.sessions.stream(session, after=max(0, said.seq - 1)))


def _read() -> str:
    """The next line; empty at the end of the input."""
    try:
        return errors.input("[bold]> [/]" if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""


def _cost(session: Session) -> str:
    cost = session.usage.get("cost_usd")
    return "–" if cost is None else f"${cost:.2f}"  # noqa: RUF001 - an en dash is what pages show too
