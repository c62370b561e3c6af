"""What the processes of a service print, followed until somebody has seen enough."""

import time
from typing import NoReturn

import typer

from windlass.cli.codes import INTERRUPTED
from windlass.cli.screen import clock, console, errors, print_json_line
from windlass.client import Client
from windlass.client.flows import HostLog

PAUSE_S = 1.0


def printed_by(host: HostLog) -> str:
    """Which process printed it, and when that was."""
    since = f"replica {host.replica}, process {host.pid or 'not known'}, from {clock(host.started_at)}"
    until = f"{since} to {clock(host.ended_at)}" if host.ended_at else f"{since} on"
    if host.text is None:
        return f"{until}: its log is on the machine {host.node}"
    return f"{until}, the last lines" if host.is_cut else until


def follow_log(client: Client, name: str, *, as_json: bool, pause_s: float = PAUSE_S) -> NoReturn:
    """Print whole lines as they come, of each process below its name; what ended before is passed over."""
    cursor, last, known, is_first = "", "", set[str](), True
    try:
        while True:
            page = client.flows.log(name, cursor)
            for host in page.items:
                is_old = is_first and host.ended_at is not None
                if is_old or not _says(host, known):
                    continue
                if as_json:
                    print_json_line(host)
                else:
                    _print(host, is_same=host.id == last, is_gap=host.is_cut and host.id in known)
                last = host.id
                known.add(host.id)
            cursor, is_first = page.cursor, False
            time.sleep(pause_s)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _says(host: HostLog, known: set[str]) -> bool:
    """Whether there is something to print: whole lines, or once that its log is elsewhere."""
    if host.text is None:
        return host.id not in known
    return bool(host.text.removesuffix(host.rest))


def _print(host: HostLog, *, is_same: bool, is_gap: bool) -> None:
    if not is_same:
        errors.print(printed_by(host), style="dim", highlight=False, soft_wrap=True)
    if is_gap:
        errors.print("More was printed meanwhile than is told here; these are the last lines.", style="dim")
    if host.text is not None:
        whole = host.text.removesuffix(host.rest).removesuffix("\n")
        console.print(whole, markup=False, highlight=False, soft_wrap=True)
