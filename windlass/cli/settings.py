"""`windlass setting`: what your organisation sets for itself."""

from typing import Annotated

import typer

from windlass.cli.screen import AsJson, print_json, print_outcome, print_table
from windlass.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="What your organisation sets for itself.")

Which = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


@app.command("list")
def list_settings(context: typer.Context, as_json: AsJson = False) -> None:
    """The settings there are, what holds, and who set it."""
    with connect(context) as client:
        page = client.settings.list()
    if as_json:
        print_json(page.to_json())
        return
    rows = (
        (s.name, f"{s.value} {s.unit}", s.changed_by if s.is_own else "the installation", s.summary) for s in page.items
    )
    print_table(("Setting", "Value", "Set by", "Summary"), rows, "There are none.")


@app.command("set")
def set_one(
    context: typer.Context,
    name: Which,
    value: Annotated[int, typer.Argument(help="What holds from now on.")],
    as_json: AsJson = False,
) -> None:
    """Set one for your organisation."""
    with connect(context) as client:
        kept = client.settings.put(name, value)
    print_outcome(kept.to_json(), f"{kept.name} is {kept.value} {kept.unit} from now on.", as_json=as_json)


@app.command()
def reset(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Have the installation's setting hold again."""
    with connect(context) as client:
        client.settings.reset(name)
    print_outcome({"name": name, "is_own": False}, f"The installation's {name} holds again.", as_json=as_json)
