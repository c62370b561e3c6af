"""`windlass exchange`: the services of an organisation as one document."""

import json
from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.screen import AsJson, console, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client.records import Json

app = typer.Typer(no_args_is_help=True, help="The services of an organisation as one document.")


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to; without it on standard output.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write all services down, variables with their values, secrets by name alone."""
    with connect(context) as client:
        document = client.exchange.export()
    _write(document, file, as_json=as_json)


@app.command("import")
def take(
    context: typer.Context,
    file: Annotated[typer.FileText, typer.Argument(help="A document; - reads standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each service.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add and change what a document says, one by one, after a backup; exit code 1 when something is refused."""
    try:
        document = json.load(file)
    except ValueError as error:
        raise typer.BadParameter(f"This is no JSON: {error}. Nothing was sent.") from error
    with connect(context) as client:
        done = client.exchange.take(document, dry_run=dry_run)
    if as_json:
        print_json(done.to_json())
    else:
        notes = ("; ".join(f"{wrong.field}: {wrong.message}" for wrong in each.errors) for each in done.items)
        secrets = (", ".join(each.missing_secrets) for each in done.items)
        rows = zip(
            (each.name for each in done.items), (each.outcome for each in done.items), secrets, notes, strict=True
        )
        print_table(
            ("Service", "Would be" if dry_run else "Is", "Secrets to set", "Because"), rows, "It has no services."
        )
        if done.backup_id:
            console.print(f"As it was before: windlass exchange backup {done.backup_id}", highlight=False)
    raise typer.Exit(int(any(each.outcome == "refused" for each in done.items)))


@app.command()
def backups(context: typer.Context, as_json: AsJson = False) -> None:
    """How the services were before the last imports."""
    with connect(context) as client:
        page = client.exchange.backups()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((str(each.created_at), str(each.services), each.id) for each in page.items)
    print_table(("Before the import of", "Services", "Id"), rows, "Nothing was imported yet.")


@app.command()
def backup(
    context: typer.Context,
    backup_id: str,
    file: Annotated[Path | None, typer.Argument(help="Where to; without it on standard output.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write down how the services were before an import."""
    with connect(context) as client:
        document = client.exchange.backup(backup_id)
    _write(document, file, as_json=as_json)


def _write(document: Json, file: Path | None, *, as_json: bool) -> None:
    if file is None:
        print_json(document)
        return
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    services = len(document["services"])
    print_outcome({"file": str(file), "services": services}, f"{services} services are in {file}.", as_json=as_json)
