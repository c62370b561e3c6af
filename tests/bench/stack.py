"""A one-machine stack of its own for the bench: started, asked, and ended again."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stack.readiness import wait_until
from tests.bench.wire import Wire
from tests.parts import free_ports, stop

ROOT = Path(__file__).parents[2]
EMAIL, PASSWORD = "bench@localhost", "a password only for the bench"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; `pid` is its supervisor's."""

    pid: int
    port: int
    temporal: str
    token: str

    async def wire(self) -> Wire:
        """A new connection to the gateway."""
        return await Wire.open(self.port, self.token)


@asynccontextmanager
async def running(
    home: Path, *, service: bool = True, variables: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[Stack]:
    """Start a stack in `home` and wait until its example service answers."""
    port, temporal, ui = free_ports(3)
    environment = {
        **os.environ,
        "WINDLASS_HOME": str(home),
        "WINDLASS_PORT": str(port),
        "WINDLASS_TEMPORAL_PORT": str(temporal),
        "WINDLASS_TEMPORAL_UI_PORT": str(ui),
        "WINDLASS_ADMIN_EMAIL": EMAIL,
        "WINDLASS_ADMIN_PASSWORD": PASSWORD,
        **variables,
    }
    command = (sys.executable, "-m", "stack", "up")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=quiet)
    try:
        token = await _signed_in(port, time.monotonic() + 120)
        stack = Stack(process.pid, port, f"127.0.0.1:{temporal}", token)
        if service:
            await _serve_example(stack)
        yield stack
    finally:
        await stop(process)


async def _signed_in(port: int, deadline: float) -> str:
    while True:
        try:
            wire = await Wire.open(port)
            answer = await wire.ask("POST", "/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
            return answer["access_token"]
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


async def _serve_example(stack: Stack) -> None:
    """Have the service `hello` served; it may be there from an earlier life of this home."""
    wire = await stack.wire()
    known: list[dict[str, Any]] = (await wire.ask("GET", "/v1/services"))["items"]
    if not known:
        project = str(ROOT / "examples" / "hello")
        await wire.ask("POST", "/v1/services", {"name": "hello", "project": project, "import_path": "app:app"})

    async def is_up() -> bool:
        return (await wire.ask("GET", "/v1/services/hello"))["state"] == "running"

    await wait_until(is_up, "the example service", 60)
    await wire.close()
