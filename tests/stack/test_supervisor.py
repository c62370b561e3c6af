"""The supervisor: starts in order, restarts what dies, leaves nobody behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from stack.processes import Command
from stack.supervisor import Child, Chore, Part, StartFailed, Supervisor
from tests.parts import eventually
from windlass.core.supervision import ChildState

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
)
NOISY_END = (sys.executable, "-c", "print('no such table'); raise SystemExit(3)")

Start = Callable[..., Supervisor]


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


@pytest.fixture
async def start(tmp_path: Path) -> AsyncGenerator[Start]:
    made: list[Supervisor] = []

    def supervise(*parts: Part) -> Supervisor:
        made.append(Supervisor(parts, tmp_path, lambda: None, lines.append))
        return made[-1]

    lines: list[str] = []
    yield supervise
    for supervisor in made:
        supervisor.kill()
        await supervisor.stop()


def pid(supervisor: Supervisor, name: str) -> int:
    (child,) = (child for child in supervisor.children if child.name == name)
    return child.process.pid if child.process else 0


def state(supervisor: Supervisor, name: str) -> ChildState:
    return next(child.state for child in supervisor.children if child.name == name)


async def test_a_part_starts_when_those_before_it_are_ready(start: Start):
    order: list[str] = []

    async def first() -> None:
        order.append("chore")

    async def second_is_ready() -> bool:
        order.append("child")
        return True

    async def third() -> None:
        order.append("after the child")

    supervisor = start(
        Chore("c", third, ("b",)), Child("b", Command(SLEEP), second_is_ready, ("a",)), Chore("a", first)
    )
    await supervisor.start()

    assert order == ["chore", "child", "after the child"]
    assert state(supervisor, "b") is ChildState.RUNNING


async def test_a_killed_child_is_started_again_and_counted(start: Start):
    supervisor = start(Child("worker", Command(SLEEP), yes))
    await supervisor.start()
    first = pid(supervisor, "worker")

    os.kill(first, signal.SIGKILL)

    await eventually(lambda: pid(supervisor, "worker") not in (0, first))
    assert supervisor.children[0].restarts == 1


async def test_a_child_that_never_gets_ready_ends_the_start_with_its_log(start: Start):
    supervisor = start(Child("gateway", Command(NOISY_END), no))

    with pytest.raises(StartFailed, match=r"gateway.*exit code 3[\s\S]*no such table"):
        await supervisor.start()


async def test_a_missing_program_ends_the_start_at_once(start: Start):
    supervisor = start(Child("postgres", Command(["/no/such/program"]), yes))

    with pytest.raises(StartFailed, match="postgres cannot be started"):
        await supervisor.start()


async def test_a_failing_chore_ends_the_start(start: Start):
    async def fail() -> None:
        raise StartFailed("the database is too old")

    with pytest.raises(StartFailed, match="too old"):
        await start(Chore("migrations", fail), Child("gateway", Command(SLEEP), yes, ("migrations",))).start()


async def test_stopping_goes_backwards_and_kills_who_does_not_listen(start: Start, tmp_path: Path):
    supervisor = start(
        Child("server", Command(SLEEP), yes), Child("client", Command(STUBBORN), yes, ("server",), grace_s=0.2)
    )
    await supervisor.start()
    await eventually(lambda: "up" in (tmp_path / "client.log").read_text())
    server, client = pid(supervisor, "server"), pid(supervisor, "client")

    await supervisor.stop()

    assert {child.state for child in supervisor.children} == {ChildState.STOPPED}
    for each in (server, client):
        with pytest.raises(ProcessLookupError):
            os.kill(each, 0)


async def test_what_children_print_is_in_their_log(start: Start, tmp_path: Path):
    supervisor = start(Child("talker", Command((sys.executable, "-uc", "print('hello'); input()")), yes))
    await supervisor.start()

    await eventually(lambda: "hello" in (tmp_path / "talker.log").read_text())


async def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path):
    program = """
import asyncio, sys
from pathlib import Path
from stack.processes import Command, spawn
async def main():
    child = await spawn(Command([sys.executable, "-c", "import time; time.sleep(600)"]), Path(sys.argv[1]))
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        str(tmp_path / "log"),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())

    parent.kill()
    await parent.wait()

    await eventually(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text())
