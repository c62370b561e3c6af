"""A one-machine stack whose parts are real processes that can be killed: started, broken, started again."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.processes import Command, spawn
from tests.parts import free_ports
from tests.waiting import pause_s
from windlass.client import ApiError, AsyncClient, Unreachable
from windlass.core import supervision
from windlass.core.supervision import ChildState, ProcessId

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "programs"
EMAIL, PASSWORD = "faults@localhost", "a password only for the faults"
UP_S, DOWN_S = 180.0, 40.0  # a machine that is busy is slow, and slowness is no fault
LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "ANTHROPIC_API_KEY", "WINDLASS_DATABASE_URL", "TEMPORAL_ADDRESS")


@dataclass(slots=True)
class Stack:
    """The stack of one home."""

    home: Path
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def output(self) -> Path:
        """What `up` printed."""
        return self.home.with_name(f"{self.home.name}.log")

    async def begin(self) -> None:
        """Start the supervisor and wait for nothing."""
        words = (sys.executable, "-m", "stack", "up")
        up = Command(words, env=self._environment(), cwd=ROOT, death_signal=signal.SIGTERM)  # it ends with the tests
        self.process = await spawn(up, self.output)

    async def start(self) -> None:
        """Start, and wait until every part runs."""
        await self.begin()
        await self.is_whole()

    async def is_whole(self) -> None:
        """Wait until every part runs."""
        await until(self._is_up, "every part runs", UP_S, self.said)

    async def stop(self) -> None:
        """End it in order; what is left after that is killed."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), DOWN_S)
            except TimeoutError:
                await self.kill_everything()

    async def command(self, *words: str) -> str:
        """Run `python -m stack …` for this home to its end; answers what it said."""
        output, pipe = asyncio.subprocess.STDOUT, asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stack", *words), cwd=ROOT, env=self._environment(), stdout=pipe, stderr=output
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def client(self) -> AsyncClient:
        """A client that is signed in."""
        client = AsyncClient(self.url)
        deadline = time.monotonic() + UP_S
        while True:
            try:
                await client.login(EMAIL, PASSWORD)
            except (Unreachable, ApiError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return client

    def said(self) -> str:
        """The end of what `up` printed."""
        return self.output.read_text()[-3000:] if self.output.exists() else ""

    def child(self, name: str) -> ProcessId:
        """The process of a part, as the supervisor's status names it."""
        return self.children()[name]

    async def _standing(self, name: str) -> ProcessId:
        """The process of a part; where it died a moment ago, the next one."""

        async def stands() -> bool:
            return name in self.children()

        await until(stands, f"{name} runs", UP_S, self.said)
        return self.child(name)

    def children(self) -> dict[str, ProcessId]:
        """The processes that the supervisor has started and not seen ending."""
        status = supervision.read(self.home)
        assert status is not None, f"no status in {self.home}"
        return {child.name: child.process for child in status.children if child.process is not None}

    async def hosts(self) -> list[ProcessId]:
        """The hosts that answer at their sockets."""
        found: list[ProcessId] = []
        for address in sorted((self.home / "hosts").glob("*.sock")):
            with suppress(OSError, ValueError):
                pong = await ask(address, {"op": "ping"})
                found.append(supervision.identify(int(pong["pid"])))
        return found

    async def kill(self, *names: str) -> None:
        """`kill -9` these parts at once: children by name, `host` for every host; returns when they are dead."""
        victims: list[ProcessId] = []
        for name in names:
            victims += await self.hosts() if name == "host" else [await self._standing(name)]
        await end(victims)

    async def kill_everything(self) -> None:
        """`kill -9` the supervisor and every process it has started, directly or not, at once."""
        assert self.process is not None
        victims = [supervision.identify(self.process.pid), *self.children().values(), *await self.hosts()]
        await end(victims)
        await self.process.wait()

    async def kill_supervisor(self) -> None:
        """`kill -9` the supervisor alone."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def serve(self, client: AsyncClient, name: str, module: str | None = None) -> None:
        """Have a program of `tests/programs` served, and wait until it is."""
        await client.services.add(name, str(PROGRAMS), f"{module or name}:app")
        await self.wait_for_service(client, name)

    async def wait_for_service(self, client: AsyncClient, name: str) -> None:
        """Wait until a service runs."""

        async def runs() -> bool:
            return (await client.services.get(name)).state == "running"

        await until(runs, f"the service {name} runs", UP_S)

    async def _is_up(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, f"the stack ended:\n{self.said()}"
        status = supervision.read(self.home)
        return (
            status is not None
            and status.supervisor.pid == self.process.pid
            and all(
                child.state is ChildState.RUNNING and child.process is not None and child.process.is_alive
                for child in status.children
            )
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        port, temporal, ui = map(str, self.ports)
        return {
            **kept,
            "WINDLASS_HOME": str(self.home),
            "WINDLASS_PORT": port,
            "WINDLASS_TEMPORAL_PORT": temporal,
            "WINDLASS_TEMPORAL_UI_PORT": ui,
            "WINDLASS_ADMIN_EMAIL": EMAIL,
            "WINDLASS_ADMIN_PASSWORD": PASSWORD,
            "WINDLASS_LOG_FORMAT": "console",
            **self.variables,
        }


@asynccontextmanager
async def running_stack(home: Path, **variables: str) -> AsyncGenerator[Stack]:
    """A stack in `home`, up; nothing of it is left afterwards."""
    stack = Stack(home, variables=variables)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


async def end(victims: list[ProcessId]) -> None:
    """`kill -9` exactly these processes and wait until none of them lives."""
    for victim in victims:
        if victim.is_alive:
            with suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
    await gone(victims)


async def gone(processes: list[ProcessId], timeout_s: float = 10) -> None:
    """Wait until none of these processes lives."""

    async def none_lives() -> bool:
        return not any(process.is_alive for process in processes)

    await until(none_lives, f"the processes {[process.pid for process in processes]} are gone", timeout_s)


async def until(claim: Callable[[], Any], what: str, timeout_s: float, more: Callable[[], str] = str) -> None:
    """Wait until an awaited claim is true. Raises AssertionError when it does not become true."""
    began = time.monotonic()
    while not await claim():
        waited_s = time.monotonic() - began
        assert waited_s < timeout_s, f"not within {timeout_s:.0f} s: {what}\n{more()}"
        await asyncio.sleep(pause_s(waited_s))


async def ask(address: Path, message: Mapping[str, Any]) -> dict[str, Any]:
    """Say one line to a host and read its answer."""
    reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(str(address)), 2)
    try:
        writer.write(json.dumps(message).encode() + b"\n")
        return json.loads(await asyncio.wait_for(reader.readline(), 2))
    finally:
        writer.close()
