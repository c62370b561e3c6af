"""A real S3 server for tests: built once from the Go module proxy, kept in the user's cache, killed at will.

Small stand-ins accept expired links and wrong keys; this one checks every signature.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stack.golang import NotBuilt
from stack.processes import spawn
from stack.store import BUCKET, Server, built
from tests.parts import eventually, free_ports, stop
from windlass.core.storage.bucket import Bucket, Patience
from windlass.core.storage.places import Place

ACCESS, SECRET = "windlass", "a secret only for tests"


@dataclass(slots=True)
class Store:
    """One S3 server after the other on the same port and folder, with one bucket."""

    server: Server
    process: asyncio.subprocess.Process | None = None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return self.server.endpoint

    def bucket(self, **other: str | None) -> Place:
        """The bucket, and what opens it; `other` is said differently."""
        known = {"bucket": BUCKET, "endpoint": self.endpoint, "access_key": ACCESS, "secret_key": SECRET}
        return Place(**{**known, **other})  # pyright: ignore[reportArgumentType] - only texts

    def variables(self, prefix: str) -> dict[str, str]:
        """The settings of an installation whose files are in this bucket."""
        return self.server.variables(prefix)

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.server.folder / "log"

    @property
    def root(self) -> Path:
        """The folder in which the server keeps the bucket's objects as files."""
        return self.server.root

    async def start(self) -> None:
        """Start the server and wait until it answers."""
        self.process = await spawn(self.server.command, self.log)
        await eventually(self._answers)

    async def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        await stop(self.process, signal.SIGKILL)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()
        return self.server.answers()


@asynccontextmanager
async def running_store(folder: Path) -> AsyncGenerator[Store]:
    """An S3 server in `folder` with one bucket; without Go a test is skipped, in CI it fails."""
    try:
        program = await asyncio.to_thread(built)
    except NotBuilt as reason:
        pytest.fail(str(reason)) if os.environ.get("CI") else pytest.skip(str(reason))
    store = Store(Server(program, folder, free_ports(1)[0], ACCESS, SECRET))
    await store.start()
    try:
        bucket = Bucket(store.bucket(), Patience())
        assert await bucket.ensure()
        bucket.close()
        yield store
    finally:
        await store.kill()
