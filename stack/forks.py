"""The supervisor's side of the fork server: order a process, follow its life."""

import asyncio
import json
import os
import socket
from collections.abc import Coroutine
from pathlib import Path
from signal import SIGKILL
from typing import Any

from stack.processes import Command, Process, spawn

ORDER_BYTES = 64 * 1024
NOBODY_KNOWS = 255  # as asyncio says of a child whose end the system did not keep: whoever started us ignores SIGCHLD


class Fork:
    """A process that was forked and not executed, as far as `asyncio.subprocess.Process` is needed of it."""

    def __init__(self, pid: int, end: Coroutine[Any, Any, int]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = asyncio.ensure_future(self._await(end))

    async def wait(self) -> int:
        """Wait for its end and answer its exit code, or minus the signal that ended it."""
        return await asyncio.shield(self._end)

    def send_signal(self, number: int) -> None:
        """Send a signal. Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    async def _await(self, end: Coroutine[Any, Any, int]) -> int:
        self.returncode = await end
        return self.returncode


async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """How a fork ended, as the server tells. It does not outlive the server: then it was killed."""
    try:
        line = await reader.readline()
    except ConnectionError:
        line = b""
    writer.close()
    return int(line) if line else -SIGKILL


async def seen(pid: int) -> int:
    """How a child of ours ended, as we see ourselves."""
    handle, loop, ended = os.pidfd_open(pid), asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return exit_code(pid)


def exit_code(pid: int) -> int:
    """How a child of ours that has ended did: its exit code, or minus the signal."""
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return NOBODY_KNOWS
    return os.waitstatus_to_exitcode(status)


class Forks:
    """Orders to a fork server, whichever of its lives reads them. `first` is its first, if we forked that ourselves."""

    def __init__(self) -> None:
        self.first = 0
        self.lifeline, self._life = os.pipe()  # children and hosts hold the reading end: it closes however we die
        self._orders, self._server = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._orders.setblocking(False)

    @property
    def server(self) -> int:
        """The descriptor from which the server reads; every life of it inherits the same."""
        return self._server.fileno()

    async def spawn(self, command: Command, log: Path) -> Fork:
        """Have `python -m MODULE …` forked, its output going to `log`. Raises OSError when the server dies over it.

        The environment comes on top of ours, which the server has too.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, log.open("ab") as output:
                said = {name: value for name, value in (command.env or {}).items() if os.environ.get(name) != value}
                order = json.dumps([command.argv[2:], said, command.cwd and str(command.cwd)]).encode()
                socket.send_fds(self._orders, [order], [output.fileno(), theirs.fileno()])
        except OSError:
            ours.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        pid = await reader.readline()
        if not pid:
            writer.close()
            raise OSError("the fork server ended before it could start it")
        return Fork(int(pid), told(reader, writer))

    async def serve(self, command: Command, log: Path) -> Process:
        """The server's first life, which is under way, or another one."""
        pid, self.first = self.first, 0
        return Fork(pid, seen(pid)) if pid else await spawn(command, log)

    def close(self) -> None:
        """Let go of everything, when no server is needed any more."""
        os.close(self.lifeline)
        os.close(self._life)
        self._orders.close()
        self._server.close()
