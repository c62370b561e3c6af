"""The supervisor's side of the fork server: order a process, follow its life."""

import asyncio
import json
import os
import socket
from pathlib import Path
from signal import SIGKILL

from stack.processes import Command

ORDER_BYTES = 4096


class Fork:
    """A process that the fork server has started for us, as far as `asyncio.subprocess.Process` is needed of it."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._writer = writer
        self._end = asyncio.ensure_future(self._hear(reader))

    async def wait(self) -> int:
        """Wait for its end and answer its exit code. A fork does not outlive the server: then it was killed."""
        return await asyncio.shield(self._end)

    def send_signal(self, number: int) -> None:
        """Send a signal. Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    async def _hear(self, reader: asyncio.StreamReader) -> int:
        try:
            line = await reader.readline()
        except ConnectionError:
            line = b""
        self.returncode = int(line) if line else -SIGKILL
        self._writer.close()
        return self.returncode


class Forks:
    """Orders to a fork server, whichever of its lives reads them."""

    def __init__(self) -> None:
        self._orders, self._server = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._orders.setblocking(False)

    @property
    def server(self) -> int:
        """The descriptor from which the server reads; every life of it inherits the same."""
        return self._server.fileno()

    async def spawn(self, command: Command, log: Path) -> Fork:
        """Have `python -m MODULE …` forked, its output appended to `log`. Raises OSError when the server dies over it.

        The environment and the folder are those of the server.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, log.open("ab") as output:
                order = json.dumps(command.argv[2:]).encode()
                socket.send_fds(self._orders, [order], [output.fileno(), theirs.fileno()])
        except OSError:
            ours.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        pid = await reader.readline()
        if not pid:
            writer.close()
            raise OSError("the fork server ended before it could start it")
        return Fork(int(pid), reader, writer)

    def close(self) -> None:
        """Close both ends, when no server is needed any more."""
        self._orders.close()
        self._server.close()
