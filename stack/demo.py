"""`make demo`: a run on a real text, hit by `kill -9` three times, that ends as if nothing had happened."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from stack import postgres
from stack.errors import StackError
from stack.ports import free_port
from windlass.cli.progress import Progress
from windlass.cli.watching import View
from windlass.client import ApiError, Client, Event, Run, Unreachable
from windlass.core import supervision
from windlass.core.mortality import dying_with_us
from windlass.core.settings import Settings

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "examples" / "hello"
TEXT = PROJECT / "moby-dick.txt"
EMAIL = "demo@localhost"
UP_S, SERVED_S, DOWN_S = 90.0, 60.0, 40.0
IN_FLIGHT = timedelta(seconds=0.1)  # what was on its way to the log when the blow fell
EVERY = 25  # without a terminal, one line for so many steps

console = Console(highlight=False)


class DemoFailed(StackError):
    """The demonstration could not be held; the message says why."""


@dataclass(frozen=True, slots=True)
class Blow:
    """A `kill -9`: after which share of the steps, of which parts."""

    share: float
    parts: tuple[str, ...]
    words: str


BLOWS = (
    Blow(0.25, ("host",), "the host, the process in which the agent runs"),
    Blow(0.50, ("worker-runs",), "the worker that drives the run"),
    Blow(
        0.75,
        ("postgres", "temporal", "forkserver", "gateway", "worker-runs", "worker-machine", "host"),
        "PostgreSQL, Temporal, the fork server, the gateway, both workers and the host, all at once",
    ),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stack of the demonstration's own: its home, its address, its password."""

    home: Path
    port: int
    password: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What its supervisor is told."""
        return {
            **os.environ,
            "WINDLASS_HOME": str(self.home),
            "WINDLASS_PORT": str(self.port),
            "WINDLASS_TEMPORAL_PORT": str(free_port()),
            "WINDLASS_TEMPORAL_UI_PORT": str(free_port()),
            "WINDLASS_ADMIN_EMAIL": EMAIL,
            "WINDLASS_ADMIN_PASSWORD": self.password,
            **self.variables,
        }

    def process(self, part: str, client: Client) -> int | None:
        """The process of a part of the stack, or of the service's host."""
        if part == "host":
            return client.services.get("hello").pid
        status = supervision.read(self.home)
        children = status.children if status else ()
        return next((child.process.pid for child in children if child.name == part and child.process), None)


@dataclass(slots=True)
class Struck:
    """One blow as it fell: when, and the longest silence between two events of the run since."""

    at: datetime
    silence_s: float = 0.0
    is_over: bool = False


