"""A process that loads once what our processes need, and forks each of them from itself.

`python -m stack.forkserver FD`: orders come through that socket, each with a log and a line to whoever waits for the
end. Loading costs a second of a core and 40 MiB, what the gateway needs besides two more; the fork of what is loaded
costs neither, so that a gateway that was killed is back at once.
"""

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from setproctitle import setproctitle

from stack.forks import ORDER_BYTES, Forks, exit_code
from windlass.core.mortality import dying_with_us
from windlass.core.tidying import tidy

SHARED = (  # by gateway and workers; nothing here or below may start a thread, for a fork would lose it
    "uvloop",
    "windlass.core.logging",
    "windlass.core.executions",
    "windlass.core.storage.urls",
    "temporalio.client",
    "windlass.core.artifacts",
    "windlass.core.schedules",
    "windlass.core.turns",
)
GATEWAY = "api"
ITS_OWN = (  # what the gateway needs besides, in portions: a worker that is ordered meanwhile waits for one of them
    *("fastapi", "api.engine", "api.lifespan", "api.server", "api.routes.runs", "api.routes.sessions"),
    *("api.routes.compat.kodosumi", "api.pages.runs", "api.pages.desktops", "api.pages.console", "api.app"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be forked, and the line to whoever waits for its end."""

    birth: "Birth"
    line: int

    def close(self) -> None:
        """Let go of what came with it."""
        os.close(self.birth.log)
        os.close(self.line)


@dataclass(frozen=True, slots=True)
class Birth:
    """What a child is to be: a module, with the log it writes to and what it is told on top of what we are."""

    module: str
    arguments: tuple[str, ...]
    log: int
    environment: Mapping[str, str]
    folder: str | None

    def live(self) -> None:
        """Become the module, as if the interpreter had been started with `-m`."""
        gc.enable()  # while it loads, the server looks for none
        write_to(self.log)
        os.environ.update(self.environment)
        if self.folder is not None:
            os.chdir(self.folder)
        setproctitle(" ".join((sys.executable, "-m", self.module, *self.arguments)))
        sys.argv = [self.module, *self.arguments]
        runpy.run_module(self.module, run_name="__main__", alter_sys=True)


class ForkServer:
    """Forks what is ordered, and says to whoever ordered it as which process it lives and how it ended."""

    def __init__(self, orders: socket.socket, unloaded: Sequence[str]) -> None:
        self._orders = orders
        self._waiting: list[Order] = []
        self._unloaded = [*unloaded]
        self._living: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor that tells the end: pid and line
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)

    def serve(self) -> Birth:
        """Serve for ever, and load while there is something to load; comes back in each child alone."""
        while True:
            for key, _ in self._selector.select(0 if self._unloaded or self._waiting else None):
                if key.fileobj is self._orders:
                    self._waiting.append(self._take())
                else:
                    self._bury(key.fd)
            for order in [each for each in self._waiting if each.birth.module != GATEWAY or not self._unloaded]:
                self._waiting.remove(order)
                birth = self._bear(order)
                if birth is not None:
                    return birth
            if self._unloaded:
                self._load()

    def _take(self) -> Order:
        order, (log, line), _, _ = socket.recv_fds(self._orders, ORDER_BYTES, 2)
        (module, *arguments), environment, folder = json.loads(order)
        return Order(Birth(module, tuple(arguments), log, environment, folder), line)

    def _load(self) -> None:
        """Load the next portion. Where that fails, the gateway meets the same error itself and says so in its log."""
        portion = self._unloaded.pop(0)
        try:
            import_module(portion)
        except Exception as error:  # noqa: BLE001 - as above; the workers, who never load it, must live
            print(f"{portion} could not be loaded ahead: {error!r}", file=sys.stderr, flush=True)  # noqa: T201 - its log
            self._unloaded.clear()
        if not self._unloaded:
            share()
            gc.enable()

    def _bear(self, order: Order) -> Birth | None:
        with_us = dying_with_us(signal.SIGKILL)
        share()  # also what was loaded since
        pid = os.fork()
        if pid == 0:
            with_us()
            os.setsid()
            os.close(order.line)
            self._forget()
            return order.birth
        os.close(order.birth.log)
        end = os.pidfd_open(pid)
        self._selector.register(end, selectors.EVENT_READ)
        self._living[end] = pid, socket.socket(fileno=order.line)
        self._tell(end, pid)
        return None

    def _tell(self, end: int, number: int) -> None:
        with suppress(OSError):  # nobody waits for it any more
            self._living[end][1].sendall(f"{number}\n".encode())

    def _bury(self, end: int) -> None:
        self._tell(end, exit_code(self._living[end][0]))
        self._living.pop(end)[1].close()
        self._selector.unregister(end)
        os.close(end)

    def _forget(self) -> None:
        """Close in a child what belongs to the server."""
        for end, (_, line) in self._living.items():
            os.close(end)
            line.close()
        for order in self._waiting:
            order.close()
        self._selector.close()
        self._orders.close()


def share() -> None:
    """Keep every collection of a child from touching, and thereby copying, what it shares with us."""
    tidy()
    gc.freeze()


def write_to(log: int) -> None:
    """Read nothing and write to this file from now on, line by line."""
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)


def begin(forks: Forks, log: Path) -> bool:
    """Fork the server's first life off ourselves: what we have loaded it need not, and holds no second time.

    Call it where there is neither a thread nor a loop yet. Answers whether we are what was forked. Raises OSError.
    """
    with_us = dying_with_us(signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    share()
    forks.first = os.fork()
    if forks.first:
        os.close(output)
        return False
    with_us()
    os.setsid()
    for number in {int(each) for each in os.listdir("/proc/self/fd")} - {0, 1, 2, output, forks.server, forks.lifeline}:
        with suppress(OSError):  # the folder's own
            os.close(number)
    write_to(output)
    setproctitle(f"{sys.executable} -m stack.forkserver {forks.server}")
    return True


def serve(orders: int) -> None:
    """Load what is shared, then serve; comes back when a child of ours has lived its life."""
    gc.disable()  # while modules are loaded: 0.7 of three core-seconds went into looks for garbage that was not there
    for name in SHARED:
        import_module(name)
    share()
    ForkServer(socket.socket(fileno=orders), ITS_OWN).serve().live()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
