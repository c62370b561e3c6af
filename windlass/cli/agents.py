"""`windlass agent`: what can be run, and what is saved of it here. `windlass agents` lists it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from windlass.cli.screen import AsJson, console, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import Agent, SavedAgent

app = typer.Typer(no_args_is_help=True, help="Agents: what can be run, and those that are saved here.")
listing = typer.Typer(invoke_without_command=True, help="What can be run.")

NAMELESS = frozenset({"markdown", "html", "break", "hr", "errors", "submit", "cancel", "none"})

Search = Annotated[str | None, typer.Option("--search", "-q", help="Words to look for.")]
Tag = Annotated[str | None, typer.Option(help="Only agents with this tag.")]
Which = Annotated[str, typer.Argument(metavar="AGENT", help="Its name.")]
System = Annotated[str | None, typer.Option(help="The system prompt, or @file.")]
Model = Annotated[str | None, typer.Option(help="The model.")]
MaxTokens = Annotated[int | None, typer.Option(help="The longest answer, in tokens.")]
Tools = Annotated[list[str] | None, typer.Option("--tool", help="A tool of its sessions; may be repeated.")]
Servers = Annotated[
    list[str] | None,
    typer.Option("--mcp", help="An MCP server it may use, SERVER or SERVER:TOOL,TOOL; may be repeated."),
]
Trusted = Annotated[
    list[str] | None,
    typer.Option("--trust", help="An MCP server of --mcp whose word about its tools is believed; may be repeated."),
]
Rules = Annotated[
    list[str] | None,
    typer.Option("--rule", help="DECISION:TOOL or DECISION:TOOL:ARGUMENTS, such as ask:shell; may be repeated."),
]
Budget = Annotated[float | None, typer.Option(help="What it may cost, in dollars; 0 takes the limit away.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


@listing.callback()
def agents(context: typer.Context, q: Search = None, tag: Tag = None, as_json: AsJson = False) -> None:
    """List the agents; `windlass agents show NAME` prints the inputs of one."""
    if not context.invoked_subcommand:
        print_agents(context, q, tag, as_json=as_json)


@app.command("list")
def list_agents(context: typer.Context, q: Search = None, tag: Tag = None, as_json: AsJson = False) -> None:
    """What can be run; `--tag saved` leaves those that are saved here."""
    print_agents(context, q, tag, as_json=as_json)


@app.command()
def tags(context: typer.Context, as_json: AsJson = False) -> None:
    """The tags of the flows that can be started, and how many flows carry each."""
    with connect(context) as client:
        found = client.agents.tags()
    if as_json:
        print_json({"tags": found})
    else:
        print_table(("Tag", "Flows"), ((name, str(count)) for name, count in found.items()), "No flow has a tag.")


@listing.command()
@app.command()
def show(
    context: typer.Context,
    name: Which,
    version: Annotated[int | None, typer.Option(help="A saved agent as it was.")] = None,
    as_json: AsJson = False,
) -> None:
    """An agent and its inputs; with --json its form and JSON Schema."""
    with connect(context) as client:
        agent = client.agents.get(name, version=version)
    if as_json:
        print_json(agent.to_json())
        return
    print_agent(agent)


@app.command()
def create(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it: lower-case letters, digits, - and _.")],
    *,
    system: System = None,
    model: Model = None,
    max_tokens: MaxTokens = None,
    tool: Tools = None,
    mcp: Servers = None,
    trust: Trusted = None,
    rule: Rules = None,
    budget: Budget = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Save an agent: windlass agent create reviewer --system @reviewer.md --budget 2."""
    given = profile(system, model, max_tokens, description) | servers_of(mcp, trust) | limits(tool, rule, budget)
    with connect(context) as client:
        saved = client.agents.save(name, **given)
    said = f'{saved.name} is saved. Start it: windlass run start {saved.name} prompt="…" --watch'
    print_outcome(saved.to_json(), said, as_json=as_json)


