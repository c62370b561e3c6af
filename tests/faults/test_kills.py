"""kill -9 of every part while runs are in flight: all finish, nothing is lost or doubled, and nobody waits for long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.conftest import FORM
from tests.faults.figures import Report, silence
from tests.faults.load import Load, examine, finish, in_flight
from tests.faults.stack import Stack
from windlass.client import AsyncClient

LATEST_S = 0.5  # a lost wake-up costs up to the 1 s of the fallback poll: it must not hide there


@dataclass(frozen=True, slots=True)
class Fault:
    """What is killed, and how long a run may stand still because of it."""

    name: str
    strike: Callable[[Stack], Awaitable[None]]
    must_s: float


def killing(*names: str) -> Callable[[Stack], Awaitable[None]]:
    async def strike(stack: Stack) -> None:
        await stack.kill(*names)

    return strike


async def nothing(stack: Stack) -> None:
    """For comparison: how long runs stand still when nothing breaks."""


async def everything(stack: Stack) -> None:
    """The supervisor with every process; whoever owns the machine starts it again."""
    await stack.kill_everything()
    await stack.begin()


async def supervisor(stack: Stack) -> None:
    """The supervisor alone: what it started ends by itself, while the next start is on its way already."""
    await stack.kill_supervisor()
    await stack.begin()


COMPARED = {"full": (Fault("nothing", nothing, 2),), "short": ()}[FORM]  # there are no figures in the short form
FAULTS = (
    *COMPARED,
    Fault("gateway", killing("gateway"), 2),
    Fault("worker runs", killing("worker-runs"), 5),
    Fault("worker services and desktops", killing("worker-machine"), 5),
    Fault("fork server, gateway, workers", killing("forkserver"), 5),
    Fault("host", killing("host"), 2),
    Fault("PostgreSQL", killing("postgres"), 2),
    Fault("PostgreSQL and worker runs", killing("postgres", "worker-runs"), 5),
    Fault("Temporal", killing("temporal"), 2),
    Fault("supervisor", supervisor, 6),
    Fault("everything", everything, 6),
)
COUNTED_FROM_THE_START = (supervisor, everything)  # how long the machine's owner takes to start again is up to them


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_runs_survive_a_kill(
    fault: Fault, stack: Stack, client: AsyncClient, load: Load, report: Report, marks: Path
):
    async with in_flight(client, load, marks) as followed:
        struck_at = datetime.now(UTC)
        await fault.strike(stack)
        if fault.strike in COUNTED_FROM_THE_START:
            struck_at = datetime.now(UTC)
        await finish(followed, load.patience_s)
        outcomes = await asyncio.gather(*(examine(client, each, load) for each in followed))

    silences = [outcome.silence_s(struck_at, load.step_s) for outcome in outcomes]
    figures = silence(fault.name, fault.must_s, load, outcomes, silences)
    report.add(figures)
    if FORM == "full":  # times are promises of the machine, kept by `make faults`; every test run keeps the outcomes
        assert figures.longest_s <= fault.must_s
        assert figures.lag_s < LATEST_S
    await stack.is_whole()
