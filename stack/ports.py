"""Ports: whether they are free, and if not, who has them."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stack.errors import StackError

LISTENING = "0A"


class PortTaken(StackError):
    """A port we need is in use; the message names it, its holder and the variable that moves us elsewhere."""


def require_free(port: int, variable: str, host: str = "127.0.0.1") -> None:
    """Raise PortTaken unless we could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            holder = holder_of(port)
            by = f"held by {holder}" if holder else f"not available ({error.strerror})"
            raise PortTaken(
                f"Port {port} is {by}. Nothing was started. "
                f"Stop it, or choose another port: {variable}={port + 1} make up"
            ) from None


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody uses at this moment."""
    with socket.create_server((host, 0)) as server:
        return server.getsockname()[1]


def holder_of(port: int) -> str | None:
    """The process that listens on a port, as `pid 42 (command line)`; None when we may not know."""
    inodes = set(_listening(port))
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(f"socket:[{inode}]" == str(link.readlink()) for link in _descriptors(folder) for inode in inodes):
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"pid {folder.name} ({words[:120]})"
    return None


def _descriptors(folder: Path) -> Iterator[Path]:
    for link in (folder / "fd").iterdir():
        with suppress(OSError):
            if str(link.readlink()).startswith("socket:"):
                yield link


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on a port (proc(5), net/tcp)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                    yield words[9]
