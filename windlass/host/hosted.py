"""The two sides of an attachment: who drives a run, and where it is executed."""

from collections.abc import Iterable
from typing import Protocol

from windlass.host.orders import Order
from windlass.host.wire import Message


class Driver(Protocol):
    """Whoever is attached to a run."""

    def send(self, message: Message) -> None:
        """Say one line."""
        ...

    def relay(self, lines: Iterable[bytes]) -> None:
        """Say lines that are encoded already."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Hosted(Protocol):
    """A run in the care of this host; every method is called on the server's thread."""

    order: Order

    @property
    def is_over(self) -> bool:
        """Whether the agent has come to its end."""
        ...

    @property
    def is_parked(self) -> bool:
        """Whether its driver was told that it may leave."""
        ...

    def attach(self, driver: Driver, message: Message) -> None:
        """Start or go on reporting to this driver; everything not stored is sent again."""
        ...

    def detach(self) -> None:
        """The driver is gone."""
        ...

    def ack(self, message: Message) -> None:
        """Forget what is stored."""
        ...

    def answer(self, message: Message) -> None:
        """Hear where the questions of the run stand."""
        ...

    def cancel(self) -> None:
        """Stop the agent."""
        ...

    def forget(self) -> None:
        """The end is stored."""
        ...

    def warn(self, text: str) -> None:
        """Put something the host has to say into the run's log."""
        ...
