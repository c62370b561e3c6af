"""The port behind which agents are executed, and what an execution reports."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from windlass.contracts.events import NewEvent, Payload
from windlass.contracts.runs import DriveEnd
from windlass.core.executions import Attached


@dataclass(frozen=True, slots=True)
class Began:
    """The agent's code is about to run; `meta` says what was launched."""

    meta: Payload


@dataclass(frozen=True, slots=True)
class Reported:
    """An event for the log."""

    event: NewEvent


@dataclass(frozen=True, slots=True)
class Writing:
    """A piece of a message that is being written; it is shown and never kept."""

    item: str
    order: int
    text: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Nothing will happen for a while: the run may wait without being driven. `seconds` None: until it reports.

    `awaiting`: it is people it waits for.
    """

    seconds: float | None
    awaiting: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The time of a question is up: the agent must hear where its questions stand."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent's code has come to its end."""

    end: DriveEnd
    value: Payload | None = None
    error: Payload | None = None
    retryable: bool = True


Report = Began | Reported | Writing | Due | Parked | Ended


class ExecutionLost(Exception):
    """The process that executed the run is gone, or cannot be reached; the run goes on from its steps elsewhere."""


class OwnProcessDied(ExecutionLost):
    """The process that the run had for itself died."""


class TryAgain(Exception):
    """The call failed in a way that may pass: the driving activity ends and is started again after `delay_s`."""

    def __init__(self, type_: str, message: str, *, delay_s: float, is_expected: bool) -> None:
        super().__init__(message)
        self.type, self.delay_s, self.is_expected = type_, delay_s, is_expected


class Execution(Protocol):
    """One run being executed, as seen by the activity that drives it."""

    def reports(self) -> AsyncIterator[Report]:
        """What happens, in order, up to Ended or Parked. Raises ExecutionLost, TryAgain."""
        ...

    async def acknowledge(self, stored: Mapping[str, int]) -> None:
        """Tell the executor the highest stored `pseq` of each producer."""
        ...

    async def stop(self) -> None:
        """Ask the agent to stop; its end is reported."""
        ...

    async def answer(self, questions: Sequence[Payload]) -> None:
        """Tell the agent where its questions stand."""
        ...

    async def settle(self) -> None:
        """Tell the executor that the end is stored, so that it may forget the run."""
        ...

    async def close(self) -> None:
        """Let go of the execution without stopping it."""
        ...


class Executor(Protocol):
    """Whatever can execute agents of one kind: service hosts, the model provider."""

    async def open(self, attached: Attached, attempt: int) -> Execution:
        """Start the run or attach to it; `attempt` counts what TryAgain asked for, from 1. Raises ExecutionLost."""
        ...

    async def stop(self, attached: Attached) -> None:
        """Stop a run that nobody drives right now."""
        ...
