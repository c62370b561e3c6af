"""Agents that follow a script, behind the port real ones stand behind."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from activities.executors import Ended, Report, Reported
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.runs import DriveEnd
from windlass.core.executions import Attached

FINISHED = Ended(DriveEnd.FINISHED, {"str": "done"})


class Scripted:
    """An execution that reports what it is given; an exception is raised in its place."""

    def __init__(self, *script: Report | Exception) -> None:
        self.script = script
        self.acknowledged: list[Mapping[str, int]] = []
        self.questions: list[Payload] = []
        self.is_stopped = asyncio.Event()
        self.is_settled = False
        self.is_closed = False

    async def reports(self) -> AsyncIterator[Report]:
        """The script; after it, silence until the agent is stopped."""
        for report in self.script:
            if isinstance(report, Exception):
                raise report
            yield report
        await self.is_stopped.wait()
        yield Ended(DriveEnd.CANCELLED)

    async def acknowledge(self, stored: Mapping[str, int]) -> None:
        """Remember what is stored."""
        self.acknowledged.append(stored)

    async def stop(self) -> None:
        """Be stopped."""
        self.is_stopped.set()

    async def answer(self, questions: Sequence[Payload]) -> None:
        """Remember where the questions stand."""
        self.questions = list(questions)

    async def settle(self) -> None:
        """Be forgotten."""
        self.is_settled = True

    async def close(self) -> None:
        """Be let go of."""
        self.is_closed = True


class Executions:
    """An executor that hands out scripted executions, one after the other."""

    def __init__(self, *executions: Scripted) -> None:
        self.waiting = list(executions)
        self.attempts: list[int] = []
        self.stopped: list[Attached] = []

    async def open(self, attached: Attached, attempt: int) -> Scripted:
        """The next execution."""
        self.attempts.append(attempt)
        return self.waiting.pop(0)

    async def stop(self, attached: Attached) -> None:
        """Remember whom to stop."""
        self.stopped.append(attached)


def said(text: str, place: int, producer: str = "agent:0", kind: EventKind = EventKind.ACTION) -> Reported:
    """Something an agent said."""
    payload: Payload = {"str": text}
    return Reported(NewEvent(kind, payload, producer, place))
