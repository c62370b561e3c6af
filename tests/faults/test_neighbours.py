"""Agents that do too much: a clear word about them, and the runs beside them finish as if nothing had been."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.conftest import FORM
from tests.faults.load import Load, examine, finish, follow, whole_log
from tests.faults.stack import PROGRAMS, Stack, until
from windlass.client import AsyncClient, Event, Run

SERVICE = "misbehaving"
INNOCENTS = Load(runs=4, steps=20, step_s=0.1)
SLOW = Load(runs=2, steps=2, step_s=2.0)  # none of its steps ends between two deaths of the host
PRINTED_MIB = {"full": 1024, "short": 64}[FORM]
BLOCKED_S = {"full": 90, "short": 12}[FORM]
MEMORY_MIB = 300

Verdict = Callable[[Run, list[Event]], None]


def texts(events: list[Event], kind: str) -> str:
    return "\n".join(str(event.payload.get("text")) for event in events if event.kind == kind)


def printed(run: Run, events: list[Event]) -> None:
    assert (run.status, run.result) == ("finished", {"str": "printed"})
    assert "lines of output were dropped" in texts(events, "log")


def too_large(run: Run, events: list[Event]) -> None:
    assert (run.status, run.error and run.error["type"]) == ("failed", "ValueTooLarge")
    assert "100.0 MiB, at most 16 MiB" in str(run.error)


def named_and_unblocked(run: Run, events: list[Event]) -> None:
    assert (run.status, run.result) == ("finished", {"str": "unblocked"})
    assert "blocked" in texts(events, "log")
    assert "time.sleep" in texts(events, "log")


def died_alone(run: Run, events: list[Event]) -> None:
    assert (run.status, run.error and run.error["type"]) == ("failed", "ProcessDied")
    assert "exit code 9" in str(run.error)


def died_of_memory(run: Run, events: list[Event]) -> None:
    assert (run.status, run.error and run.error["type"]) == ("failed", "ProcessDied")
    assert f"{MEMORY_MIB} MiB" in texts(events, "log")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An agent that does too much, and what must be said of it."""

    flow: str
    inputs: dict[str, Any]
    verdict: Verdict
    patience_s: float = 60


NEIGHBOURS = (
    Neighbour("print", {"mib": PRINTED_MIB}, printed, 300),
    Neighbour("return", {"mib": 100}, too_large),
    Neighbour("block", {"seconds": BLOCKED_S}, named_and_unblocked, 60 + BLOCKED_S),
    Neighbour("exit", {"code": 9}, died_alone),
    Neighbour("leak", {"mib": 4096}, died_of_memory, 120),
)


@pytest.fixture(scope="module")
async def neighbourhood(stack: Stack) -> AsyncGenerator[AsyncClient]:
    """A client of the stack, with the service `misbehaving` served."""
    async with await stack.client() as client:
        await client.services.add(
            SERVICE, str(PROGRAMS), f"{SERVICE}:app", {"WINDLASS_HOST_MEMORY_MIB": str(MEMORY_MIB)}
        )
        await stack.wait_for_service(client, SERVICE)
        yield client
        await client.services.remove(SERVICE)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda neighbour: neighbour.flow)
async def test_runs_beside_a_bad_neighbour_finish(
    neighbour: Neighbour, stack: Stack, neighbourhood: AsyncClient, marks: Path
):
    client = neighbourhood
    await stack.wait_for_service(client, SERVICE)
    agent = f"{SERVICE}/steps"
    beside = [await follow(client, INNOCENTS, marks / f"fast {n}", agent) for n in range(INNOCENTS.runs)]
    slow = [await follow(client, SLOW, marks / f"slow {n}", agent) for n in range(SLOW.runs)]
    inputs = neighbour.inputs | ({"mark": str(marks / "blocked")} if neighbour.flow == "block" else {})

    bad = await client.runs.start(f"{SERVICE}/{neighbour.flow}", inputs)
    ended = await asyncio.wait_for(client.runs.wait(bad.id), neighbour.patience_s)
    await finish([*beside, *slow], INNOCENTS.patience_s)

    neighbour.verdict(ended, await whole_log(client, bad.id))
    await asyncio.gather(*(examine(client, each, INNOCENTS) for each in beside))
    await asyncio.gather(*(examine(client, each, SLOW) for each in slow))
    for host in await stack.hosts():
        assert psutil.Process(host.pid).memory_info().rss < MEMORY_MIB * 2**20


async def test_a_service_that_cannot_be_imported_says_why(stack: Stack, client: AsyncClient):
    await client.services.add("broken", str(PROGRAMS), "broken:app")

    async def is_unhealthy() -> bool:
        return (await client.services.get("broken")).state == "unhealthy"

    await until(is_unhealthy, "the service is unhealthy", 20)
    reason = (await client.services.get("broken")).reason or ""
    await client.services.remove("broken")

    assert "RuntimeError: the model file is missing" in reason