class Saboteur:
    """Follows a run's events and strikes when it is time."""

    def __init__(self, stage: Stage, client: Client, steps: int) -> None:
        self._stage, self._client, self._steps = stage, client, steps
        self._waiting = list(BLOWS)
        self._before: datetime | None = None
        self.struck: list[Struck] = []

    def take(self, event: Event, done: int) -> None:
        """Look at the next event; `done` steps are finished by now."""
        if event.at is None:
            return
        if self.struck:
            self._listen(self.struck[-1], event.at, done)
        self._before = event.at
        if self._waiting and done >= self._waiting[0].share * self._steps:
            self._strike(self._waiting.pop(0))

    def _listen(self, last: Struck, at: datetime, done: int) -> None:
        last.silence_s = max(last.silence_s, (at - (self._before or at)).total_seconds())
        if not last.is_over and at > last.at + IN_FLIGHT:
            last.is_over = True
            console.print(f"      … and it goes on, from {done} finished steps.")

    def _strike(self, blow: Blow) -> None:
        found = {part: self._stage.process(part, self._client) for part in blow.parts}
        pids = [pid for pid in found.values() if pid is not None]
        console.print(f"   [bold red]kill -9 {' '.join(map(str, pids))}[/]")
        console.print(f"      {blow.words}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.struck.append(Struck(datetime.now(UTC)))


def main() -> int:
    """Hold the demonstration; the exit code is 0 when the run came to what a plain count comes to."""
    home = Settings.load().home
    stage = Stage(home.with_name(f"{home.name}-demo"), free_port(), secrets.token_urlsafe(9))
    try:
        refuse_other_peoples_servers(Settings.load())
        with standing(stage), Client(stage.url) as client:
            serve(client, stage)
            text = TEXT.read_text(encoding="utf-8")
            run, saboteur = endure(client, stage, len(text.splitlines()) + 1)
            is_same = compare(client, run, text, saboteur)
            if sys.stdin.isatty():
                stay(stage, run)
    except (DemoFailed, ApiError, Unreachable, KeyboardInterrupt) as error:
        console.print(f"\n[red]{error or 'Interrupted.'}[/]")
        return 1
    return 0 if is_same else 1


def refuse_other_peoples_servers(settings: Settings) -> None:
    """A demonstration that kills servers wants servers of its own. Raises DemoFailed."""
    given = {
        "WINDLASS_DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": settings.external_temporal,
        "WINDLASS_STORAGE_URL": settings.storage,
    }
    named = ", ".join(name for name, value in given.items() if value)
    if named:
        raise DemoFailed(f"{named} is set. The demo kills its own servers only: run it without.")


@contextmanager
def standing(stage: Stage) -> Generator[None]:
    """Start a stack in an empty home; stop it and remove the home afterwards. Raises DemoFailed."""
    clear(stage)
    stage.home.mkdir(mode=0o711)
    console.print(f"[bold]1[/]  A stack of its own, in {stage.home} …")
    began, output = time.monotonic(), stage.home / "up.log"
    with output.open("wb") as log:
        words = (sys.executable, "-m", "stack", "up")
        supervisor = subprocess.Popen(  # noqa: S603 - our own program
            words,
            cwd=ROOT,
            env=stage.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=dying_with_us(signal.SIGTERM),  # noqa: PLW1509 - no thread of ours runs yet
        )
    try:
        wait_until_up(supervisor, output)
        console.print(f"   is up after {time.monotonic() - began:.1f} s at {stage.url}: PostgreSQL, Temporal,")
        console.print("   gateway, two workers, each a process of its own.\n")
        yield
    finally:
        supervisor.terminate()
        try:
            supervisor.wait(DOWN_S)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        clear(stage)


def wait_until_up(supervisor: subprocess.Popen[bytes], output: Path) -> None:
    """Wait for the start-up page. Raises DemoFailed with what was said instead."""
    deadline = time.monotonic() + UP_S
    while "Started in" not in output.read_text():
        if supervisor.poll() is not None or time.monotonic() > deadline:
            raise DemoFailed(f"The stack did not start:\n{output.read_text()}")
        time.sleep(0.05)


def serve(client: Client, stage: Stage) -> None:
    """Sign in and have the example served. Raises DemoFailed when it does not come up."""
    client.login(EMAIL, stage.password)
    client.services.add("hello", str(PROJECT), "app:app")
    deadline = time.monotonic() + SERVED_S
    while (service := client.services.get("hello")).state != "running":
        if time.monotonic() > deadline:
            raise DemoFailed(f"The example does not start: {service.reason}")
        time.sleep(0.05)
    console.print("[bold]2[/]  The example service hello is served from examples/hello/app.py,")
    console.print(f"   in a process of its own, {service.pid}: its host.\n")


def endure(client: Client, stage: Stage, steps: int) -> tuple[Run, Saboteur]:
    """Count the words of the text line by line, each line a step, and strike three times."""
    run = client.runs.start("hello/count", {"path": str(TEXT), "chunk_lines": 1})
    progress, saboteur = Progress(status=run.status), Saboteur(stage, client, steps)
    view = View(run, progress)
    console.print(f"[bold]3[/]  hello/count counts the words of {TEXT.relative_to(ROOT)},")
    console.print(f"   a line at a time: {steps} steps, each recorded once.\n")
    with Live(view, console=console, refresh_per_second=8) if console.is_terminal else nullcontext():
        for event in client.runs.stream(run.id):
            view.take(event)
            saboteur.take(event, progress.kept)
            if not console.is_terminal:
                tell(event, progress, steps)
    console.print()
    return client.runs.get(run.id), saboteur


def tell(event: Event, progress: Progress, steps: int) -> None:
    """Say now and then how far the run is, where no picture can be drawn."""
    if event.kind == "step" and event.payload.get("state") == "done" and progress.kept % EVERY == 0:
        console.print(f"   {progress.kept} of {steps} steps")


def compare(client: Client, run: Run, text: str, saboteur: Saboteur) -> bool:
    """Put the outcome beside a plain count of the same text, and the log beside what a log must be."""
    wanted = {"lines": len(text.splitlines()), "words": len(text.split())}
    found: dict[str, Any] = (run.result or {}).get("dict") or {}
    events = everything(client, run)
    ends = [event.payload["key"] for event in events if event.kind == "step" and event.payload["state"] == "done"]
    again = sum(event.kind == "step" and event.payload["state"] == "repeated" for event in events)
    missing = len(set(range(1, len(events) + 1)) - {event.seq for event in events})
    steps = wanted["lines"] + 1
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3))
    for title in ("", "a plain count", "the run"):
        table.add_column(title, justify="left" if not title else "right")
    for name, value in wanted.items():
        table.add_row(name, str(value), str(found.get(name)))
    table.add_row("steps", str(steps), str(len(set(ends))))
    table.add_row("steps recorded twice", "", str(len(ends) - len(set(ends))))
    table.add_row("steps cut off and run again", "", str(again))
    table.add_row("events", "", str(len(events)))
    table.add_row("events missing", "", str(missing))
    for number, blow in enumerate(saboteur.struck, 1):
        table.add_row(f"longest silence after blow {number}", "", f"{blow.silence_s:.1f} s")
    console.print(f"[bold]4[/]  The run has {run.status}, after {len(saboteur.struck)} blows.\n")
    console.print(table)
    is_same = found == wanted and len(ends) == len(set(ends)) == steps and not missing
    verdict = "[green]The outcome is unchanged.[/]" if is_same else "[red]The outcome is NOT what it should be.[/]"
    console.print(f"\n   {verdict}")
    return is_same


def everything(client: Client, run: Run) -> list[Event]:
    """Every event of the run."""
    found: list[Event] = []
    cursor: int | None = 0
    while cursor is not None:
        page = client.runs.events(run.id, after=cursor)
        found += page.items
        cursor = None if page.next is None else int(page.next)
    return found


def stay(stage: Stage, run: Run) -> None:
    """Keep the stack for somebody who wants to look."""
    console.print(f"\n   Look at it: {stage.url}/runs/{run.id}")
    console.print(f"   Sign in as {EMAIL}, password {stage.password}")
    with suppress(EOFError, KeyboardInterrupt):
        input("\n   Enter ends the demo and removes its data. ")


def clear(stage: Stage) -> None:
    """Remove everything a demonstration leaves."""
    cluster = postgres.lay_out(stage.home, postgres.find_binaries())
    for path in (cluster.place, cluster.binaries):
        if path.is_relative_to(postgres.STATE):
            shutil.rmtree(postgres.STATE / path.relative_to(postgres.STATE).parts[0], ignore_errors=True)
    shutil.rmtree(stage.home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
