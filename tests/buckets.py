"""A real S3 server for tests: built once from the Go module proxy, kept in the user's cache, killed at will.

Small stand-ins accept expired links and wrong keys; this one checks every signature.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import golang
from tests.parts import eventually, free_ports, stop
from windlass.core.storage.bucket import Bucket, Patience
from windlass.core.storage.places import Place

MODULE, VERSION = "github.com/versity/versitygw/cmd/versitygw", "v1.7.0"
REGION, ACCESS, SECRET = "us-east-1", "windlass", "a secret only for tests"
NAME = "windlass"


@dataclass(slots=True)
class Store:
    """One S3 server after the other on the same port and folder, with one bucket."""

    program: Path
    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def bucket(self, **other: str | None) -> Place:
        """The bucket, and what opens it; `other` is said differently."""
        known = {"bucket": NAME, "endpoint": self.endpoint, "access_key": ACCESS, "secret_key": SECRET}
        return Place(**{**known, **other})  # pyright: ignore[reportArgumentType] - only texts

    def variables(self, prefix: str) -> dict[str, str]:
        """The settings of an installation whose files are in this bucket."""
        return {
            "WINDLASS_STORAGE_URL": f"s3://{NAME}/{prefix}",
            "WINDLASS_S3_ENDPOINT": self.endpoint,
            "WINDLASS_S3_ACCESS_KEY": ACCESS,
            "WINDLASS_S3_SECRET_KEY": SECRET,
        }

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "log"

    @property
    def root(self) -> Path:
        """The folder in which the server keeps the bucket's objects as files."""
        return self.folder / "buckets" / NAME

    async def start(self) -> None:
        """Start the server and wait until it answers."""
        keys = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(self.program, "--port", f"127.0.0.1:{self.port}", "--region", REGION, "--quiet"),
                *("posix", "--sidecar", self.folder / "about", self.folder / "buckets"),
                env={**os.environ, **keys},
                stdout=log,
                stderr=log,
            )
        await eventually(self._answers)

    async def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        await stop(self.process, signal.SIGKILL)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@asynccontextmanager
async def running_store(folder: Path) -> AsyncGenerator[Store]:
    """An S3 server in `folder` with one bucket; without Go a test is skipped, in CI it fails."""
    try:
        program = await asyncio.to_thread(built)
    except golang.NotBuilt as reason:
        pytest.fail(str(reason)) if os.environ.get("CI") else pytest.skip(str(reason))
    for name in ("buckets", "about"):
        (folder / name).mkdir()
    store = Store(program, folder, free_ports(1)[0])
    await store.start()
    try:
        bucket = Bucket(store.bucket(), Patience())
        assert await bucket.ensure()
        bucket.close()
        yield store
    finally:
        await store.kill()


def built() -> Path:
    """The server's program, built when it is not there yet. Raises NotBuilt."""
    return golang.built("versitygw", MODULE, VERSION)
