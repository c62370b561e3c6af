"""`windlass agents`: what can be run."""

from typing import Annotated, Any, cast

import typer

from windlass.cli.screen import AsJson, console, print_json, print_table
from windlass.cli.session import connect

app = typer.Typer(invoke_without_command=True, help="What can be run.")

NAMELESS = frozenset({"markdown", "html", "break", "hr", "errors", "submit", "cancel", "none"})


@app.callback()
def agents(
    context: typer.Context,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Words to look for.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only agents with this tag.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the agents; `windlass agents show NAME` prints the inputs of one."""
    if context.invoked_subcommand:
        return
    with connect(context) as client:
        page = client.agents.list(q=q, tag=tag)
    if as_json:
        print_json(page.to_json())
        return
    rows = ((a.name, a.summary, ", ".join(a.tags), "" if a.available else "its service is down") for a in page.items)
    print_table(
        ("Agent", "What it does", "Tags", ""), rows, "There are no agents. Add a service: windlass service add."
    )


@app.command()
def show(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """An agent and its inputs; with --json its form and JSON Schema."""
    with connect(context) as client:
        agent = client.agents.get(name)
    if as_json:
        print_json(agent.to_json())
        return
    console.print(f"[bold]{agent.summary or agent.name}[/]")
    if agent.description:
        console.print(agent.description, markup=False)
    rows = (input_row(element) for element in agent.elements if element.get("type") not in NAMELESS)
    print_table(("Input", "Kind", "Required", "What it is"), rows, "It takes no inputs.")
    console.print(f"Start it: windlass run start {agent.name} …", markup=False, highlight=False)


def input_row(element: dict[str, Any]) -> tuple[str, str, str, str]:
    """An element of a form as a row."""
    options = element.get("option")
    listed = cast(list[dict[str, Any]], options) if isinstance(options, list) else []
    choices = ", ".join(str(option.get("name")) for option in listed)
    kind = f"{element['type']}: {choices}" if choices else str(element["type"])
    return str(element.get("name")), kind, "yes" if element.get("required") else "", str(element.get("label") or "")
