"""A fork server that has loaded what workers need, for tests that kill and start them again and again.

Loading takes each of them 2.5 core-seconds, and the libraries of models and of MCP servers, which a worker loads with
its first use of them, three and a half more; a fork none of these.
"""

import gc
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from stack import environment, processes
from stack.forks import Forks
from stack.forkserver import ForkServer, share
from stack.processes import Command
from tests.sdk import forks as sdk

ROOT = Path(__file__).parents[1]
LOADED = ("workers.__main__", "workers.runs", "workers.services", "workers.desktops")
OF_SESSIONS = ("anthropic", "mcp.client.client", "activities.adapters.pipes", "activities.adapters.web")


@asynccontextmanager
async def running_forks(log: Path, *more: str) -> AsyncGenerator[Forks]:
    """A server that has loaded more than all workers do, and nothing left of it and its forks afterwards."""
    forks = Forks()
    words = (sys.executable, "-m", "tests.forks", str(forks.server), *more)
    server = await processes.spawn(Command(words, cwd=ROOT, pass_fds=(forks.server,)), log)
    try:
        yield forks
    finally:
        server.kill()
        await server.wait()
        forks.close()


def forked_hosts() -> sdk.Forks:
    """Hosts as forks of one that has loaded what they load, where they run on the base environment as it is."""
    return sdk.hosts_on(str(environment.python(environment.place().resolve())))


def main() -> None:
    """Load, then serve."""
    gc.disable()
    for name in (*LOADED, *sys.argv[2:]):
        import_module(name)
    share()
    ForkServer(socket.socket(fileno=int(sys.argv[1])), ()).serve().live()


if __name__ == "__main__":
    main()
