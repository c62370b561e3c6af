"""Real parts for tests: an embedded PostgreSQL and a Temporal server in temporary folders."""

import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stack import postgres as embedded
from stack.postgres import Cluster
from stack.processes import Process, spawn
from stack.temporal import Server, find_program
from stack.temporal import wait_ready as temporal_ready
from tests.blueprints import BLUEPRINT, RENAME, lay
from tests.sdk.places import short_folder as short_folder  # noqa: PLC0414 - others find it here
from tests.waiting import pause_s
from windlass.core.database import dial


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running, migrated PostgreSQL; `url` is the owner's DSN."""

    cluster: Cluster
    process: asyncio.subprocess.Process
    log: Path

    @property
    def url(self) -> str:
        """The owner's DSN."""
        return self.cluster.url


@asynccontextmanager
async def running_postgres(folder: Path) -> AsyncGenerator[Postgres]:
    """A PostgreSQL in `folder`, migrated to the newest schema."""
    cluster = embedded.lay_out(folder, embedded.find_binaries())
    await lay(cluster)
    await embedded.prepare(cluster)
    log = folder / "postgres.log"
    process = await spawn(cluster.command, log)
    try:
        await embedded.wait_ready(cluster)
        yield Postgres(cluster, process, log)
    finally:
        await stop(process, signal.SIGINT)


@asynccontextmanager
async def another_database(postgres: Postgres, name: str) -> AsyncGenerator[str]:
    """A migrated database of one's own in the same server: for what looks across all tenants. Yields its DSN."""
    owner = await dial(postgres.url, name="tests", role=embedded.OWNER, timeout_s=60)
    await owner.execute(f"create database {name} template {BLUEPRINT}")
    inside = await dial(url_of(postgres, name), name="tests", role=embedded.OWNER)
    await inside.execute(RENAME)
    await inside.close()
    yield url_of(postgres, name)
    await owner.execute(f"drop database {name} with (force)")
    await owner.close()


def url_of(postgres: Postgres, database: str) -> str:
    return postgres.url.replace("/postgres?", f"/{database}?")


@asynccontextmanager
async def running_temporal(folder: Path, *more: str) -> AsyncGenerator[Server]:
    """A Temporal server in `folder`, on free ports, with our search attributes and more options."""
    port, ui_port = free_ports(2)
    server = Server(await find_program(None, folder), folder / "temporal.db", port, ui_port)
    command = replace(server.command, argv=[*server.command.argv, *more])
    process = await spawn(command, folder / "temporal.log")
    try:
        await temporal_ready(server)
        yield server
    finally:
        await stop(process, signal.SIGKILL)  # an orderly end takes it seconds


async def stop(process: Process, polite: signal.Signals = signal.SIGTERM) -> None:
    """Ask a child to end, and end it when it does not within 10 s."""
    if process.returncode is None:
        with suppress(ProcessLookupError):  # the end of a fork is heard of a moment later
            process.send_signal(polite)
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@contextmanager
def lifeline() -> Generator[int]:
    """The end of a pipe for hosts to hold: they end when the block does, or the tests."""
    held, ours = os.pipe()
    try:
        yield held
    finally:
        os.close(ours)
        os.close(held)


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now, and that no outgoing connection is given by chance."""
    ports: set[int] = set()
    while len(ports) < count:
        port = 20_000 + secrets.randbelow(10_000)
        with suppress(OSError), socket.create_server(("", port)):
            ports.add(port)
    return list(ports)


async def eventually(claim: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until a claim is true. Raises AssertionError when it does not become true."""
    began = time.monotonic()
    while not claim():
        waited_s = time.monotonic() - began
        assert waited_s < timeout_s, "it never became true"
        await asyncio.sleep(pause_s(waited_s))
