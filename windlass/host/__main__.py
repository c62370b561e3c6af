"""Start a host: `python -m windlass.host --service NAME --app module:app --socket PATH [--lifeline-fd N]`."""

import argparse
import asyncio
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from windlass.contracts.events import EventKind
from windlass.host.branches import current_branch, order_as_completed, task_factory
from windlass.host.output import route_streams
from windlass.host.server import Identity, Server
from windlass.service import ServeAPI

EXIT_IMPORT_FAILED = 3
GRACE_S = 10.0


def main() -> None:
    """Import the service, then serve it until the lifeline ends or somebody stops it."""
    options = _options()
    route_streams(_route)
    order_as_completed()
    app = _load_or_leave(options.app)
    agents = asyncio.new_event_loop()
    agents.set_task_factory(task_factory)
    identity = Identity.new(options.service, os.getpid())
    server = Server(app, identity, agents, lambda code: _leave(options.socket, code))
    threading.Thread(target=_serve, args=(server, options), daemon=True, name="server").start()
    _run_agents(agents)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m windlass.host", description=__doc__)
    parser.add_argument("--service", required=True, help="name of the service")
    parser.add_argument("--app", required=True, help="module:app, or module:factory")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to listen on")
    parser.add_argument("--lifeline-fd", type=int, help="read end of a pipe; the host ends when it is closed")
    return parser.parse_args()


def _route(kind: EventKind, text: str) -> bool:
    branch = current_branch()
    if branch is None:
        return False
    branch.owner.write(branch, kind, text)
    return True


def _load_or_leave(app: str) -> ServeAPI:
    try:
        return load(app)
    except BaseException:  # noqa: BLE001 (foreign code may raise anything, SystemExit too, while it is imported)
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(EXIT_IMPORT_FAILED)


def load(app: str) -> ServeAPI:
    """Import `module:app`; a callable without arguments may make the application."""
    module, _, name = app.partition(":")
    found: Any = getattr(import_module(module), name or "app")
    if not isinstance(found, ServeAPI) and callable(found):
        found = found()
    if not isinstance(found, ServeAPI):
        raise TypeError(f"{app} is a {type(found).__name__}, not a windlass.ServeAPI")
    return found


def _serve(server: Server, options: argparse.Namespace) -> None:
    async def live() -> None:
        loop = asyncio.get_running_loop()

        def on_signal(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(server.stop_soon, GRACE_S)

        for number in (signal.SIGTERM, signal.SIGINT):
            server.agents.call_soon_threadsafe(signal.signal, number, on_signal)
        if options.lifeline_fd is not None:
            loop.add_reader(options.lifeline_fd, _watch, options.lifeline_fd, server)
        await server.listen(options.socket)

    asyncio.run(live())


def _watch(lifeline: int, server: Server) -> None:
    if not os.read(lifeline, 1):
        server.leave(0)


def _run_agents(agents: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(agents)
    while True:
        with suppress(SystemExit, KeyboardInterrupt):  # raised by a task of an agent: its run has recorded it
            agents.run_forever()


def _leave(socket: Path, code: int) -> None:
    with suppress(OSError):
        socket.unlink()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
