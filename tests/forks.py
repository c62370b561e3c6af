"""A fork server that has loaded what workers need, for tests that kill and start them again and again.

Loading takes each of them 2.5 core-seconds, which a fork does not.
"""

import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from stack import processes
from stack.forks import Forks
from stack.forkserver import ForkServer, share
from stack.processes import Command

ROOT = Path(__file__).parents[1]
LOADED = ("workers.__main__", "workers.runs", "workers.services", "workers.desktops")


@asynccontextmanager
async def running_forks(log: Path) -> AsyncGenerator[Forks]:
    """A server, and nothing left of it and its forks afterwards."""
    forks = Forks()
    words = (sys.executable, "-m", "tests.forks", str(forks.server))
    server = await processes.spawn(Command(words, cwd=ROOT, pass_fds=(forks.server,)), log)
    try:
        yield forks
    finally:
        server.kill()
        await server.wait()
        forks.close()


def main() -> None:
    """Load, then serve."""
    for name in LOADED:
        import_module(name)
    share()
    ForkServer(socket.socket(fileno=int(sys.argv[1])), ()).serve().live()


if __name__ == "__main__":
    main()
