"""`windlass doctor`: what is missing, and how to get it."""

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import httpx
import typer

from windlass.cli.screen import AsJson, console, print_json
from windlass.cli.session import FILE, Options, connect, options
from windlass.client import ApiError, Unreachable
from windlass.client.errors import NoGateway
from windlass.version import __version__

SHAPES = {"pass": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
OLDEST_PYTHON = (3, 11)
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: `pass`, `warn` or `fail`, and what to do about it."""

    name: str
    state: str
    detail: str
    remedy: str = ""


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at this machine, the gateway and the sign-in. Exit code 1 when something is missing."""
    found = [*local_checks(options(context)), *gateway_checks(options(context).url), *sign_in_checks(context)]
    if as_json:
        print_json([asdict(check) for check in found])
    else:
        for check in found:
            print_check(check)
    raise typer.Exit(int(any(check.state == "fail" for check in found)))


def print_check(check: Check) -> None:
    """Print what was found, and what to do."""
    shape, colour = SHAPES[check.state]
    console.print(f"[{colour}]{shape}[/] [bold]{check.name}[/]", end="  ")
    console.print(check.detail, markup=False, highlight=False, soft_wrap=True)
    if check.remedy:
        console.print(f"  → {check.remedy}", markup=False, highlight=False, soft_wrap=True)


def local_checks(chosen: Options) -> Iterator[Check]:
    """Python, this package, and the file of the credentials."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    is_old = sys.version_info[:2] < OLDEST_PYTHON
    yield Check("Python", "fail" if is_old else "pass", version, "Install Python 3.11 or newer." if is_old else "")
    yield Check("windlass", "pass", __version__)
    path = chosen.folder / FILE
    if path.exists():
        is_open = bool(path.stat().st_mode & 0o077)
        remedy = f"chmod 600 {path}" if is_open else ""
        yield Check("Credentials", "warn" if is_open else "pass", str(path), remedy)
    proxies = [name for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy") if os.environ.get(name)]
    if proxies and not (os.environ.get("NO_PROXY") or os.environ.get("no_proxy")):
        yield Check("Proxy", "warn", f"{', '.join(proxies)} is set", "Add the gateway's host to NO_PROXY.")


def gateway_checks(url: str) -> Iterator[Check]:
    """Whether the gateway answers, and how each of its parts is doing."""
    try:
        alive = httpx.get(f"{url}/health", timeout=TIMEOUT_S)
        ready = httpx.get(f"{url}/ready", timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        remedy = "Start one: make up (in a checkout of Windlass). Another address: --url or WINDLASS_URL."
        yield Check("Gateway", "fail", f"nobody answers at {url}: {error}", remedy)
        return
    yield Check("Gateway", "pass" if alive.is_success else "fail", url)
    try:
        body = ready.json()
    except ValueError:
        yield Check("Parts", "fail", f"/ready answered {ready.status_code} without JSON", "Is this a Windlass gateway?")
        return
    for part in body.get("parts", []):
        state = part["status"] if part["status"] in SHAPES else "warn"
        yield Check(f"  {part['name']}", state, part["detail"], "" if state == "pass" else part["means"])


def sign_in_checks(context: typer.Context) -> Iterator[Check]:
    """Whether the gateway knows who is calling, and whether anything can be run."""
    try:
        with connect(context) as client:
            me = client.me()
            agents = client.agents.list().items
    except NoGateway as error:
        yield Check("Sign-in", "fail", str(error), "Another address: --url or WINDLASS_URL.")
        return
    except Unreachable:
        return
    except ApiError as error:
        yield Check("Sign-in", "fail", error.detail or error.title, "windlass login, or set WINDLASS_API_KEY.")
        return
    yield Check("Sign-in", "pass", str(me))
    remedy = "" if agents else "Add a service: windlass service add NAME --project DIR --app module:app"
    yield Check("Agents", "pass" if agents else "warn", ", ".join(a.name for a in agents[:8]) or "none", remedy)
