"""Start a host: `python -m windlass.host --service NAME --app module:app --socket PATH [--lifeline-fd N]`."""

import argparse
import asyncio
import gc
import importlib
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any
from uuid import uuid4

from windlass.contracts.events import EventKind
from windlass.host import memory
from windlass.host.branches import branch_of_output, order_as_completed, task_factory
from windlass.host.care import Care, Setting
from windlass.host.children import Program
from windlass.host.endings import EXIT_IMPORT_FAILED, EXIT_START_FAILED, VISITS_S
from windlass.host.lifespan import Lifespan, StartFailed
from windlass.host.output import route_streams
from windlass.host.server import ATTACH_BYTES, Address, Identity, Server
from windlass.host.watchdog import Patience
from windlass.service import ServeAPI

GRACE_S = 10.0
LINGER_S = 1.0  # for whoever connected before nobody could find us, and has said nothing yet
LAST_S = 2.0  # for what a program closes when the platform goes


def main() -> None:
    """Import the service, then serve it until the lifeline ends or somebody stops it."""
    options = _options()
    if sys.flags.hash_randomization:
        print("PYTHONHASHSEED is not 0: sets may iterate differently when a run is replayed", file=sys.stderr)  # noqa: T201 - its log
    memory.offer_to_the_kernel()
    route_streams(_route)
    order_as_completed()
    app = _load_or_leave(options.app)
    gc.freeze()  # what was imported stays: no collection needs to look at it again
    agents = asyncio.new_event_loop()
    agents.set_task_factory(task_factory)
    threading.Thread(target=lambda: asyncio.run(_serve(app, agents, options)), daemon=True, name="server").start()
    _run_agents(agents)


def load(app: str) -> ServeAPI:
    """Import `module:app`; a callable without arguments may make the application."""
    module, _, name = app.partition(":")
    found: Any = getattr(importlib.import_module(module), name or "app")
    if not isinstance(found, ServeAPI) and callable(found):
        found = found()
    if not isinstance(found, ServeAPI):
        raise TypeError(f"{app} is a {type(found).__name__}, not a windlass.ServeAPI")
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m windlass.host", description=__doc__)
    parser.add_argument("--service", required=True, help="name of the service")
    parser.add_argument("--app", required=True, help="module:app, or module:factory")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", type=Address, help="unix socket to listen on")
    place.add_argument("--child-fd", type=int, help="socket to the host this process executes one run for")
    parser.add_argument("--lifeline-fd", type=int, help="read end of a pipe; the host ends when it is closed")
    parser.add_argument("--boot-id", default=uuid4().hex, help=argparse.SUPPRESS)
    parser.add_argument("--warn-after", type=float, default=10.0, help="seconds a blocked event loop goes unnamed")
    parser.add_argument("--replace-after", type=float, default=60.0, help="seconds a blocked event loop is endured")
    return parser.parse_args()


def _route(kind: EventKind, text: str) -> bool:
    """Hand what was printed to the run that printed it."""
    branch = branch_of_output()
    if branch is None:
        return False
    branch.owner.write(branch, kind, text)
    return True


def _load_or_leave(app: str) -> ServeAPI:
    try:
        return load(app)
    except BaseException as error:  # noqa: BLE001 (foreign code may raise anything, SystemExit too, while it is imported)
        traceback.print_exception(error.with_traceback(_of_the_program(error.__traceback__)))
        sys.stderr.flush()
        os._exit(EXIT_IMPORT_FAILED)


def _of_the_program(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames that lead to the program: where its own line is, is what somebody looks for."""
    ours = (__file__, importlib.__file__)
    while (
        trace is not None
        and (name := trace.tb_frame.f_code.co_filename)
        and (name in ours or name.startswith("<frozen importlib"))
    ):
        trace = trace.tb_next
    return trace


async def _serve(app: ServeAPI, agents: asyncio.AbstractEventLoop, options: argparse.Namespace) -> None:
    patience = Patience(options.warn_after, options.replace_after)
    lifespan = Lifespan(app, agents)
    care = Care(
        Setting(
            app,
            lifespan,
            Program(options.service, options.app, options.boot_id, patience),
            agents,
            leave=lambda code: _leave(options.socket, code),
            patience=patience,
            memory_bytes=memory.limit_bytes(os.environ),
            is_child=options.child_fd is not None,
        )
    )
    care.begin()
    _obey_signals(care, agents, options.socket)
    if options.lifeline_fd is not None:
        asyncio.get_running_loop().add_reader(options.lifeline_fd, _watch_lifeline, care, options)
    await _start(lifespan)
    if care.is_stopping:  # told to end meanwhile: whoever serves keeps its place, and ours is closed as it should be
        await asyncio.Event().wait()
    await _talk(Server(Identity(options.service, options.boot_id, os.getpid()), care), options)


async def _start(lifespan: Lifespan) -> None:
    """Have the program start; nobody reaches the process before that."""
    try:
        await lifespan.start()
    except StartFailed:
        _leave(None, EXIT_START_FAILED)


def _talk(server: Server, options: argparse.Namespace) -> Coroutine[Any, Any, None]:
    return server.listen(options.socket) if options.socket else _serve_parent(server, options.child_fd)


async def _serve_parent(server: Server, child_fd: int) -> None:
    """Execute the one run the parent hands over; when the parent is gone, so are we."""
    parent = socket.socket(fileno=child_fd)
    await server.serve(*await asyncio.open_unix_connection(sock=parent, limit=ATTACH_BYTES))
    await server.care.depart(LAST_S)


def _obey_signals(care: Care, agents: asyncio.AbstractEventLoop, address: Address | None) -> None:
    """Told to end: nobody finds us from here on, and whoever has just come is still let in."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if address is not None and address.release():
            loop.call_later(LINGER_S, care.stop_soon, GRACE_S)
        else:  # at once: another host has the place, or while it starts nobody may find us any more
            care.stop_soon(GRACE_S, visits_s=VISITS_S)

    def on_signal(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        agents.call_soon_threadsafe(signal.signal, number, on_signal)


def _watch_lifeline(care: Care, options: argparse.Namespace) -> None:
    if not os.read(options.lifeline_fd, 1):
        asyncio.get_running_loop().remove_reader(options.lifeline_fd)
        options.socket.release()  # whoever starts the platform again adopts nobody who is leaving
        care.stop_soon(0, closing_s=LAST_S)


def _run_agents(agents: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(agents)
    while True:
        with suppress(SystemExit, KeyboardInterrupt):  # raised by a task of an agent: its run has recorded it
            agents.run_forever()


def _leave(address: Address | None, code: int) -> None:
    """End the process at once, and with it the processes its agents have started."""
    if address is not None:
        address.release()
    with suppress(ValueError, OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)  # ours is caught, and we are gone before anybody obeys it
    os._exit(code)


if __name__ == "__main__":
    main()
