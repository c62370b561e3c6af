"""Real hosts for tests, and the smallest driver that can be."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from tests.sdk.forks import Fork, hosts_on
from tests.sdk.log import Log, Message, Until, attach, line, never

ROOT = Path(__file__).parents[2]
SERVICES = Path(__file__).parent / "services"


class Host:
    """A host process and its socket."""

    def __init__(self, process: Fork, socket: Path) -> None:
        self.process = process
        self.socket = socket

    @property
    def pid(self) -> int:
        return self.process.pid

    async def connect(self) -> "Driver":
        """Connect, waiting for the socket to appear."""
        while True:
            try:
                return Driver(*await asyncio.open_unix_connection(str(self.socket), limit=2**25))
            except OSError:
                assert self.process.returncode is None, errors_of(self.socket)
                await asyncio.sleep(0.02)

    async def ask(self, message: Message) -> Message:
        """One question, one answer, on a connection of its own."""
        driver = await self.connect()
        driver.say(message)
        answer = await driver.hear()
        await driver.close()
        return answer

    async def run(self, flow: str, inputs: Message | None = None, log: Log | None = None, **run: object) -> "Drive":
        """Drive a run to its end."""
        drive = Drive(log or Log(), {"run_id": uuid4().hex, "flow": flow, "inputs": inputs or {}, **run})
        return await drive.on(self)

    async def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        await self.process.wait()


class Driver:
    """One connection to a host."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, message: Message) -> None:
        self.say_raw(line(message))

    def say_raw(self, written: bytes) -> None:
        self._writer.write(written)

    async def hear_until(self, op: str) -> Message:
        """The next line of this kind."""
        while (heard := await self.hear())["op"] != op:
            assert heard["op"] != "closed", f"closed before {op}"
        return heard

    async def hear(self) -> Message:
        """The next line; `{"op": "closed"}` at the end."""
        with suppress(ConnectionError):
            if heard := await self._reader.readline():
                return json.loads(heard)
        return {"op": "closed"}

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


class Drive:
    """One run, driven over as many attachments as it takes."""

    def __init__(self, log: Log, run: Message) -> None:
        self.log = log
        self.run = {"epoch": 0, **run}
        self.heard: list[Message] = []
        self.meta: Message = {}
        self.last: Message = {}

    @property
    def value(self) -> object:
        """The typed value of a finished run."""
        assert self.last.get("outcome") == "finished", self.last
        return self.last["value"]

    async def on(self, host: Host, until: Until = never, *, isolate: bool = False) -> "Drive":
        """Attach and store what comes, to the end or until a line fulfils the predicate."""
        driver = await host.connect()
        self.run["epoch"] += 1
        driver.say(attach(self.run, self.log, isolate=isolate))
        await self._follow(driver, until)
        await driver.close()
        return self

    async def _follow(self, driver: Driver, until: Until) -> None:
        while True:
            self.last = await driver.hear()
            self.heard.append(self.last)
            match self.last["op"]:
                case "event":
                    driver.say({"op": "ack", "producers": self.log.store(self.last)})
                case "meta":
                    self.meta = self.last["payload"]
                case "end":
                    driver.say({"op": "bye"})
                    return
                case "closed" | "error" | "died":
                    return
                case _:
                    pass
            if until(self.last):
                return


@asynccontextmanager
async def running_host(
    folder: Path,
    app: str = "agents:app",
    *options: str,
    cwd: Path = SERVICES,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncGenerator[Host]:
    """A host with the test services, ended afterwards, and with the tests themselves if those are killed."""
    lifeline, ours = os.pipe()
    process = await start(folder / "host.sock", app, *options, cwd=cwd, lifeline=lifeline, environment=environment)
    os.close(lifeline)
    try:
        yield Host(process, folder / "host.sock")
    finally:
        os.close(ours)
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()  # it has heard that nobody needs it any more, and goes in order
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def start(
    socket: Path,
    app: str,
    *options: str,
    cwd: Path = SERVICES,
    lifeline: int | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Fork:
    """Start a host as the services worker does."""
    own = ["--lifeline-fd", str(lifeline)] if lifeline is not None else []
    with socket.with_suffix(".out").open("wb") as output, socket.with_suffix(".err").open("wb") as errors:
        return await hosts_on(sys.executable, str(ROOT)).execute(
            sys.executable,
            *("-m", "windlass.host", "--service", "test", "--app", app, "--socket", str(socket), *own, *options),
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **environment},
            stdout=output,
            stderr=errors,
            pass_fds=() if lifeline is None else (lifeline,),
        )


def errors_of(socket: Path) -> str:
    """What the last host at this socket has printed of errors."""
    return socket.with_suffix(".err").read_text()


def is_step(name: str, state: str) -> Until:
    """A predicate: this step has reached this state."""
    return lambda heard: (
        heard["op"] == "event"
        and heard["kind"] == "step"
        and (heard["payload"]["name"], heard["payload"]["state"]) == (name, state)
    )


def prints(text: str) -> Until:
    """A predicate: the run has printed this line."""
    return lambda heard: heard["op"] == "event" and heard["payload"].get("text") == text
