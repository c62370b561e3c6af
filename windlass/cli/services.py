"""`windlass service`: the programs that offer agents."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from windlass.cli.screen import AsJson, console, errors, print_head, print_json, print_outcome, print_table
from windlass.cli.session import connect
from windlass.client import Service

app = typer.Typer(no_args_is_help=True, help="The programs that offer agents.")


def application(given: str | None) -> str | None:
    """Where the application of a project is; refused here, in words, when it is no module and name."""
    if given and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", given):
        raise typer.BadParameter(f"{given!r} is no module:app, such as app:app.")
    return given


@app.command()
def add(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Short and lower case; its agents are called NAME/flow.")],
    project: Annotated[
        str | None, typer.Option(help="Its folder, or git+https://…@commit; without it a draft.")
    ] = None,
    import_path: Annotated[
        str, typer.Option("--app", callback=application, help="module:app inside it; without it a draft.")
    ] = "",
    *,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for its environment; may be repeated.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="NAME; its value is asked for. May be repeated.")] = None,
    python: Annotated[str, typer.Option(help="The version it runs on, such as 3.12.")] = "",
    replicas: Annotated[int | None, typer.Option(help="How many hosts are kept up, 1 to 8.")] = None,
    display: Annotated[str, typer.Option(help="What it is called on pages.")] = "",
    memory: Annotated[int | None, typer.Option(help="MiB that a process of it may use before it is replaced.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have a program served; it starts at once and is kept up."""
    variables, secrets = dict(split_variable(pair) for pair in env or ()), asked_secrets(secret)
    with connect(context) as client:
        service = client.services.add(
            name,
            placed(project) or "",
            import_path,
            variables,
            secrets,
            python=python,
            replicas=replicas,
            display=display,
            limits={"memory_mib": memory} if memory else None,
        )
    said = f"{service.name} is being started. Look: windlass service show {service.name}"
    if service.state == "draft":
        said = f"{service.name} is a draft. Say the rest: windlass service change {service.name} --project … --app …"
    print_outcome(service.to_json(), said, as_json=as_json)


