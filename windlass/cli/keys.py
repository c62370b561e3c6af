"""`windlass keys`: API keys for programs."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from windlass.cli.screen import AsJson, clock, console, errors, print_json, print_outcome, print_table
from windlass.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="API keys for programs.")


@app.command("list")
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """The keys you may see; never their secrets."""
    with connect(context) as client:
        page = client.keys.list()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((k.id, k.name, " ".join(k.permissions), clock(k.expires_at), clock(k.last_used_at)) for k in page.items)
    print_table(("Key", "Name", "Permissions", "Expires", "Last used"), rows, "There are no keys.")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    permission: Annotated[
        list[str] | None, typer.Option(help="noun:verb; may be repeated; all of yours if none.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How long it is good for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed once and never again."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with connect(context) as client:
        key = client.keys.add(name, tuple(permission or ()), expires_at)
    if as_json:
        print_json(key.to_json())
        return
    console.print(key.key or key.id, markup=False, highlight=False, soft_wrap=True)
    errors.print("Keep it now: it is not shown again. Use it as WINDLASS_API_KEY.")


@app.command()
def remove(
    context: typer.Context, key_id: Annotated[str, typer.Argument(metavar="KEY")], as_json: AsJson = False
) -> None:
    """Revoke a key."""
    with connect(context) as client:
        client.keys.remove(key_id)
    print_outcome({"id": key_id, "removed": True}, "The key is revoked.", as_json=as_json)
