"""Runs that share the host's process."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from windlass.host import wire
from windlass.host.branches import inherit_output
from windlass.host.hosted import Driver
from windlass.host.orders import Order
from windlass.host.runs import Run
from windlass.host.steps import Steps
from windlass.host.wire import Message
from windlass.service import Flow, ServeAPI

GRACE_S = 10.0

Tell = Callable[["SharedRun"], None]


class SharedRun:
    """A run on the agents' loop.

    `on_report` is called when it has something to say while parked, `on_stuck` when it cannot be stopped.
    """

    def __init__(self, agents: asyncio.AbstractEventLoop, boot_id: str, *, on_report: Tell, on_stuck: Tell) -> None:
        self._agents = agents
        self._server = asyncio.get_running_loop()
        self._boot_id = boot_id
        self._on_report, self._on_stuck = on_report, on_stuck
        self._driver: Driver | None = None
        self._is_resumed = False

    def start(self, order: Order, flow: Flow, app: ServeAPI, steps: list[Message]) -> "SharedRun":
        """Begin the run with the steps of its earlier lives."""
        self.order = order
        self._run = Run(order, flow, app, Steps(steps, order.attempt))
        self._reports = self._run.reports
        self._questions = self._reports.questions
        return self

    def own_process(self) -> "SharedRun":
        """No other run will be in this process: what its threads print is this run's."""
        inherit_output(self._reports.nowhere)
        return self

    @property
    def is_over(self) -> bool:
        """Whether the agent has come to its end."""
        return self._reports.outbox.is_closed

    @property
    def is_parked(self) -> bool:
        """Whether its driver was told that it may leave."""
        return self._reports.parking.is_parked

    def attach(self, driver: Driver, message: Message) -> None:
        """Start or go on reporting to this driver; everything not stored is sent again."""
        if self._is_resumed:
            again = Order.read(message)
            self.order = replace(self.order, epoch=again.epoch)
            self._reports.places = again.files
            self._reports.move_to(self.order.epoch)
        self.answer(message)
        self._driver = driver
        driver.send({"op": "attached", "resumed": self._is_resumed, "boot_id": self._boot_id})
        if not self._is_resumed:
            self._agents.call_soon_threadsafe(self._run.start)
        self._is_resumed = True
        self._reports.parking.attached()
        self._reports.outbox.link(lambda: self._soon(self._flush))

    def detach(self) -> None:
        """The driver is gone; a parked run calls for one when it has something to report."""
        self._driver = None
        if self.is_parked:
            self._reports.outbox.leave(lambda: self._soon(self._call))
        else:
            self._reports.outbox.leave(None)

    def ack(self, message: Message) -> None:
        """Forget what is stored."""
        self._reports.outbox.ack(message.get("producers") or {})

    def answer(self, message: Message) -> None:
        """Hear where the questions of the run stand."""
        questions: list[Message] = message.get("questions") or []
        self._agents.call_soon_threadsafe(self._questions.take, questions)

    def cancel(self) -> None:
        """Stop the agent; what has not stopped after 10 s is given up."""
        self._agents.call_soon_threadsafe(self._run.cancel)
        self._server.call_later(GRACE_S, self._give_up)

    def forget(self) -> None:
        """The end is stored."""
        self._reports.outbox.discard()

    def warn(self, text: str) -> None:
        """Put something the host has to say into the run's log."""
        if not self.is_over:
            self._reports.log(text)

    def _give_up(self) -> None:
        if self.is_over:
            return
        self.warn(f"The agent did not stop within {GRACE_S:.0f} s of its cancellation: its process is replaced.")
        self._reports.outbox.close_with(wire.encode({"op": "end", "outcome": "cancelled"}))
        self._on_stuck(self)

    def _flush(self) -> None:
        if self._driver is not None:
            self._driver.relay(self._reports.outbox.take())

    def _call(self) -> None:
        if self._driver is None:
            self._on_report(self)

    def _soon(self, call: Callable[[], None]) -> None:
        self._server.call_soon_threadsafe(call)
