"""`windlass desktop template`: what desktops are made of."""

from typing import Annotated, Any

import typer

from windlass.cli.screen import AsJson, console, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import ApiError, Client, DesktopTemplate

MiB = 1 << 20
KEPT = (
    "summary",
    "image",
    "width",
    "height",
    "memory_bytes",
    "home_bytes",
    "cpus",
    "processes",
    "idle_s",
    "lifetime_s",
)

app = typer.Typer(no_args_is_help=True, help="What desktops are made of.")

Which = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]


@app.command("list")
def list_templates(context: typer.Context, as_json: AsJson = False) -> None:
    """The templates there are."""
    with connect(context) as client:
        page = client.desktops.templates()
    if as_json:
        print_json(page.to_json())
        return
    rows = (
        (t.name, f"{t.width}x{t.height}", memory(t), f"{t.cpus:g}", ways(t), whose(t), t.summary) for t in page.items
    )
    print_table(("Template", "Screen", "Memory", "Cores", "Ways out", "Whose", "Summary"), rows, "There are none.")


@app.command()
def show(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """A template, whole."""
    with connect(context) as client:
        found = client.desktops.template(name)
    if as_json:
        print_json(found.to_json())
        return
    print_head(found.name, f"version {found.version}, {whose(found)}")
    console.print(
        f"{found.width}x{found.height}, {memory(found)}, {found.home_bytes // MiB} MiB at home, {found.cpus:g} cores, "
        f"{found.processes} processes, "
        f"{found.idle_s} s idle, {found.lifetime_s} s in all",
        highlight=False,
    )
    console.print(found.image or "the installation's image", highlight=False)
    console.print("\n".join(found.egress) or "no way out", markup=False, highlight=False)


@app.command("set")
def set_template(  # noqa: PLR0913, PLR0917 - one parameter is one option
    context: typer.Context,
    name: Which,
    summary: Annotated[str | None, typer.Option(help="In a few words, for whoever chooses.")] = None,
    image: Annotated[str | None, typer.Option(metavar="DIGEST", help="sha256:…, FROM windlass-desktop.")] = None,
    screen: Annotated[str | None, typer.Option(metavar="WxH", help="Such as 1920x1080.")] = None,
    memory_mib: Annotated[int | None, typer.Option(help="Its memory.")] = None,
    home_mib: Annotated[int | None, typer.Option(help="What may be in its home.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Its processors.")] = None,
    processes: Annotated[int | None, typer.Option(help="How many it may have.")] = None,
    idle: Annotated[int | None, typer.Option(metavar="SECONDS", help="Without work it is shut down then.")] = None,
    lifetime: Annotated[int | None, typer.Option(metavar="SECONDS", help="It is shut down then.")] = None,
    egress: Annotated[list[str] | None, typer.Option(metavar="HOST:PORT", help="A way out, repeatable.")] = None,
    no_egress: Annotated[bool, typer.Option("--no-egress", help="No way out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a template, or change what is given of one; desktops take it up at their next start."""
    if egress and no_egress:
        raise typer.BadParameter("Give --egress or --no-egress, one of the two.")
    given: dict[str, Any] = {"summary": summary, "image": image, "cpus": cpus, "processes": processes}
    given |= {"idle_s": idle, "lifetime_s": lifetime, "egress": [] if no_egress else egress or None}
    given |= {"memory_bytes": memory_mib and memory_mib * MiB, "home_bytes": home_mib and home_mib * MiB}
    given |= size(screen)
    with connect(context) as client:
        before = known(client, name)
        kept = {field: getattr(before, field) for field in (*KEPT, "egress")} if before else {}
        changes = {field: value for field, value in given.items() if value is not None}
        after = client.desktops.put_template(name, kept | changes, before.etag if before else None)
    said = f"{after.name} is version {after.version}. Desktops that start from now on are made of it."
    print_outcome(after.to_json(), said, as_json=as_json)


@app.command()
def delete(context: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Delete one of the organisation's own; desktops that were made of it go on."""
    with connect(context) as client:
        client.desktops.delete_template(name)
    print_outcome({"name": name, "removed": True}, f"The template {name} was deleted.", as_json=as_json)


def known(client: Client, name: str) -> DesktopTemplate | None:
    """The template of that name, if there is one."""
    try:
        return client.desktops.template(name)
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def size(screen: str | None) -> dict[str, int]:
    """A screen's size as the API takes it."""
    if screen is None:
        return {}
    width, _, height = screen.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise typer.BadParameter("A screen is written 1920x1080.")
    return {"width": int(width), "height": int(height)}


def memory(template: DesktopTemplate) -> str:
    """Its memory, for people."""
    return f"{template.memory_bytes // MiB} MiB"


def ways(template: DesktopTemplate) -> str:
    """Its ways out, in a word or two."""
    return ", ".join(template.egress[:2]) + (" …" if len(template.egress) > 2 else "") or "none"


def whose(template: DesktopTemplate) -> str:
    """Whose it is."""
    return "your organisation's" if template.is_own else "the installation's"
