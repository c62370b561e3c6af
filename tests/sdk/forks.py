"""Programs as processes of their own that are forks of one that has loaded what they load.

Loading takes each host more than half a core-second, which a fork does not. A fork becomes its program as if the
interpreter had been started with it: in its own session, with the arguments, folder, environment and files it is given.
"""

import asyncio
import atexit
import ctypes
import fcntl
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ORDER_BYTES = 65_536
TITLE_BYTES = 2_000
SET_FROM_THE_START = {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}


class Fork:
    """A forked process, as far as `asyncio.subprocess.Process` is needed of it."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.end = asyncio.ensure_future(self._hear(reader, writer))

    async def wait(self) -> int:
        """Wait for its end and answer its exit code."""
        return await asyncio.shield(self.end)

    def send_signal(self, number: int) -> None:
        """Send a signal. Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        with suppress(ProcessLookupError):  # its end is heard of a moment later
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        try:
            self.returncode = int(await reader.readline())
        finally:
            writer.close()
        return self.returncode


class Forks:
    """Has one program forked; whatever else is to be executed is executed."""

    def __init__(self, python: str, program: Sequence[str], loads: Sequence[str], path: str = "") -> None:
        self._started_with = (python, *program)
        self._ends: set[asyncio.Future[int]] = set()  # also of those whom nobody follows
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = (python, __file__, str(theirs.fileno()), json.dumps([program, loads]), " " * TITLE_BYTES)
            environment = {**os.environ, **SET_FROM_THE_START, "PYTHONPATH": path}
            self._server = subprocess.Popen(words, env=environment, pass_fds=[theirs.fileno()])  # noqa: S603 - our own
        atexit.register(self.close)

    async def execute(self, python: str, *words: str, **how: Any) -> Any:
        """Do what `asyncio.create_subprocess_exec` does, with nothing to read, and files or nowhere to print to."""
        known = len(self._started_with)
        if (python, *words)[:known] != self._started_with:
            return await asyncio.create_subprocess_exec(python, *words, **how)
        birth = asyncio.ensure_future(self._born(self._order(words[known - 1 :], how)))
        try:
            return await asyncio.shield(birth)
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                (await birth).kill()  # as a process that is executed for somebody who has gone
            raise

    async def _born(self, line: socket.socket) -> Fork:
        reader, writer = await asyncio.open_unix_connection(sock=line)
        fork = Fork(int(await reader.readline()), reader, writer)
        self._ends.add(fork.end)
        fork.end.add_done_callback(self._ends.discard)
        return fork

    def _order(self, arguments: Sequence[str], how: Mapping[str, Any]) -> socket.socket:
        """Say what is wanted; answers the line on which its life is told."""
        ours, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("wb") as nowhere:
            passed: list[int] = [*how.get("pass_fds", ())]
            files = [nowhere if how[name] == subprocess.DEVNULL else how[name] for name in ("stdout", "stderr")]
            order = [arguments, str(how["cwd"]), how["env"], passed]
            sent = [theirs.fileno(), *(file.fileno() for file in files), *passed]
            socket.send_fds(self._orders, [json.dumps(order).encode()], sent)
        return ours

    def close(self) -> None:
        """End what forks; the forks end as ever."""
        self._orders.close()
        self._server.wait()


@cache
def hosts_on(python: str, path: str = "") -> Forks:
    """What forks hosts that run on this interpreter; it ends with the tests."""
    loads = [f"windlass.host.{name}" for name in ("care", "lifespan", "output", "server")]
    return Forks(python, ("-m", "windlass.host"), loads, path)


class Birth(NamedTuple):
    """In a fork: what it is to be."""

    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    descriptors: Mapping[int, int]  # by the number under which the program knows them

    def live(self, program: Sequence[str]) -> None:
        """Become it."""
        gc.enable()
        beyond = max(self.descriptors) + 1
        away = {number: fcntl.fcntl(held, fcntl.F_DUPFD, beyond) for number, held in self.descriptors.items()}
        for held in self.descriptors.values():
            os.close(held)
        for number, held in away.items():
            os.dup2(held, number)
            os.close(held)
        os.environ.clear()
        os.environ |= self.environment
        os.chdir(self.folder)
        sys.argv = [program[-1], *self.arguments]
        entitle([sys.executable, *program, *self.arguments])
        if program[0] == "-m":
            sys.path.insert(0, self.folder)
            runpy.run_module(program[1], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(program[0]).parent))
            runpy.run_path(program[0], run_name="__main__")


class ForkServer:
    """Forks what is ordered, and says to whoever ordered it as which process it lives and how it ended."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._living: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor that tells the end: pid and line
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)

    def serve(self) -> Birth | None:
        """Serve until nobody can order anything; comes back in each fork too."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._orders:
                    self._bury(key.fd)
                    continue
                order, descriptors, _, _ = socket.recv_fds(self._orders, ORDER_BYTES, 16)
                if not order:
                    return None
                line = socket.socket(fileno=descriptors.pop(0))
                if self._bear(line, descriptors):
                    line.close()
                    return birth(order, descriptors)

    def _bear(self, line: socket.socket, descriptors: Sequence[int]) -> bool:
        """Fork; whether this is the fork."""
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for end, (_, other) in self._living.items():
                os.close(end)
                other.close()
            self._selector.close()
            self._orders.close()
            return True
        for held in descriptors:
            os.close(held)
        end = os.pidfd_open(pid)
        self._selector.register(end, selectors.EVENT_READ)
        self._living[end] = pid, line
        line.sendall(f"{pid}\n".encode())
        return False

    def _bury(self, end: int) -> None:
        pid, line = self._living.pop(end)
        _, status = os.waitpid(pid, 0)
        self._selector.unregister(end)
        os.close(end)
        with line, suppress(OSError):  # nobody waits for it any more
            line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def birth(order: bytes, descriptors: Sequence[int]) -> Birth:
    """What is ordered, with what came with it."""
    arguments, folder, environment, passed = json.loads(order)
    nothing = os.open(os.devnull, os.O_RDONLY)
    return Birth(arguments, folder, environment, dict(zip((1, 2, *passed, 0), (*descriptors, nothing), strict=True)))


def entitle(words: Sequence[str]) -> None:
    """Have the process table say these words: hosts are found by theirs."""
    begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    said = b"\0".join(map(os.fsencode, words))
    assert len(said) < end - begin
    ctypes.memmove(begin, said.ljust(end - begin, b"\0"), end - begin)


def main() -> None:
    """Load, then serve."""
    del sys.path[0]  # where this file lies
    gc.disable()  # until somebody lives: what is loaded stays
    program, loads = json.loads(sys.argv[2])
    for name in loads:
        import_module(name)
    gc.collect()
    gc.freeze()  # no collection of a fork touches, and thereby copies, what it shares with us
    born = ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve()
    if born is not None:
        born.live(program)


if __name__ == "__main__":
    main()
