"""The host's server: one connection per attached run, on a thread and loop of its own."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from windlass.host import wire
from windlass.host.orders import Order
from windlass.host.runs import Run
from windlass.host.steps import Steps
from windlass.host.wire import Message
from windlass.service import ServeAPI
from windlass.version import __version__

Leave = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process this is."""

    service: str
    pid: int
    boot_id: str = ""

    @classmethod
    def new(cls, service: str, pid: int) -> "Identity":
        """A process that has just started."""
        return cls(service, pid, uuid4().hex)


class Server:
    """Starts and finds runs, and tells whoever asks about the service."""

    def __init__(self, app: ServeAPI, identity: Identity, agents: asyncio.AbstractEventLoop, leave: Leave) -> None:
        self.app = app
        self.identity = identity
        self.agents = agents
        self.leave = leave
        self.runs: dict[str, Run] = {}
        self.drivers: dict[str, Connection] = {}
        self.is_stopping = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    async def listen(self, path: Path) -> None:
        """Take connections on a unix socket; a stale one is replaced."""
        server = await asyncio.start_unix_server(self._accept, sock=_bound(path), limit=wire.LINE_LIMIT)
        async with server:
            await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(self, reader, writer).serve()

    def find_or_start(self, message: Message) -> tuple[Run, bool]:
        """The run of an attach and whether it was here already; a `ValueError` says why it cannot be."""
        order = Order.read(message)
        run = self.runs.get(order.run_id)
        if run is not None and run.order.attempt == order.attempt:
            run.reports.move_to(order.epoch)
            return run, True
        flow = self.app.flow(order.flow)
        if flow is None:
            raise ValueError(f"no such flow: {order.flow}")
        if self.is_stopping:
            raise ValueError("the host is stopping")
        if run is not None:
            self.agents.call_soon_threadsafe(run.cancel, lambda: None)
        run = Run(order, flow, self.app, Steps(message.get("steps") or [], order.attempt))
        self.runs[order.run_id] = run
        self._is_empty.clear()
        self.agents.call_soon_threadsafe(run.start)
        return run, False

    def cancel(self, run_id: str) -> None:
        """Stop a run, if it is here."""
        run = self.runs.get(run_id)
        if run is not None:
            self.agents.call_soon_threadsafe(run.cancel, self._replace)

    def forget(self, run_id: str) -> None:
        """A run's end has been stored."""
        self.runs.pop(run_id, None)
        if not self.runs:
            self._is_empty.set()

    def description(self) -> Message:
        """The flows of the service."""
        return {
            "op": "description",
            "boot_id": self.identity.boot_id,
            "pid": self.identity.pid,
            "sdk": __version__,
            "service": self.identity.service,
            "flows": [flow.description() for flow in self.app.flows.values()],
            "isolation": self.app.isolation,
        }

    def stop_soon(self, grace_s: float) -> None:
        """Take no more runs, give those here time to end, and leave."""
        self.is_stopping = True
        self._stopping = asyncio.get_running_loop().create_task(self._stop(grace_s))

    async def _stop(self, grace_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._is_empty.wait()
        self.leave(0)

    def _replace(self) -> None:
        self.leave(4)


def _bound(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    return listener


class Connection:
    """One client: the driver of a run, or somebody with a question."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._run: Run | None = None
        self._operations: dict[str, Callable[[Message], None]] = {
            "attach": self._attach,
            "ack": self._ack,
            "cancel": self._cancel,
            "bye": self._bye,
            "describe": self._describe,
            "ping": self._ping,
            "stop": self._stop,
        }

    async def serve(self) -> None:
        """Answer line by line until the other side closes."""
        with suppress(ConnectionError, ValueError):  # ValueError: a line that is too long
            while line := await self._reader.readline():
                self._answer(line)
        self._detach()
        self._writer.close()

    def send(self, message: Message) -> None:
        """Say one line."""
        if not self._writer.is_closing():
            self._writer.write(wire.encode(message))

    def flush(self) -> None:
        """Send what the run has ready; at most what its outbox holds, so the buffer is bounded."""
        if self._run is not None and not self._writer.is_closing():
            self._writer.writelines(self._run.reports.outbox.take())

    def _flush_soon(self) -> None:
        self._loop.call_soon_threadsafe(self.flush)

    def close(self) -> None:
        """Another driver has taken over."""
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
        server = self._server
        run, resumed = server.find_or_start(message)
        run_id = run.order.run_id
        before = server.drivers.get(run_id)
        if before is not None and before is not self:
            before.close()
        server.drivers[run_id], self._run = self, run
        self.send({"op": "attached", "resumed": resumed, "boot_id": server.identity.boot_id})
        run.reports.outbox.link(self._flush_soon)

    def _ack(self, message: Message) -> None:
        if self._run is not None:
            self._run.reports.outbox.ack(message.get("producers") or {})

    def _cancel(self, message: Message) -> None:
        self._server.cancel(message.get("run_id") or (self._run.order.run_id if self._run else ""))
        if self._run is None:
            self.send({"op": "cancelling"})

    def _bye(self, message: Message) -> None:
        if self._run is not None:
            if self._run.reports.outbox.is_closed:
                self._server.forget(self._run.order.run_id)
            self._detach()

    def _describe(self, message: Message) -> None:
        self.send(self._server.description())

    def _ping(self, message: Message) -> None:
        identity = self._server.identity
        self.send(
            {
                "op": "pong",
                "boot_id": identity.boot_id,
                "pid": identity.pid,
                "runs": len(self._server.runs),
                "loop_lag_s": 0.0,
            }
        )

    def _stop(self, message: Message) -> None:
        self._server.stop_soon(float(message.get("grace_s", 10)))

    def _detach(self) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        if self._server.drivers.get(run.order.run_id) is self:
            del self._server.drivers[run.order.run_id]
            run.reports.outbox.link(None)