@app.command()
def edit(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Which,
    *,
    system: System = None,
    model: Model = None,
    max_tokens: MaxTokens = None,
    tool: Tools = None,
    mcp: Servers = None,
    trust: Trusted = None,
    rule: Rules = None,
    budget: Budget = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given and nothing else: a new version, which new runs are made of."""
    given = profile(system, model, max_tokens, description) | servers_of(mcp, trust) | limits(tool, rule, budget)
    if not given:
        raise typer.BadParameter("Say what to change, such as --model or --system @file.")
    with connect(context) as client:
        saved = client.agents.change(name, **given)
    print_outcome(saved.to_json(), f"{saved.name} is in version {saved.version} now.", as_json=as_json)


@app.command()
def delete(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Delete a saved agent; what runs goes on, and its runs stay on record."""
    with connect(context) as client:
        client.agents.delete(name)
    said = f"{name} is deleted. Its runs stay on record."
    print_outcome({"name": name, "deleted": True}, said, as_json=as_json)


def print_agents(context: typer.Context, q: str | None, tag: str | None, *, as_json: bool) -> None:
    """Print the catalogue."""
    with connect(context) as client:
        page = client.agents.list(q=q, tag=tag)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((each.name, each.summary, ", ".join(each.tags), note_on(each)) for each in page.items)
    print_table(
        ("Agent", "What it does", "Tags", ""), rows, "There are no agents. Add a service: windlass service add."
    )


def note_on(agent: Agent) -> str:
    """What keeps it from being started here."""
    if agent.address:
        return f"others run it: POST to {agent.address}"
    return "" if agent.available else "its service is down"


def print_agent(agent: Agent) -> None:
    """Print an agent: what it is, what it asks for, and how to start it."""
    print_head(agent.summary or agent.name)
    if agent.description:
        console.print(agent.description, markup=False)
    if agent.saved is not None:
        print_saved(agent.saved)
    rows = (input_row(element) for element in agent.elements if element.get("type") not in NAMELESS)
    print_table(("Input", "Kind", "Required", "What it is"), rows, "It takes no inputs.")
    start = (
        f"Others run it: POST its inputs to {agent.address}"
        if agent.address
        else f"Start it: windlass run start {agent.name} …"
    )
    console.print(start, markup=False, highlight=False, soft_wrap=True)


def print_saved(saved: SavedAgent) -> None:
    """Print who the model is in a saved agent."""
    older = "" if saved.version == saved.newest else f" of {saved.newest}"
    budget = f", at most ${saved.budget['usd']:g}" if saved.budget else ""
    console.print(
        f"version {saved.version}{older}, {saved.model}, {saved.max_tokens} tokens{budget}",
        markup=False,
        highlight=False,
    )
    if saved.tools:
        console.print(f"tools: {', '.join(saved.tools)}", markup=False, highlight=False)
    for each in saved.mcp_servers:
        tools = ", ".join(each["tools"]) if each.get("tools") is not None else "all tools"
        trusted = ", trusted" if each.get("trust") else ""
        console.print(f"MCP server {each['server']}{trusted}: {tools}", markup=False, highlight=False)
    for each in saved.policy:
        about = f" {each['arguments']}" if each.get("arguments") else ""
        console.print(f"{each['decision']} {each['tool']}{about}", markup=False, highlight=False)
    if saved.system:
        console.print(saved.system, markup=False, highlight=False)


def profile(system: str | None, model: str | None, max_tokens: int | None, description: str | None) -> dict[str, Any]:
    """Who the model should be, as far as it was given."""
    given = {"system": text_of(system), "model": model, "max_tokens": max_tokens, "description": description}
    return {name: value for name, value in given.items() if value is not None}


def servers_of(servers: list[str] | None, trusted: list[str] | None) -> dict[str, Any]:
    """The MCP servers it may use, as far as they were given; one empty text takes all away."""
    found = [server_of(text, trusted or ()) for text in servers or () if text]
    strangers = {*(trusted or ())} - {each["server"] for each in found}
    if strangers:
        raise typer.BadParameter(f"--trust {min(strangers)} needs --mcp {min(strangers)} beside it.")
    return {"mcp_servers": found} if servers else {}


def limits(tools: list[str] | None, rules: list[str] | None, budget: float | None) -> dict[str, Any]:
    """What it may use and cost, as far as it was given; one empty text takes everything away."""
    given: dict[str, Any] = {}
    if tools:
        given["tools"] = [tool for tool in tools if tool]
    if rules:
        given["policy"] = [rule_of(text) for text in rules if text]
    if budget is not None:
        given["budget"] = {"usd": budget} if budget else None
    return given


def text_of(given: str | None) -> str | None:
    """A text, or that of a file."""
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{given[1:]} cannot be read as text: {error}.") from error


def server_of(text: str, trusted: Sequence[str]) -> dict[str, Any]:
    """Read SERVER:TOOL,TOOL."""
    server, colon, tools = text.partition(":")
    used: dict[str, Any] = {"server": server, **({"trust": True} if server in trusted else {})}
    return {**used, "tools": [tool for tool in tools.split(",") if tool]} if colon else used


def rule_of(text: str) -> dict[str, Any]:
    """Read DECISION:TOOL:ARGUMENTS."""
    decision, _, rest = text.partition(":")
    tool, _, arguments = rest.partition(":")
    if not tool:
        raise typer.BadParameter(f"{text!r} is not DECISION:TOOL or DECISION:TOOL:ARGUMENTS.")
    return {"decision": decision, "tool": tool, **({"arguments": arguments} if arguments else {})}


def input_row(element: dict[str, Any]) -> tuple[str, str, str, str]:
    """An element of a form as a row."""
    options = element.get("option")
    listed = cast(list[dict[str, Any]], options) if isinstance(options, list) else []
    choices = ", ".join(str(option.get("name")) for option in listed)
    kind = f"{element['type']}: {choices}" if choices else str(element["type"])
    return str(element.get("name")), kind, "yes" if element.get("required") else "", str(element.get("label") or "")