@app.command()
def change(  # noqa: PLR0913 - one parameter is one option
    context: typer.Context,
    name: str,
    *,
    project: Annotated[str | None, typer.Option(help="Its folder, or git+https://…@commit.")] = None,
    import_path: Annotated[
        str | None, typer.Option("--app", callback=application, help="module:app inside the folder.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; an empty value takes it away.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="NAME; its value is asked for, empty takes it away.")] = None,
    python: Annotated[str | None, typer.Option(help="The version it runs on, such as 3.12; empty for ours.")] = None,
    replicas: Annotated[
        int | None, typer.Option(help="How many hosts are kept up, 1 to 8; 0: as the defaults say.")
    ] = None,
    display: Annotated[str | None, typer.Option(help="What it is called on pages; an empty one: its name.")] = None,
    memory: Annotated[
        int | None, typer.Option(help="MiB that a process of it may use; 0: as the defaults say.")
    ] = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether it should be up.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given and nothing else; its runs go on."""
    variables = {each: text or None for each, text in (split_variable(pair) for pair in env or ())}
    given = {"project": placed(project), "import_path": import_path, "python": python}
    changes: dict[str, Any] = {**given, "replicas": replicas, "enabled": enabled, "display": display}
    changes = {each: value for each, value in changes.items() if value is not None}
    if memory is not None:
        changes["limits"] = {"memory_mib": memory or None}
    if replicas == 0:
        changes["replicas"] = None
    if variables:
        changes["env"] = variables
    if secret:
        changes["secrets"] = {each: text or None for each, text in asked_secrets(secret).items()}
    with connect(context) as client:
        service = client.services.change(name, **changes)
    said = f"{service.name} is changed. Look: windlass service show {service.name}"
    print_outcome(service.to_json(), said, as_json=as_json)


@app.command()
def refresh(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """Start its program anew, as its files are now; its runs go on."""
    with connect(context) as client:
        service = client.services.refresh(name)
    said = f"{service.name} starts anew. Look: windlass service show {service.name}"
    print_outcome(service.to_json(), said, as_json=as_json)


@app.command()
def discover(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """Read its flows anew, from its host or where it runs elsewhere; nothing is started or ended."""
    with connect(context) as client:
        service = client.services.discover(name)
    said = f"{service.name} has these flows: {', '.join(service.flows) or 'none'}"
    print_outcome(service.to_json(), said, as_json=as_json)


@app.command()
def rename(context: typer.Context, name: str, new_name: str, as_json: AsJson = False) -> None:
    """Have it known by another name, with its agents and the tasks that start them."""
    with connect(context) as client:
        service = client.services.rename(name, new_name)
    print_outcome(service.to_json(), f"{name} is {service.name} now.", as_json=as_json)


@app.command("list")
def list_services(context: typer.Context, as_json: AsJson = False) -> None:
    """All services and how they are doing."""
    with connect(context) as client:
        page = client.services.list()
    if as_json:
        print_json(page.to_json())
        return
    rows = (
        (s.name, s.display, s.state, s.up, str(len(s.flows)), s.project or s.url, s.import_path) for s in page.items
    )
    print_table(("Service", "Shown as", "State", "Up", "Agents", "Project", "App"), rows, "There are no services.")


@app.command()
def show(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """A service, its agents, and what is wrong with it."""
    with connect(context) as client:
        service = client.services.get(name)
    if as_json:
        print_json(service.to_json())
        return
    print_head(f"{service.display} ({service.name})" if service.display else service.name, service.state)
    if service.reason and not _is_told(service):
        console.print(service.reason, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{service.project}  {service.import_path}", markup=False, highlight=False, soft_wrap=True)
    for line in _hosts(service):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for flow in service.flows:
        console.print(f"  {flow}", markup=False, highlight=False)


def _is_told(service: Service) -> bool:
    """Whether one of several hosts says the same of itself."""
    reasons = (str(each["reason"]) for each in service.hosts if each["reason"])
    return service.replicas > 1 and any((service.reason or "").endswith(each) for each in reasons)


def _hosts(service: Service) -> list[str]:
    """Which processes serve it, or should; the last lines that several printed alike are told once."""
    if service.replicas == 1:
        return [f"host: process {service.pid}"] if service.pid else []
    told, first = list[str](), dict[str, int]()
    for each in service.hosts:
        happened, _, lines = str(each["reason"] or "").partition("\n")
        where = f"process {each['pid']}" if each["pid"] else "no process"
        line = f"host {each['n']}: {each['state']}, {where}. {happened}".rstrip()
        if lines:
            before = first.setdefault(lines, each["n"])
            line += f"\n{lines}" if before == each["n"] else f" (the last lines are those of host {before})"
        told.append(line)
    return told


@app.command()
def pid(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """The process that serves it: end it to load changed code, kill it to see that nothing is lost."""
    with connect(context) as client:
        service = client.services.get(name)
    if as_json:
        print_json({"pid": service.pid})
    elif service.pid is not None:
        typer.echo(service.pid)
    else:
        errors.print(f"{name} has no process: it is {service.state}.", highlight=False, soft_wrap=True)
    raise typer.Exit(int(service.pid is None))


@app.command()
def remove(context: typer.Context, name: str, as_json: AsJson = False) -> None:
    """Stop a service and forget it; its runs stay on record."""
    with connect(context) as client:
        client.services.remove(name)
    said = f"{name} was removed. Its runs stay on record."
    print_outcome({"name": name, "removed": True}, said, as_json=as_json)


def placed(project: str | None) -> str | None:
    """A folder as the gateway has to know it; anything else as it is."""
    if not project or project.startswith(("git+", "archive:")):
        return project
    return str(Path(project).resolve())


def asked_secrets(names: list[str] | None) -> dict[str, str]:
    """Ask for the value of each, so that none stands in the history of a shell or in a list of processes."""
    return {name: typer.prompt(name, default="", hide_input=True, show_default=False, err=True) for name in names or ()}


def split_variable(pair: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, sign, content = pair.partition("=")
    if not sign or not name:
        raise typer.BadParameter(f"{pair!r} is not NAME=VALUE.")
    return name, content
