"""Runs that have a process of their own."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from windlass.contracts.hosts import LINE_BYTES
from windlass.host import wire
from windlass.host.endings import EXIT_NOT_STARTED, ending
from windlass.host.hosted import Driver
from windlass.host.orders import Order
from windlass.host.watchdog import Patience
from windlass.host.wire import Message

GRACE_S = 13.0  # the child itself gives up after 10 s
PULSE_S, SLACK_S = 2.0, 5.0
PONG = b'{"op":"pong"'

Tell = Callable[["ChildRun"], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What a child is started with."""

    service: str
    app: str
    boot_id: str
    patience: Patience


class ChildRun:
    """A run in a child that speaks the same protocol: lines pass through, the child keeps what is not stored."""

    def __init__(self, order: Order, program: Program, *, on_report: Tell, on_gone: Tell) -> None:
        self.order = order
        self.is_over = False
        self.is_parked = False
        self._program = program
        self._on_report, self._on_gone = on_report, on_gone
        self._driver: Driver | None = None
        self._is_attaching = False
        self._is_due = False  # it has said something since it was parked
        self._is_forgotten = False
        self._death: Message | None = None  # what whoever drives it must be told before it is started again
        self._process: Process | None = None
        self._heard_at = 0.0
        self._last_words = ""
        self._pulse: asyncio.Task[None] | None = None
        self._ours, self._theirs = socket.socketpair()
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[bytes] = []
        self._life = asyncio.get_running_loop().create_task(self._live())

    def attach(self, driver: Driver, message: Message) -> None:
        """Hand the driver's attach to the child, which drops lines for an earlier driver; of a dead one say so."""
        if self._death is not None:
            self._say(self._death, driver)
            return
        self._driver, self._is_attaching = driver, True
        self.is_parked = self._is_due = False
        self._tell(message)

    def detach(self) -> None:
        """The driver is gone; what the child says meanwhile is dropped, it will say it again when somebody comes."""
        self._driver = None
        if self._is_due:
            self._on_report(self)

    def ack(self, message: Message) -> None:
        """Forget what is stored."""
        self._tell(message)

    def answer(self, message: Message) -> None:
        """Tell the child where the questions of its run stand."""
        self._tell(message)

    def cancel(self) -> None:
        """Stop the agent; a child that cannot even answer is killed."""
        self._tell({"op": "cancel", "run_id": self.order.run_id})
        asyncio.get_running_loop().call_later(GRACE_S, self._give_up)

    def forget(self) -> None:
        """Nobody asks for the run any more: a child without its parent goes."""
        self._is_forgotten = True
        if self._writer is not None:
            self._writer.close()

    def warn(self, text: str) -> None:
        """Nothing: what befalls the host does not touch its children."""

    def _tell(self, message: Message) -> None:
        line = wire.encode(message)
        if self._writer is None:
            self._unsent.append(line)
        elif not self._writer.is_closing():
            self._writer.write(line)

    async def _live(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._ours, limit=LINE_BYTES)
        self._writer.writelines(self._unsent)  # at once: what is told from now on comes after it
        try:
            self._process = await self._spawn()
        except OSError as error:
            self._last_words = f"its process could not be started: {error.strerror}"
            self._writer.close()
            self._gone(EXIT_NOT_STARTED)
            return
        finally:
            self._theirs.close()
        if self._is_forgotten:
            self._writer.close()
        with suppress(ConnectionError, ValueError):  # ValueError: a line that is too long
            while line := await reader.readline():
                self._pass(line)
        self._writer.close()
        code = await self._process.wait()
        if self._pulse is not None:
            self._pulse.cancel()
        self._gone(code)

    async def _feel(self, process: Process) -> None:
        """Kill a child that gives no sign of life: one whose every thread stands still cannot end itself."""
        limit = self._program.patience.replace_after_s + SLACK_S
        while monotonic() - self._heard_at < limit:
            self._tell({"op": "ping"})
            await asyncio.sleep(PULSE_S)
        self._last_words = f"it gave no sign of life for {limit:.0f} s"
        process.kill()

    async def _spawn(self) -> Process:
        program, order = self._program, self.order
        own = {
            "WINDLASS_RUN_ID": order.run_id,
            "WINDLASS_ATTEMPT": str(order.attempt),
            "WINDLASS_TENANT_ID": order.tenant_id or "",
            "WINDLASS_USER_ID": order.user_id or "",
            "KODOSUMI_FID": order.run_id,
            "KODOSUMI_USER_ID": order.user_id or "",
        }
        patience = program.patience
        arguments = ["--service", program.service, "--app", program.app, "--boot-id", program.boot_id]
        arguments += ["--warn-after", str(patience.warn_after_s), "--replace-after", str(patience.replace_after_s)]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "windlass.host",
            *arguments,
            "--child-fd",
            str(self._theirs.fileno()),
            stdin=DEVNULL,
            pass_fds=[self._theirs.fileno()],
            start_new_session=True,
            env={**os.environ, **own},
        )

    def _pass(self, line: bytes) -> None:
        self._heard_at = monotonic()
        if self._pulse is None and self._process is not None:
            self._pulse = asyncio.get_running_loop().create_task(self._feel(self._process))
        if line.startswith(PONG):
            return
        if line.startswith(b'{"op":"attached"'):
            self._is_attaching = False
        self._is_due = self.is_parked
        self.is_parked = self.is_parked or line.startswith(b'{"op":"parked"')
        self.is_over = self.is_over or line.startswith(b'{"op":"end"')
        if self._driver is None and self.is_parked:
            self._on_report(self)
        elif self._driver is not None and not self._is_attaching:
            self._driver.relay([line])

    def _give_up(self) -> None:
        if self.is_over or self._process is None or self._process.returncode is not None:
            return
        self.is_over = True
        self._process.kill()
        if self._driver is not None:
            self._driver.send({"op": "end", "outcome": "cancelled"})

    def _gone(self, code: int) -> None:
        if self._is_forgotten or self.is_over:
            self._driver = None
            self._on_gone(self)
            return
        self._death = {"op": "died", "reason": self._last_words or ending(code), "exit_code": code}
        self.is_over = self.is_parked = True
        self._is_due = False
        if self._driver is not None:
            self._say(self._death, self._driver)

    def _say(self, death: Message, driver: Driver) -> None:
        """Tell a driver, who hangs up then: if we did, what it writes meanwhile would fail and drown the words."""
        self._driver = None
        self._on_gone(self)
        driver.send(death)
