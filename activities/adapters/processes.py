"""Hosts as processes of this machine: started in their own session, or adopted from an earlier services worker."""

import asyncio
import os
import select
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from activities.adapters.hosts import Line
from activities.executors import ExecutionLost
from activities.services import HostLost, HostProcess, ServiceFailed
from windlass.contracts.events import Payload
from windlass.contracts.hosts import socket_path
from windlass.core.wanted import WantedService

READY_S = 60.0
ANSWER_S = 10.0
POLL_S = 0.05
TAIL_BYTES = 4000
STOP_S = 12.0
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class HostFolders:
    """Where hosts of this machine keep their sockets and logs, and what they run on."""

    sockets: Path
    logs: Path
    python: str  # the interpreter of an environment that holds the SDK and nothing else
    lifeline: int | None  # the read end of the supervisor's pipe: hosts end when it closes


class LocalHosts:
    """Starts, finds and ends the hosts of this machine."""

    def __init__(self, folders: HostFolders) -> None:
        self._folders = folders
        folders.sockets.mkdir(parents=True, exist_ok=True)
        folders.logs.mkdir(parents=True, exist_ok=True)

    async def find(self, service: WantedService) -> HostProcess | None:
        """The host that already serves the service, if one answers."""
        address = self._address(service)
        with suppress(ExecutionLost, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                return await _meet(address, self._log(service))
        return None

    async def start(self, service: WantedService) -> HostProcess:
        """Start a host and wait until it answers. Raises ServiceFailed with the last lines it printed."""
        if not await asyncio.to_thread(Path(service.project).is_dir):
            raise ServiceFailed(f"The folder {service.project} does not exist on this machine.")
        log = self._log(service)
        process = await self._spawn(service, log)
        is_up = False
        try:
            async with asyncio.timeout(READY_S):
                host = await _answer(self._address(service), log, process)
            is_up = True
            return host
        except TimeoutError as error:
            raise ServiceFailed(f"It did not answer within {READY_S:.0f} s. {_tail(log)}") from error
        finally:
            if not is_up and process.returncode is None:  # also when nobody wants it any more
                process.kill()

    async def _spawn(self, service: WantedService, log: Path) -> asyncio.subprocess.Process:
        folders = self._folders
        arguments = ["--service", service.name, "--app", service.import_path, "--socket", str(self._address(service))]
        if folders.lifeline is not None:
            arguments += ["--lifeline-fd", str(folders.lifeline)]
        with await asyncio.to_thread(_fresh, log) as output:
            return await asyncio.create_subprocess_exec(
                str(_as_it_is_now(Path(folders.python))),
                "-m",
                "windlass.host",
                *arguments,
                cwd=service.project,
                env=_environment(service),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=() if folders.lifeline is None else (folders.lifeline,),
            )

    def _address(self, service: WantedService) -> Path:
        return socket_path(self._folders.sockets, str(service.tenant_id), str(service.id))

    def _log(self, service: WantedService) -> Path:
        return self._folders.logs / f"host-{service.name}-{str(service.id)[-8:]}.log"


class LocalHost:
    """A host process, our child or not, known by its pid file descriptor so that no other process is ever meant."""

    def __init__(self, handle: int, pong: Payload, address: Path, log: Path) -> None:
        self._handle = handle
        self._address = address
        self._log = log
        self.boot_id = str(pong["boot_id"])
        self.pid = int(pong["pid"])

    async def describe(self) -> dict[str, Any]:
        """The flows and forms of the service. Raises ServiceFailed."""
        try:
            line = await Line.open(self._address)
            try:
                return await line.ask({"op": "describe"})
            finally:
                await line.close()
        except ExecutionLost as error:
            raise HostLost(f"It went away while it was asked for its flows. {_tail(self._log)}") from error

    async def wakes(self) -> AsyncIterator[tuple[str, str]]:
        """Parked runs that have something to report; after a new connection the host repeats them."""
        line = await Line.open(self._address)
        try:
            await line.send({"op": "watch"})
            while True:
                message = await line.receive()
                if message.get("op") == "wake":
                    yield str(message["tenant_id"]), str(message["run_id"])
        finally:
            await line.close()

    async def ended(self) -> None:
        """Wait for the end of the process."""
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(self._handle, lambda: gone.done() or gone.set_result(None))
        try:
            await gone
        finally:
            loop.remove_reader(self._handle)

    async def stop(self) -> None:
        """Ask the process to end, and end it if it does not; its runs go on from their steps elsewhere."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self.ended()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.ended()

    async def answers(self) -> bool:
        """Whether the process gives a sign of life within 10 s."""
        with suppress(ExecutionLost, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                line = await Line.open(self._address)
                try:
                    return str((await line.ask({"op": "ping"}))["boot_id"]) == self.boot_id
                finally:
                    await line.close()
        return False

    def kill(self) -> None:
        """End the process at once."""
        self._signal(signal.SIGKILL)

    def tail(self) -> str:
        """The last lines the process printed."""
        return _tail(self._log)

    def close(self) -> None:
        """Let go of the process."""
        os.close(self._handle)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)


async def _answer(address: Path, log: Path, process: asyncio.subprocess.Process) -> HostProcess:
    """Wait until the new process itself answers at the address."""
    while process.returncode is None:
        with suppress(ExecutionLost):
            host = await _meet(address, log)
            if host is not None and host.pid == process.pid:
                return host
        await asyncio.sleep(POLL_S)
    if process.returncode < 0:
        raise HostLost(f"It was ended by signal {-process.returncode} before it answered. {_tail(log)}")
    raise ServiceFailed(f"It ended with exit code {process.returncode}. {_tail(log)}")


async def _meet(address: Path, log: Path) -> HostProcess | None:
    line = await Line.open(address)
    try:
        pong = await line.ask({"op": "ping"})
    finally:
        await line.close()
    try:
        handle = os.pidfd_open(int(pong["pid"]))
    except ProcessLookupError:
        return None
    if select.select([handle], [], [], 0)[0]:
        os.close(handle)
        return None
    return LocalHost(handle, pong, address, log)


def _environment(service: WantedService) -> dict[str, str]:
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**own, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", **service.env}


def _as_it_is_now(python: Path) -> Path:
    """The interpreter behind the link to its environment: when the link moves on, the process keeps what it knows."""
    return python.parent.parent.resolve() / "bin" / python.name


def _fresh(log: Path) -> IO[bytes]:
    """A new log, beside the one of the process before."""
    if log.exists():
        log.replace(log.with_suffix(".before.log"))
    return log.open("wb")


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
