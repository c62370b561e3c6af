"""`windlass exchange`: the services of an organisation as one document, or all it is made of."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from windlass.cli.screen import AsJson, clock, console, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client.exchange import Outcome
from windlass.client.records import Json

app = typer.Typer(no_args_is_help=True, help="The services of an organisation as one document, or all it is made of.")
Whole = Annotated[bool, typer.Option("--tenant", help="The whole organisation, not its services alone.")]
TENANT = "windlass.tenant/"


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Where to; without it on standard output.")] = None,
    *,
    tenant: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Write all services down, variables with their values, secrets by name alone."""
    with connect(context) as client:
        document = client.exchange.export_tenant() if tenant else client.exchange.export()
    _write(document, file, as_json=as_json)


@app.command("import")
def take(
    context: typer.Context,
    file: Annotated[typer.FileText, typer.Argument(help="A document; - reads standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each item.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add and change what a document says, one by one, after a backup; exit code 1 when something is refused."""
    try:
        sent: Any = json.load(file)
    except ValueError as error:
        raise typer.BadParameter(f"This is no JSON: {error}. Nothing was sent.") from error
    document = cast("Json", sent if isinstance(sent, dict) else {"services": sent})
    is_whole = str(document.get("kind", "")).startswith(TENANT)
    with connect(context) as client:
        if is_whole:
            whole = client.exchange.take_tenant(document, dry_run=dry_run)
            items = [(f"{section.section}: {each.name}", each) for section in whole.sections for each in section.items]
            done, backup_id = whole.to_json(), whole.backup_id
        else:
            services = client.exchange.take(document, dry_run=dry_run)
            items = [(each.name, each) for each in services.items]
            done, backup_id = services.to_json(), services.backup_id
    if as_json:
        print_json(done)
    else:
        _show(items, dry_run=dry_run)
        if backup_id:
            more = " --tenant" if is_whole else ""
            console.print(
                f"As it was before: windlass exchange backup{more} {backup_id}", highlight=False, soft_wrap=True
            )
    raise typer.Exit(int(any(each.outcome == "refused" for _, each in items)))


@app.command()
def backups(context: typer.Context, *, tenant: Whole = False, as_json: AsJson = False) -> None:
    """How things were before the last imports."""
    with connect(context) as client:
        page = client.exchange.tenant_backups() if tenant else client.exchange.backups()
    if as_json:
        print_json(page.to_json())
        return
    rows = ((clock(each.created_at), "all" if tenant else str(each.services), each.id) for each in page.items)
    print_table(("Before the import of", "Services", "Id"), rows, "Nothing was imported yet.")


@app.command()
def backup(
    context: typer.Context,
    backup_id: str,
    file: Annotated[Path | None, typer.Argument(help="Where to; without it on standard output.")] = None,
    *,
    tenant: Whole = False,
    as_json: AsJson = False,
) -> None:
    """Write down how things were before an import."""
    with connect(context) as client:
        document = client.exchange.tenant_backup(backup_id) if tenant else client.exchange.backup(backup_id)
    _write(document, file, as_json=as_json)


def _show(items: Sequence[tuple[str, Outcome]], *, dry_run: bool) -> None:
    rows = (
        (
            name,
            each.outcome,
            ", ".join(each.missing_secrets),
            "; ".join(f"{wrong.field}: {wrong.message}" for wrong in each.errors),
        )
        for name, each in items
    )
    print_table(("Item", "Would be" if dry_run else "Is", "Secrets to set", "Because"), rows, "It holds nothing.")


def _write(document: Json, file: Path | None, *, as_json: bool) -> None:
    if file is None:
        print_json(document)
        return
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    counts = {
        name: len(cast("list[Any]", items)) for name, items in document.items() if items and isinstance(items, list)
    }
    said = [_counted(count, name.replace("_", " ")) for name, count in counts.items()]
    if document.get("defaults"):
        counts, said = {"defaults": 1, **counts}, ["Defaults", *said]
    print_outcome({"file": str(file), **counts}, f"{', '.join(said) or 'Nothing'} in {file}.", as_json=as_json)


def _counted(count: int, plural: str) -> str:
    return f"{count} {plural.removesuffix('s') if count == 1 else plural}"
