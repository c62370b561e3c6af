"""The fork server: what it starts lives, ends and is told of like any child, and does not outlive it."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from stack import processes
from stack.forks import NOBODY_KNOWS, Fork, Forks, exit_code
from stack.processes import Command, Process
from tests.parts import eventually
from tests.stacks import ROOT
from windlass.core.supervision import identify

ORDERING = """
import asyncio, sys
from pathlib import Path
from stack import forkserver
from stack.forks import Forks
from stack.processes import Command

logs, forks = Path(sys.argv[1]), Forks()

async def order():
    again = Command((sys.executable, "-m", "stack.forkserver", str(forks.server)), pass_fds=(forks.server,))
    (logs / "program.py").write_text("print('a fork')")
    program = Command((sys.executable, "-m", "cProfile", "-o", "/dev/null", str(logs / "program.py")))
    first = await forks.serve(again, logs / "server.log")
    print(type(first).__name__, await (await forks.spawn(program, logs / "fork.log")).wait())
    first.send_signal(9)
    print(await first.wait())
    second = await forks.serve(again, logs / "server.log")
    print(type(second).__name__, await (await forks.spawn(program, logs / "fork.log")).wait())

if forkserver.begin(forks, logs / "server.log"):
    forkserver.serve(forks.server)
else:
    asyncio.run(order())
"""
SLEEPING = ("http.server", "--bind", "127.0.0.1", "0")


@dataclass(slots=True)
class Server:
    """A fork server that is started again when a test asks for it."""

    forks: Forks
    logs: Path
    process: Process
    made: list[Fork] = field(default_factory=list[Fork])  # held, so that each hears of its end

    async def fork(self, *words: str) -> Fork:
        self.made.append(await self.forks.spawn(Command((sys.executable, "-m", *words)), self.logs / "fork.log"))
        return self.made[-1]

    def said(self, log: str = "fork.log") -> str:
        return (self.logs / log).read_text()


async def begin(forks: Forks, logs: Path, *paths: Path) -> Process:
    words = (sys.executable, "-m", "stack.forkserver", str(forks.server))
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, paths))}
    command = Command(words, env=environment, cwd=ROOT, pass_fds=(forks.server,))
    return await processes.spawn(command, logs / "server.log")


@pytest.fixture(scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    logs = tmp_path_factory.mktemp("forks")
    forks = Forks()
    server = Server(forks, logs, await begin(forks, logs))
    yield server
    with suppress(ProcessLookupError):
        server.process.send_signal(SIGKILL)
    await server.process.wait()
    forks.close()


@pytest.fixture
async def server(started: Server) -> Server:
    """A server that lives, with an empty log for its forks."""
    if started.process.returncode is not None:
        started.process = await begin(started.forks, started.logs)
    (started.logs / "fork.log").write_bytes(b"")
    return started


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0].strip()


def descriptors(pid: int) -> list[str]:
    return [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]


async def test_who_is_ordered_while_what_the_gateway_needs_is_loaded_does_not_wait_for_it(server: Server):
    """The first test here: the server has just begun to load, which takes three core-seconds."""
    gateway = asyncio.create_task(server.fork("api"))
    await asyncio.sleep(0)  # so that it is ordered first
    other = await server.fork(*SLEEPING)

    assert not gateway.done()
    await eventually(lambda: "Serving HTTP" in server.said())
    assert sum(link.startswith("socket:") for link in descriptors(other.pid)) == 1  # nothing of the one that waits
    assert await (await gateway).wait() == 1
    assert "WINDLASS_DATABASE_URL" in server.said()
    assert server.said("server.log") == ""  # all of it is loaded
    assert len(os.listdir(f"/proc/{server.process.pid}/task")) == 1  # a fork would lose every other thread


async def test_a_fork_is_a_process_of_its_own_that_is_told_of_to_its_end(server: Server):
    living = await server.fork(*SLEEPING)
    ended = await server.fork("zipfile", "--no-such-option")

    assert await ended.wait() == 2
    await eventually(lambda: "Serving HTTP" in server.said())
    assert "usage: " in server.said()
    assert os.getsid(living.pid) == living.pid
    assert command_line(living.pid) == f"{sys.executable} -m http.server --bind 127.0.0.1 0"
    living.send_signal(SIGTERM)
    assert await living.wait() == -SIGTERM
    with pytest.raises(ProcessLookupError):
        living.send_signal(SIGKILL)


async def test_a_fork_looks_for_garbage_as_every_process_does(server: Server):
    """The server does not while it loads."""
    program = server.logs / "program.py"
    program.write_text("import gc; print('It looks:', gc.isenabled())")

    await (await server.fork("cProfile", "-o", os.devnull, str(program))).wait()

    assert "It looks: True" in server.said()


async def test_a_fork_inherits_nothing_that_belongs_to_the_server(server: Server):
    first = await server.fork(*SLEEPING)
    second = await server.fork(*SLEEPING)
    await eventually(lambda: server.said().count("Serving HTTP") == 2)

    links = descriptors(second.pid)

    assert not [link for link in links if "pidfd" in link or "eventpoll" in link]
    assert sum(link.startswith("socket:") for link in links) == 1  # its own
    assert first.returncode is None


async def test_a_server_that_is_killed_takes_its_forks_along_and_the_next_one_goes_on(server: Server):
    fork = await server.fork(*SLEEPING)
    before = identify(fork.pid)

    server.process.send_signal(SIGKILL)
    await server.process.wait()

    assert await fork.wait() == -SIGKILL
    await eventually(lambda: not before.is_alive)
    ordered = asyncio.create_task(server.fork(*SLEEPING))  # while there is no server
    (server.logs / "fastapi.py").write_text("raise ImportError('half of it is missing')")
    server.process = await begin(server.forks, server.logs, server.logs)
    assert identify((await ordered).pid).is_alive
    await eventually(lambda: "fastapi could not be loaded ahead: ImportError('half of" in server.said("server.log"))


async def test_a_fork_is_told_what_its_order_says_on_top_of_what_the_server_knows(server: Server, tmp_path: Path):
    program = server.logs / "where.py"
    program.write_text("import os; print(os.environ['ALONE'], 'PATH' in os.environ, os.getcwd())")
    words = (sys.executable, "-m", "cProfile", "-o", os.devnull, str(program))

    fork = await server.forks.spawn(Command(words, env={"ALONE": "yes"}, cwd=tmp_path), server.logs / "fork.log")

    assert await fork.wait() == 0
    assert f"yes True {tmp_path}" in server.said()


async def test_the_first_life_of_a_server_is_a_fork_of_who_orders_and_the_next_is_started(tmp_path: Path):
    ordering = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORDERING, tmp_path, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )

    printed, _ = await ordering.communicate()

    assert printed.decode().split() == ["Fork", "0", "-9", "Process", "0"]
    assert (tmp_path / "fork.log").read_text() == "a fork\na fork\n"
    assert (tmp_path / "server.log").read_text() == ""


def test_the_end_of_a_child_that_the_system_did_not_keep_is_known_to_nobody():
    assert exit_code(os.getppid()) == NOBODY_KNOWS


async def test_an_order_that_is_longer_than_any_is_refused(server: Server):
    with pytest.raises(OSError, match="too long"):
        await server.fork("longer than any order" * 100_000)

    assert server.process.returncode is None


async def test_an_order_over_which_the_server_dies_has_failed(server: Server):
    with pytest.raises(OSError, match="before it could start it"):
        await server.forks.spawn(Command(()), server.logs / "fork.log")
