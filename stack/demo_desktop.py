"""`make demo-desktop`: a model works in a browser in a desktop, while its worker and Temporal are killed."""

import argparse
import json
import os
import secrets
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from stack.demo import ROOT, DemoFailed, Stage, console, standing, stay
from stack.demo_pictures import Pictures, kept
from stack.errors import StackError
from stack.ports import free_port
from windlass.client import ApiError, Client, Desktop, Event, Run, Unreachable
from windlass.core.settings import Settings
from windlass.core.storage import StoreAway

EXAMPLES = ROOT / "examples" / "desk"
EMAIL = "demo@localhost"
IDLE_S, BROWSER_S, GONE_S = 60.0, 60, 60.0
WANTED = "Ordered: three anvils for Ada"
PORT = 9222  # of the browser's own tools, inside the desktop
BROWSER = f"""
setsid chromium --no-sandbox --no-first-run --password-store=basic --kiosk --remote-debugging-port={PORT} \
  "file://$HOME/order.html" >/dev/null 2>&1 &
for _ in $(seq {BROWSER_S}); do (exec 3<>/dev/tcp/127.0.0.1/{PORT}) 2>/dev/null && break; sleep 1; done
"""
TITLE = f"""
exec 3<>/dev/tcp/127.0.0.1/{PORT}
printf 'GET /json HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3
timeout 5 grep -m 1 -o '"title": "[^"]*"' <&3
"""
TERMINAL = """
setsid xterm -geometry 100x30+40+40 -e bash ~/order.sh >/dev/null 2>&1 &
for _ in $(seq 60); do [ -e ~/asked ] && break; sleep 0.5; done
"""
ORDERED = "for _ in $(seq 50); do [ -s ~/ordered ] && break; sleep 0.1; done; cat ~/ordered"

Step = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Blow:
    """A `kill -9`, as the so-manieth act begins."""

    act: int
    part: str
    words: str


BLOWS = (
    Blow(2, "worker-machine", "the worker that has its hands on the desktop"),
    Blow(6, "temporal", "Temporal, which knows what comes next"),
)


@dataclass(frozen=True, slots=True)
class Story:
    """What is to be ordered where: the file that asks, how it is opened, what is done there, and how one looks."""

    place: str
    file: str
    opened: str
    acts: tuple[Step, ...]
    seen: str

    def steps(self) -> list[Step]:
        """What the stand-in for a model says, turn by turn."""
        asks = {"path": f"/home/worker/{self.file}", "file_text": (EXAMPLES / self.file).read_text()}
        begin = [tool("str_replace_based_edit_tool", command="create", **asks), tool("bash", command=self.opened)]
        return [*begin, *self.acts, tool("bash", command=self.seen), {"text": "It is ordered."}]


def tool(name: str, **given: Any) -> dict[str, Any]:
    """One use of a tool."""
    return {"tool": {"name": name, "input": given}}


IN_A_BROWSER = Story(
    "on a page in a browser",
    "order.html",
    BROWSER,
    (
        tool("computer", action="wait", duration=4),
        tool("computer", action="left_click", coordinate=[400, 130]),
        tool("computer", action="type", text="three anvils"),
        tool("computer", action="left_click", coordinate=[400, 230]),
        tool("computer", action="type", text="Ada"),
        tool("computer", action="left_click", coordinate=[400, 330]),
    ),
    TITLE,
)
IN_A_TERMINAL = Story(
    "in a terminal",
    "order.sh",
    TERMINAL,
    (
        tool("computer", action="wait", duration=1),
        tool("computer", action="left_click", coordinate=[400, 130]),
        tool("computer", action="type", text="three anvils"),
        tool("computer", action="key", text="Return"),
        tool("computer", action="type", text="Ada"),
        tool("computer", action="key", text="Return"),
    ),
    ORDERED,
)


def main(story: Story) -> int:
    """Hold the demonstration; the exit code is 0 when the desktop shows what was to be ordered."""
    settings = Settings.load()
    home = settings.home.with_name(f"{settings.home.name}-demo")
    try:
        refuse_other_peoples_servers(settings)
        with kept(settings, home.with_name(f"{home.name}-pictures"), console) as pictures:
            stage = Stage(home, free_port(), secrets.token_urlsafe(9), pictures.variables)
            is_well = hold(stage, story, pictures)
    except (StackError, StoreAway, ApiError, Unreachable, KeyboardInterrupt) as error:
        console.print(f"\n[red]{error or 'Interrupted.'}[/]")
        return 1
    if pictures.folder:
        console.print(f"   The pictures stay, until the next demonstration: {pictures.folder}", soft_wrap=True)
    return 0 if is_well else 1


def hold(stage: Stage, story: Story, pictures: Pictures) -> bool:
    """A stack, a desktop in it, and a task that ends well or does not."""
    with standing(stage), Client(stage.url) as client:
        client.login(EMAIL, stage.password)
        desktop = appear(client)
        try:
            run = watch(client, stage, desktop, story)
            is_well = tell(client, desktop, run, len(story.steps()) - 1)
            is_seen = show(client, desktop, run, pictures)
            if sys.stdin.isatty():
                stay(stage, run)
        finally:
            leave(client, desktop)
    return is_well and is_seen


