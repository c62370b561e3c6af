"""`windlass dev`: one service alone, with its forms on a page and started anew when its files change; no platform."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Annotated

import typer

from windlass.cli.dev_pages import Pages
from windlass.cli.dev_runs import DevRuns, Message
from windlass.cli.screen import AsJson

EVERY_S = 0.3
STOP_S = 3.0
MOST_FILES = 5_000
WATCHED = frozenset({".py", ".html", ".css", ".js", ".json", ".toml", ".yaml", ".yml", ".txt", ".md"})
ASIDE = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


class Program:
    """The host process of the service; it ends with this command, however that ends."""

    def __init__(self, app: str, address: Path) -> None:
        self._app, self._address = app, address
        self._lifeline, self._ours = os.pipe()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is not there, for whatever reason."""
        return self._process is None or self._process.poll() is not None

    def start(self) -> None:
        """Start it, in place of the one before."""
        self.stop()
        names = ("--service", "dev", "--app", self._app, "--socket", str(self._address))
        self._process = subprocess.Popen(  # noqa: S603 - our own host
            [sys.executable, "-m", "windlass.host", *names, "--lifeline-fd", str(self._lifeline)],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            pass_fds=(self._lifeline,),
        )

    def stop(self) -> None:
        """End it at once: what runs begins again from its steps."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)


def dev(
    app: Annotated[str, typer.Argument(help="module:app, in this folder.")] = "app:app",
    port: Annotated[int, typer.Option(help="Of the page, on this machine alone.")] = 8765,
    as_json: AsJson = False,
) -> None:
    """Run one service alone: its forms on a page, its runs, and anew at every change of its files."""
    with TemporaryDirectory(prefix="windlass-") as folder:
        address = Path(folder) / "host.sock"
        program, runs = Program(app, address), DevRuns(address, partial(tell, as_json=as_json))
        try:
            pages = Pages(port, runs)
        except OSError as taken:
            raise typer.BadParameter(f"Port {port} cannot be used: {taken.strerror}. Name another: --port") from taken
        Thread(target=pages.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{pages.server_port}"
        typer.echo(json.dumps({"url": url}) if as_json else f"{app} at {url}  (Ctrl-C ends it)")
        program.start()
        try:
            watch(Path.cwd(), program)
        except KeyboardInterrupt:
            typer.echo("", err=True)
        finally:
            runs.close()
            pages.shutdown()
            program.stop()


def tell(said: Message, *, as_json: bool) -> None:
    """Say what a run says, one line each."""
    payload = json.dumps(said["payload"], ensure_ascii=False)
    typer.echo(json.dumps(said) if as_json else f"{said['run']} {said['flow']}: {said['kind']} {payload[:300]}")


def watch(folder: Path, program: Program) -> None:
    """Start the program anew whenever a file changed, and, once, when it ended by itself."""
    seen, is_known_to_end = stamps(folder), False
    while True:
        time.sleep(EVERY_S)
        now = stamps(folder)
        if now != seen:
            typer.echo("changed: starting anew", err=True)
            program.start()
            is_known_to_end = False
        elif program.has_ended and not is_known_to_end:
            typer.echo("the service has ended: starting anew, and again when a file changes", err=True)
            program.start()
            is_known_to_end = True
        seen = now


def stamps(folder: Path) -> dict[Path, float]:
    """When each file of a service was changed last."""
    found: dict[Path, float] = {}
    for path in sources(folder):
        with suppress(FileNotFoundError):  # an editor puts another one in its place
            found[path] = path.stat().st_mtime
    return found


def sources(folder: Path) -> Iterator[Path]:
    """The files a service is made of, at most 5,000; nothing hidden, nothing installed."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in ASIDE]
        for name in names:
            path = Path(place) / name
            if path.suffix in WATCHED and path.is_file():
                yield path
                count += 1
                if count >= MOST_FILES:
                    return
