"""The command line: one module per noun, and what happens when a call fails."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from windlass.cli import (
    agents,
    boot,
    dashboard,
    defaults,
    desktops,
    dev,
    doctor,
    exchange,
    files,
    flows,
    keys,
    login,
    members,
    new,
    questions,
    runs,
    schedules,
    servers,
    services,
    sessions,
    settings,
    tasks,
)
from windlass.cli.codes import FAILED, REFUSED, UNREACHABLE, UNREAD
from windlass.cli.screen import errors
from windlass.cli.session import Options
from windlass.client.errors import ApiError, NoGateway, Unreachable
from windlass.version import __version__

app = typer.Typer(
    name="windlass",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done or finished, 1 failed, 2 usage, 3 refused, 4 unreachable, 130 cancelled or interrupted, "
    "141 unread.",
)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.command("whoami")(login.whoami)
app.command("new")(new.new)
app.command("dev")(dev.dev)
app.add_typer(agents.listing, name="agents")
app.add_typer(agents.app, name="agent")
app.add_typer(runs.app, name="run")
app.command("dashboard")(dashboard.dashboard)
app.add_typer(files.app, name="file")
app.add_typer(questions.app, name="question")
app.command("approve")(questions.approve)
app.add_typer(tasks.app, name="task")
app.add_typer(schedules.app, name="schedule")
services.app.command("defaults")(defaults.defaults)
services.app.command("health")(flows.health)
services.app.command("log")(flows.log)
services.app.command("send")(flows.send)
app.add_typer(services.app, name="service")
app.add_typer(flows.app, name="flow")
app.add_typer(exchange.app, name="exchange")
app.add_typer(boot.app, name="boot")
app.add_typer(servers.app, name="mcp")
app.add_typer(desktops.app, name="desktop")
app.add_typer(sessions.app, name="session")
app.command("chat")(sessions.chat)
app.add_typer(members.app, name="member")
app.add_typer(keys.app, name="keys")
app.add_typer(settings.app, name="setting")
app.command("doctor")(doctor.doctor)


def print_version(is_wanted: bool) -> None:
    """Print the version and stop."""
    if is_wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def windlass(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="WINDLASS_URL", help="The gateway's address.")] = None,
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=print_version)] = False,
) -> None:
    """Run agents so that no crash loses their work."""
    context.obj = Options.load(url)


def run() -> None:
    """Run the command and turn what it raises into a sentence and an exit code."""
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # both who print end with 1 then, which is a failure
            sys.exit(UNREAD)
        raise
    except ApiError as error:
        errors.print(f"[red]{escape(error.title)}.[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        for problem in error.errors:
            errors.print(f"  {problem.field}: {problem.message}", markup=False, highlight=False, soft_wrap=True)
        if error.status == 401:
            errors.print("Sign in with: windlass login, or set WINDLASS_API_KEY.", soft_wrap=True)
        sys.exit(REFUSED)
    except Unreachable as error:
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        first = "" if isinstance(error, NoGateway) else "Start one with: make up. "
        errors.print(f"{first}Another address: --url or WINDLASS_URL. More: windlass doctor.", soft_wrap=True)
        sys.exit(UNREACHABLE)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ", where it should write"
        said = f"This machine refused{where}: {error.strerror or error}."
        errors.print(said, markup=False, highlight=False, soft_wrap=True)
        errors.print("What the gateway was asked to do stands; look before you ask again.", soft_wrap=True)
        sys.exit(FAILED)
