"""P14, P15, P16 and P26: what runs survives whoever dies, and the installation says what is missing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from stack.processes import Command, spawn
from tests.acceptance.cases import Json, answered, are_up, events, finished, question_of, read, started
from tests.faults.stack import ROOT, Stack, end
from tests.owner import eventually
from tests.people import Person
from windlass.core.supervision import identify

STEPS, STEP_S = 60, 0.02
FROM_SUPERVISOR = "WINDLASS_LIFELINE_FD"  # a descriptor that only its own children have


@asynccontextmanager
async def left_alone(stack: Stack) -> AsyncGenerator[None]:
    """Nobody starts what dies meanwhile, until it is over; then everything is whole again."""
    assert stack.process is not None
    stack.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stack.process.send_signal(signal.SIGCONT)
        await stack.is_whole()


async def kill_host(person: Person, service: str) -> None:
    """`kill -9` the process that executes the runs of a service."""
    await end([identify((await read(person, f"/v1/services/{service}"))["pid"])])


async def test_p14_a_lock_survives_the_process_that_asked(ada: Person):
    run_id = await started(ada, "a/root", name="Ada")
    question = await question_of(ada, run_id)

    await kill_host(ada, "a")
    taken = await answered(ada, question, **{"continue": "on"})
    result = await finished(ada, run_id)

    assert taken.status_code == 200
    assert result == {"dict": {"lock-result": {"phase": "lease-1", "inputs": {"continue": True}}}}
    assert len(await events(ada, run_id, "question")) == 1
    await are_up(ada, "a")


async def test_p15_a_run_survives_its_process_and_every_step_is_recorded_once(ada: Person):
    """As many steps as the case has, of 0.02 s each instead of 1 s: that they are many is what counts."""
    run_id = await started(ada, "bench/sleep", n=STEPS, seconds=STEP_S)

    async def five_are_done() -> bool:
        return len((await read(ada, f"/v1/runs/{run_id}/steps"))["items"]) > 5

    await eventually(five_are_done)
    await kill_host(ada, "bench")
    result = await finished(ada, run_id)
    steps = (await read(ada, f"/v1/runs/{run_id}/steps"))["items"]

    assert result == {"dict": {"taken": list(range(STEPS))}}
    assert [(step["name"], step["state"]) for step in steps] == [(f"step {n}", "done") for n in range(STEPS)]
    assert sum(each["payload"]["state"] == "done" for each in await events(ada, run_id, "step")) == STEPS
    await are_up(ada, "bench")


async def test_p16_runs_survive_the_death_of_the_gateway_and_of_temporal(stack: Stack, ada: Person):
    """Temporal is dead until everything was asked. Of one gateway that dies nothing answers until it is back."""
    working = await started(ada, "bench/sleep", n=STEPS, seconds=STEP_S)
    waiting = await started(ada, "bench/lock")
    question = await question_of(ada, waiting)

    async def answers() -> bool:
        try:
            answer = await ada.http.get(f"/v1/runs/{working}")
        except httpx.TransportError:
            return False
        assert answer.status_code in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE), answer.text
        return answer.is_success

    await stack.kill("gateway")
    await eventually(answers)
    async with left_alone(stack):
        await stack.kill("temporal")
        taken = await answered(ada, question, word="on")
        queued = await started(ada, "bench/trivial", name="meanwhile")
        assert await answers()

    assert taken.status_code == 200
    assert await finished(ada, waiting) == {"dict": {"answer": {"word": "on"}}}
    assert await finished(ada, working) == {"dict": {"taken": list(range(STEPS))}}
    assert await finished(ada, queued) == {"dict": {"ok": True, "name": "meanwhile"}}


async def readiness(person: Person) -> tuple[int, Mapping[str, str]]:
    """What `/ready` answers, and how each part is. Where there is no container engine, desktops never are ready."""
    answer = await person.http.get("/ready")
    parts: list[Json] = answer.json()["parts"]
    return answer.status_code, {each["name"]: each["status"] for each in parts if each["name"] != "desktops"}


@asynccontextmanager
async def another_worker(stack: Stack, log: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A second worker for runs beside the one of the stack."""
    place = Path(f"/proc/{stack.child('standin').pid}/environ")
    given = (await asyncio.to_thread(place.read_text)).rstrip("\0").split("\0")
    known = dict(each.split("=", 1) for each in given)
    known.pop(FROM_SUPERVISOR)
    worker = await spawn(Command((sys.executable, "-m", "workers", "runs"), env=known, cwd=ROOT), log)
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()


@pytest.mark.timeout(180)
async def test_p26_readiness_passes_warns_and_fails_with_its_parts(stack: Stack, ada: Person, tmp_path: Path):
    async def all_pass() -> bool:
        status, parts = await readiness(ada)
        return status == HTTPStatus.OK and set(parts.values()) == {"pass"}

    async def becomes(grade: str, *names: str) -> None:
        async def is_so() -> bool:
            status, parts = await readiness(ada)
            wanted = HTTPStatus.SERVICE_UNAVAILABLE if grade == "fail" else HTTPStatus.OK
            return status == wanted and {parts[name] for name in names} == {grade}

        await eventually(is_so)

    await eventually(all_pass)
    async with left_alone(stack):
        await stack.kill("worker-runs", "temporal")
        await becomes("fail", "runs worker", "temporal")
        await stack.kill("postgres")
        await becomes("fail", "database")
    await eventually(all_pass)
    async with another_worker(stack, tmp_path / "log") as worker:
        await eventually(lambda: figure(ada, "2 up"))
        os.kill(worker.pid, signal.SIGKILL)
        await becomes("warn", "runs worker")


async def figure(person: Person, wanted: str) -> bool:
    """Whether so many workers serve runs."""
    parts: list[Json] = (await person.http.get("/ready")).json()["parts"]
    return any(each["name"] == "runs worker" and each["figure"] == wanted for each in parts)
