"""`windlass desktop skill`: what models are told before they work in a desktop."""

from typing import Annotated

import typer

from windlass.cli.screen import AsJson, console, print_json, print_outcome, print_table
from windlass.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="What models are told before they work in a desktop.")

Which = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


@app.command("list")
def list_skills(context: typer.Context, as_json: AsJson = False) -> None:
    """The skills of your organisation, in the order in which they are told."""
    with connect(context) as client:
        page = client.desktops.skills()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((s.name, f"{s.size_bytes} bytes", s.changed_by) for s in page.items)
    print_table(("Skill", "Size", "Changed by"), rows, "There are no skills.")


@app.command()
def show(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """A skill's text."""
    with connect(context) as client:
        found = client.desktops.skill(name)
    if as_json:
        print_json(found.to_json())
        return
    console.print(found.text, markup=False, highlight=False)


@app.command("set")
def set_skill(
    context: typer.Context,
    name: Which,
    text: Annotated[typer.FileText, typer.Argument(help="A file with Markdown; - reads it from stdin.")],
    as_json: AsJson = False,
) -> None:
    """Write a skill down, or another in its place."""
    with connect(context) as client:
        kept = client.desktops.put_skill(name, text.read())
    print_outcome(kept.to_json(), f"Tasks that begin from now on are told {kept.name}.", as_json=as_json)


@app.command()
def delete(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Delete a skill."""
    with connect(context) as client:
        client.desktops.delete_skill(name)
    print_outcome({"name": name, "removed": True}, f"The skill {name} was deleted.", as_json=as_json)
