"""A whole stack for tests: `python -m stack up` in a home and on ports of its own, listened to line by line."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from stack.postgres import OWNER
from tests.parts import eventually, free_ports, stop
from windlass.client.credentials import believed
from windlass.core import supervision
from windlass.core.mortality import dying_with_us
from windlass.core.supervision import ChildStatus, StackStatus

ROOT = Path(__file__).parents[1]
START_S = 90.0
IGNORED = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "WINDLASS_DATABASE_URL", "TEMPORAL_ADDRESS")


@dataclass(slots=True)
class Stack:
    """One life of a stack after the other, in the same home."""

    home: Path
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None
    lines: list[str] = field(default_factory=list[str])
    _reader: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.environment['WINDLASS_PORT']}"

    @property
    def page(self) -> str:
        """Everything this life has printed so far."""
        return "\n".join(self.lines)

    @property
    def status(self) -> StackStatus:
        """What the supervisor says of its children."""
        status = supervision.read(self.home)
        assert status is not None
        return status

    def child(self, name: str) -> ChildStatus:
        """One child, as the supervisor sees it."""
        return next(child for child in self.status.children if child.name == name)

    def pid(self, name: str) -> int:
        """The pid of a child; 0 while it has none."""
        process = self.child(name).process
        return process.pid if process else 0

    def living(self) -> list[int]:
        """The pids of the supervisor and its children that run."""
        children = (child.process for child in self.status.children)
        return [each.pid for each in (self.status.supervisor, *children) if each is not None and each.is_alive]

    async def start(self) -> None:
        """Start it and wait for the start-up page. Raises AssertionError with what was printed instead."""
        await self.begin()
        await eventually(lambda: "Started in" in self.page or self._has_ended, START_S)
        assert "Started in" in self.page, self.page

    async def begin(self) -> None:
        """Start it and wait for nothing."""
        self.lines = []
        self.process = await self._run("stack", "up")
        self._reader = asyncio.create_task(self._listen(self.process))

    async def command(self, *words: str) -> tuple[int, str]:
        """Run another command on the same home; answer its exit code and output."""
        return await self.run("stack", *words)

    async def run(self, module: str, *words: str) -> tuple[int, str]:
        """Run a module with the settings of this stack; answer its exit code and output."""
        process = await self._run(module, *words)
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def ended(self) -> int:
        """Wait for the supervisor's end and answer its exit code."""
        assert self.process is not None
        code = await self.process.wait()
        if self._reader is not None:
            await self._reader
        return code

    @property
    def _has_ended(self) -> bool:
        return self.process is not None and self.process.returncode is not None

    async def _run(self, module: str, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *words),
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=dying_with_us(signal.SIGTERM),  # it ends with the tests, in order
        )

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.lines.append(line.decode().rstrip())


@asynccontextmanager
async def stack_in(home: Path, **variables: str) -> AsyncGenerator[Stack]:
    """A stack that is not started yet; whatever runs in the end is ended."""
    port, temporal, ui = map(str, free_ports(3))
    own = {name: value for name, value in os.environ.items() if name not in IGNORED}
    ports = {"WINDLASS_PORT": port, "WINDLASS_TEMPORAL_PORT": temporal, "WINDLASS_TEMPORAL_UI_PORT": ui}
    stack = Stack(home, {**own, **ports, "WINDLASS_HOME": str(home), **variables})
    try:
        yield stack
    finally:
        if stack.process is not None:
            await stop(stack.process)
            await stack.ended()


def database_url(home: Path) -> str:
    """The owner's DSN of a running stack with a database of its own."""
    status = supervision.read(home)
    assert status is not None, home
    postgres = next(child for child in status.children if child.name == "postgres")
    return f"postgresql://{OWNER}@/postgres?host={postgres.address}"


def password(page: str) -> str:
    """The one-time password a start-up page shows."""
    found = re.search(r"password (\S+) \(shown this once", page)
    assert found is not None, page
    return found[1]


async def signs_in(stack: Stack, secret: str, email: str = "admin@localhost") -> bool:
    """Whether the first administrator gets in with this password."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=20, verify=believed(stack.url)) as client:
        answer = await client.post("/v1/auth/login", json={"email": email, "password": secret})
    return answer.status_code == 200
