"""The host's server: one connection per attached run, on a thread and loop of its own."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from windlass.contracts.hosts import STOPPING
from windlass.contracts.passages import TAKEN, packed
from windlass.host import wire
from windlass.host.care import Care
from windlass.host.consulting import consult
from windlass.host.hosted import Hosted
from windlass.host.passages import Passage
from windlass.host.wire import Message
from windlass.version import __version__

ATTACH_BYTES = 2**30  # an attach carries the results of all finished steps, each up to 16 MiB
# Who may wait while the process is busy; the system caps it (net.core.somaxconn). Beyond it a connect of asyncio looks
# as if it had succeeded and fails when used, since it takes the EAGAIN of a unix socket for "in progress".
BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process this is."""

    service: str
    boot_id: str
    pid: int


class Address:
    """The path of a host's socket, which hosts of the same service take over from one another."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._inode: int | None = None

    def bind(self) -> socket.socket:
        """Listen there; what was there before is replaced in one step, so that nobody finds nothing."""
        fresh = self.path.with_name(f"{os.getpid()}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(fresh))
        fresh.chmod(0o600)
        listener.listen(BACKLOG)
        self._inode = fresh.stat().st_ino
        fresh.replace(self.path)
        return listener

    def release(self) -> bool:
        """Take the socket away, unless another host has the place by now; whether it was ours."""
        with suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
                return True
        return False


class Server:
    """Answers whoever connects."""

    def __init__(self, identity: Identity, care: Care) -> None:
        self.identity = identity
        self.care = care

    async def listen(self, address: Address) -> None:
        """Take connections on a unix socket; from now on whoever connects there comes to this process."""
        server = await asyncio.start_unix_server(self.serve, sock=address.bind(), limit=ATTACH_BYTES, backlog=BACKLOG)
        async with server:
            await server.serve_forever()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it hangs up."""
        await Connection(self, reader, writer).serve()

    def description(self) -> Message:
        """The flows of the service."""
        app = self.care.app
        return {
            "op": "description",
            "boot_id": self.identity.boot_id,
            "pid": self.identity.pid,
            "sdk": __version__,
            "service": self.identity.service,
            "flows": [flow.description() for flow in app.flows.values()],
            "isolation": app.isolation,
        }

    def pong(self) -> Message:
        """How the host is doing."""
        return {
            "op": "pong",
            "boot_id": self.identity.boot_id,
            "pid": self.identity.pid,
            "runs": self.care.open_runs,
            "loop_lag_s": round(self.care.watchdog.lag_s, 3),
        }


class Connection:
    """One client: the driver of a run, or somebody with a question."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._care = server.care
        self._reader = reader
        self._writer = writer
        self._run: Hosted | None = None
        self._passage: Message | None = None
        self._operations: dict[str, Callable[[Message], None]] = {
            "attach": self._attach,
            "ack": self._ack,
            "cancel": self._cancel,
            "bye": self._bye,
            "answers": self._answers,
            "enter": self._consult,
            "lease": self._consult,
            "describe": lambda _: self.send(server.description()),
            "ping": lambda _: self.send(server.pong()),
            "watch": self._watch,
            "http": self._ask_passage,
            "websocket": self._ask_passage,
            "stop": self._stop,
        }

    async def serve(self) -> None:
        """Answer line by line until the other side closes."""
        with suppress(ConnectionError, ValueError):  # ValueError: a line that is too long
            while line := await self._reader.readline():
                self._answer(line)
                if self._passage is not None:
                    await self._let_pass(self._passage)
                    break
        self._care.unwatch(self.send)
        self._detach()
        self._writer.close()

    def send(self, message: Message) -> None:
        """Say one line."""
        self.relay([wire.encode(message)])

    def relay(self, lines: Iterable[bytes]) -> None:
        """Say lines that are encoded already; a run's outbox bounds how many there can be."""
        if not self._writer.is_closing():
            self._writer.writelines(lines)

    def close(self) -> None:
        """Hang up."""
        self._run = None
        self._writer.close()

    def _answer(self, line: bytes) -> None:
        try:
            message = wire.decode(line)
            if message["op"] not in self._operations:
                raise ValueError(f"unknown op {message['op']!r}")
            self._operations[message["op"]](message)
        except ValueError as wrong:
            self.send({"op": "error", "reason": str(wrong)})

    def _attach(self, message: Message) -> None:
        if self._care.is_stopping:
            self.close()  # the next host will have the run
            return
        run = self._care.find_or_start(message)
        self._detach()
        self._run = run
        self._care.drive(run, self, message)

    def _ack(self, message: Message) -> None:
        if self._run is not None:
            self._run.ack(message)

    def _cancel(self, message: Message) -> None:
        run_id = message.get("run_id") or (self._run.order.run_id if self._run else "")
        self._care.cancel(str(run_id))
        if self._run is None:
            self.send({"op": "cancelling"})

    def _bye(self, message: Message) -> None:
        run = self._run
        if run is not None and run.is_over:
            self._care.forget(run)
        self._detach()

    def _answers(self, message: Message) -> None:
        if self._run is not None:
            self._run.answer(message)

    def _consult(self, message: Message) -> None:
        """Let a handler say something; it may take its time, other lines are obeyed meanwhile."""
        if self._care.is_stopping:
            self.send({"op": "error", "reason": STOPPING})
            return
        visit = ExitStack()
        visit.enter_context(self._care.visited())
        said = asyncio.run_coroutine_threadsafe(consult(self._care.app, message), self._care.agents)

        def tell(done: asyncio.Future[Message]) -> None:
            with visit:
                self.send(done.result())

        asyncio.wrap_future(said).add_done_callback(tell)

    def _ask_passage(self, message: Message) -> None:
        """From here on this connection carries one request to the program's own routes."""
        if self._care.is_stopping:
            self.close()  # the next host will answer it
            return
        self._passage = message

    async def _let_pass(self, asked: Message) -> None:
        with self._care.visited():  # from here on whoever ends this process waits for it: others are not asked
            self.relay([packed({"type": TAKEN})])
            await Passage(self._care.app, self._care.agents, (self._reader, self._writer)).serve(asked)

    def _stop(self, message: Message) -> None:
        self._care.stop_soon(float(message.get("grace_s", 10)), visits_s=float(message.get("visits_s", 0)))

    def _watch(self, message: Message) -> None:
        self.send({"op": "watching"})
        self._care.watch(self.send)

    def _detach(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._care.undrive(run, self)