def refuse_other_peoples_servers(settings: Settings) -> None:
    """Only its own Temporal is killed; a bucket may be anybody's. Raises DemoFailed."""
    given = {"WINDLASS_DATABASE_URL": settings.database_url, "TEMPORAL_ADDRESS": settings.external_temporal}
    named = ", ".join(name for name, value in given.items() if value)
    if named:
        raise DemoFailed(f"{named} is set. The demo kills its own servers only: run it without.")


def appear(client: Client) -> Desktop:
    """Have a desktop made. Raises DemoFailed in the words of whatever is missing."""
    deadline, problem = time.monotonic() + IDLE_S, ""
    while time.monotonic() < deadline:
        try:
            desktop = client.desktops.create("demo")
            break
        except ApiError as refusal:  # its worker has only just been started
            problem = str(refusal)
            time.sleep(0.5)
    else:
        raise DemoFailed(problem)
    began = time.monotonic()
    while (desktop := client.desktops.get(desktop.id)).status != "idle":
        if time.monotonic() > deadline or desktop.status == "lost":
            raise DemoFailed(f"The desktop is {desktop.status}: {desktop.reason}")
        time.sleep(0.05)
    console.print(f"[bold]2[/]  A desktop appears in {time.monotonic() - began:.1f} s: a container, and a screen.\n")
    return desktop


def watch(client: Client, stage: Stage, desktop: Desktop, story: Story) -> Run:
    """Give the model its task, follow it, and strike on the way."""
    prompt = f"Order three anvils for Ada. <standin>{json.dumps(story.steps())}</standin>"
    run = client.desktops.ask(desktop.id, prompt)
    console.print(f"[bold]3[/]  A model is to order something {story.place}. (A script stands in for it.)")
    console.print(f"   Both consoles tell it, action by action: {stage.url}/runs/{run.id}\n")
    waiting, begun = list(BLOWS), 0
    for event in client.runs.stream(run.id):
        say(event)
        begun += event.kind == "tool.call"
        if waiting and begun == waiting[0].act:
            strike(stage, client, waiting.pop(0))
    return client.runs.get(run.id)


def say(event: Event) -> None:
    """Print what is done."""
    payload = event.payload
    if event.kind == "tool.call":
        given = payload["input"]
        what = given.get("action") or given.get("path") or "a command"
        console.print(f"   {payload['name']}: {what}", markup=False)
    elif event.kind == "tool.result" and payload["outcome"] != "done":
        console.print(f"      {payload['outcome']}: {payload['text']}", markup=False)


def strike(stage: Stage, client: Client, blow: Blow) -> None:
    """Kill a part as the kernel would."""
    pid = stage.process(blow.part, client)
    console.print(f"   [bold red]kill -9 {pid}[/]  {blow.words}")
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def tell(client: Client, desktop: Desktop, run: Run, acts: int) -> bool:
    """Put together what came of it: what was done, how often, and what the desktop says."""
    events = client.runs.events(run.id, kinds=["tool.call", "tool.result"]).items
    called = [event.payload["id"] for event in events if event.kind == "tool.call"]
    ended = [event.payload["id"] for event in events if event.kind == "tool.result"]
    said = " ".join(str(event.payload.get("text")) for event in events if event.kind == "tool.result")
    is_well = run.status == "finished" and WANTED in said and len(called) == len(set(ended)) == acts
    console.print(f"\n[bold]4[/]  The run has {run.status}: {len(called)} actions.")
    console.print(f"   [green]The desktop says: {WANTED}.[/]" if is_well else f"   [red]It does NOT say: {WANTED}.[/]")
    return is_well


def show(client: Client, desktop: Desktop, run: Run, pictures: Pictures) -> bool:
    """Say where the pictures are, and see that they are: in the bucket's own list, and behind the last address."""
    shots = client.desktops.screenshots(desktop.id, run.id).items
    listed = pictures.of(desktop.id)
    is_there = bool(shots) and (listed is None or listed >= len(shots))
    found = "" if listed is None else f"; its own list says {listed} of this desktop"
    console.print(f"   {len(shots)} pictures of the task are in {pictures.where}{found}.", soft_wrap=True)
    for shot in shots[-1:]:
        is_there = is_there and client.desktops.picture(shot)[8:12] == b"WEBP"
        console.print(f"   The last one: {shot.url}", markup=False, soft_wrap=True)
    return is_there


def leave(client: Client, desktop: Desktop) -> None:
    """Delete the desktop and wait until nothing is left of it, which ends its stream: the stack is about to end."""
    deadline, path = time.monotonic() + GONE_S, f"/v1/desktops/{desktop.id}/stream"
    with suppress(ApiError, Unreachable, httpx.TransportError), client.http.stream("GET", path) as answer:
        client.desktops.delete(desktop.id)
        for _ in answer.iter_bytes():
            if time.monotonic() > deadline:
                return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--terminal", action="store_true", help="without a browser: for an image that has none")
    sys.exit(main(IN_A_TERMINAL if parser.parse_args().terminal else IN_A_BROWSER))
