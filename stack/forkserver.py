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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module

from setproctitle import setproctitle

from stack.forks import ORDER_BYTES
from windlass.core.mortality import dying_with_us

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
    """A module to run, the log it writes to, and the line to whoever waits for its end."""

    module: str
    arguments: tuple[str, ...]
    log: int
    line: int

    def close(self) -> None:
        """Let go of what came with it."""
        os.close(self.log)
        os.close(self.line)


@dataclass(frozen=True, slots=True)
class Birth:
    """In a child: what it is to be."""

    module: str
    arguments: tuple[str, ...]
    log: int

    def live(self) -> None:
        """Become the module, as if the interpreter had been started with `-m`."""
        gc.enable()  # while it loads, the server looks for none
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(self.log, 1)
        os.dup2(self.log, 2)
        os.close(self.log)
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
            for order in [each for each in self._waiting if each.module != GATEWAY or not self._unloaded]:
                self._waiting.remove(order)
                birth = self._bear(order)
                if birth is not None:
                    return birth
            if self._unloaded:
                self._load()

    def _take(self) -> Order:
        order, (log, line), _, _ = socket.recv_fds(self._orders, ORDER_BYTES, 2)
        module, *arguments = json.loads(order)
        return Order(module, tuple(arguments), log, line)

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
            return Birth(order.module, order.arguments, order.log)
        os.close(order.log)
        end = os.pidfd_open(pid)
        self._selector.register(end, selectors.EVENT_READ)
        self._living[end] = pid, socket.socket(fileno=order.line)
        self._tell(end, pid)
        return None

    def _tell(self, end: int, number: int) -> None:
        with suppress(OSError):  # nobody waits for it any more
            self._living[end][1].sendall(f"{number}\n".encode())

    def _bury(self, end: int) -> None:
        _, status = os.waitpid(self._living[end][0], 0)
        self._tell(end, os.waitstatus_to_exitcode(status))
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
    gc.collect()
    gc.freeze()


def main() -> None:
    """Load what is shared, then serve."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()  # while modules are loaded: 0.7 of three core-seconds went into looks for garbage that was not there
    for name in SHARED:
        import_module(name)
    share()
    ForkServer(orders, ITS_OWN).serve().live()


if __name__ == "__main__":
    main()
