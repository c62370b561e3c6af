"""Hosts as processes of this machine: started in their own session, or adopted from an earlier services worker."""

import asyncio
import os
import re
import select
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

from activities.adapters.environments import Environments, Limits
from activities.adapters.hosts import Line
from activities.adapters.sources import Sources
from activities.executors import ExecutionLost
from activities.failures import HostLost, NotStarted, ServiceFailed
from activities.services import HostProcess, Say
from windlass.contracts.events import Payload
from windlass.contracts.hosts import socket_path
from windlass.core.errors import Unavailable
from windlass.core.wanted import WantedService
from windlass.host.endings import EXIT_START_FAILED, VISITS_S

READY_S = 60.0
ANSWER_S = 10.0
POLL_S = 0.05
BOOT_ID = re.compile("[0-9a-f]{32}")
KEPT_LOGS = 3  # of hosts that are gone
TAIL_BYTES = 4000
STOP_S = 13.0  # longer than a host that is told to end takes at most
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class HostFolders:
    """Where hosts of this machine keep their sockets and logs, and what they run on."""

    sockets: Path
    logs: Path
    environments: Path  # those of services that need more than the base one
    python: str  # the interpreter of an environment that holds the SDK and nothing else
    lifeline: int | None  # the read end of the supervisor's pipe: hosts end when it closes


Unseal = Callable[[WantedService], Mapping[str, str]]  # raises Unavailable


class Started(Protocol):
    """A process that is being started, as much as is needed of it."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def returncode(self) -> int | None:
        """How it has ended; None: it has not."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


# What `asyncio.create_subprocess_exec` does, or a fork of a process that has loaded the program.
Execute = Callable[..., Awaitable[Started]]


def nothing(_service: WantedService) -> Mapping[str, str]:
    """Where services have no secrets."""
    return {}


class LocalHosts:
    """Starts, finds and ends the hosts of this machine."""

    def __init__(
        self,
        folders: HostFolders,
        sources: Sources,
        unseal: Unseal = nothing,
        limits: Limits | None = None,
        execute: Execute = asyncio.create_subprocess_exec,
    ) -> None:
        self._folders, self._sources, self._unseal, self._execute = folders, sources, unseal, execute
        self._environments = Environments(folders.environments, folders.python, limits)
        folders.sockets.mkdir(parents=True, exist_ok=True)
        folders.logs.mkdir(parents=True, exist_ok=True)

    async def find(self, service: WantedService) -> HostProcess | None:
        """The host that already serves the service, if one answers."""
        address = self._address(service)
        with suppress(ExecutionLost, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                return await _meet(address, self._logs(service))
        return None

    async def prepare(self, service: WantedService, say: Say) -> str:
        """The interpreter of an environment that holds what the service asks for. Raises ServiceFailed."""
        place = await self._sources.fetch(service, say)
        return await self._environments.prepare(replace(service, project=str(place)), say)

    async def sweep(self) -> None:
        """Remove environments and programs that a killed worker left half-made, or that nobody has used for long."""
        await self._sources.sweep()
        await self._environments.sweep()

    async def start(self, service: WantedService, python: str, boot_id: str) -> HostProcess:
        """Start a host and wait until it answers. Raises ServiceFailed with the last lines it printed."""
        logs = self._logs(service)
        process = await self._spawn(service, python, boot_id)
        is_up = False
        try:
            async with asyncio.timeout(READY_S):
                host = await _answer(self._address(service), logs, process, boot_id)
            is_up = True
            return host
        except TimeoutError as error:
            raise ServiceFailed(f"It did not answer within {READY_S:.0f} s.{_told(logs.of(boot_id))}") from error
        finally:
            if not is_up and process.returncode is None:  # also when nobody wants it any more
                process.kill()

    async def end(self, boot_id: str, *, is_replaced: bool = False) -> bool:
        """End a host by what its command line says, which no other process says; whether it still was there.

        One whose place another host has may answer first those who came to it.
        """
        handle = await asyncio.to_thread(_open, boot_id)
        if handle is None:
            return False
        try:
            await _stop(handle, STOP_S + VISITS_S if is_replaced else STOP_S)
            return True
        finally:
            os.close(handle)

    async def _spawn(self, service: WantedService, python: str, boot_id: str) -> Started:
        folders = self._folders
        arguments = ["--service", service.name, "--app", service.import_path, "--socket", str(self._address(service))]
        arguments += ["--boot-id", boot_id]  # said here too, so that the process can be told from any other
        if folders.lifeline is not None:
            arguments += ["--lifeline-fd", str(folders.lifeline)]
        logs = self._logs(service)
        await asyncio.to_thread(logs.tidy)
        with logs.fresh(boot_id) as output:  # opened here: what a thread opens for a cancelled caller, nobody closes
            return await self._execute(
                str(_as_it_is_now(Path(python))),
                "-m",
                "windlass.host",
                *arguments,
                cwd=self._sources.place(service),
                env=_environment(service, self._secrets(service)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=() if folders.lifeline is None else (folders.lifeline,),
            )

    def _secrets(self, service: WantedService) -> Mapping[str, str]:
        try:
            return self._unseal(service)
        except Unavailable as error:
            raise ServiceFailed(f"Its secrets cannot be opened here. {error}") from error

    def _address(self, service: WantedService) -> Path:
        return socket_path(self._folders.sockets, str(service.tenant_id), str(service.id), service.replica)

    def _logs(self, service: WantedService) -> "Logs":
        return Logs(self._folders.logs, f"host-{service.name}-{str(service.id)[-8:]}")


@dataclass(frozen=True, slots=True)
class Logs:
    """What the hosts of a service printed, each in a file of its own."""

    folder: Path
    name: str

    def of(self, boot_id: str) -> Path:
        """The log of one host."""
        known = boot_id if BOOT_ID.fullmatch(boot_id) else "unknown"  # agent code shares the process that says it
        return self.folder / f"{self.name}-{known}.log"

    def fresh(self, boot_id: str) -> IO[bytes]:
        """An empty log for a host that is to be started."""
        return self.of(boot_id).open("wb")

    def tidy(self) -> None:
        """Remove the logs of hosts that are gone, but for the last few."""
        living = {part for command in _hosts().values() for part in command}
        gone = [log for log in self.folder.glob(f"{self.name}-*.log") if log.stem[-32:].encode() not in living]
        for log in sorted(gone, key=lambda log: log.stat().st_mtime)[:-KEPT_LOGS]:
            log.unlink(missing_ok=True)


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
            async with asyncio.timeout(READY_S):
                line = await Line.open(self._address)
                try:
                    said = await line.ask({"op": "describe"})
                finally:
                    await line.close()
        except ExecutionLost as error:
            raise HostLost(f"It went away while it was asked for its flows.{_told(self._log)}") from error
        except TimeoutError as error:
            raise ServiceFailed(f"It did not say its flows within {READY_S:g} s.{_told(self._log)}") from error
        if not isinstance(said.get("flows"), list):
            raise ServiceFailed(f"It says what nobody understands when asked for its flows.{_told(self._log)}")
        return said

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
        await _ended(self._handle)

    async def stop(self) -> None:
        """Ask the process to end, and end it if it does not; its runs go on from their steps elsewhere."""
        await _stop(self._handle, STOP_S)

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
        _signal(self._handle, signal.SIGKILL)

    def tail(self) -> str:
        """The last lines the process printed."""
        return _tail(self._log)

    def close(self) -> None:
        """Let go of the process."""
        os.close(self._handle)


async def _stop(handle: int, patience_s: float) -> None:
    """Ask a process to end, and end it if it does not."""
    _signal(handle, signal.SIGTERM)
    try:
        async with asyncio.timeout(patience_s):
            await _ended(handle)
    except TimeoutError:
        _signal(handle, signal.SIGKILL)
        await _ended(handle)


async def _ended(handle: int) -> None:
    """Wait for the end of a process; several may wait, each with a descriptor of its own."""
    mine, loop = os.dup(handle), asyncio.get_running_loop()
    gone = loop.create_future()
    loop.add_reader(mine, lambda: gone.done() or gone.set_result(None))
    try:
        await gone
    finally:
        loop.remove_reader(mine)
        os.close(mine)


def _is_over(handle: int) -> bool:
    """Whether a process has ended; unlike `select`, it takes descriptors over 1023 too."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def _signal(handle: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, number)


def _open(boot_id: str) -> int | None:
    """A handle on the host that was told this boot id; None: it is not there."""
    if not BOOT_ID.fullmatch(boot_id):  # as a host said that was adopted: it may be anything
        return None
    for number, command in _hosts().items():
        if boot_id.encode() in command:
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(number)
                if _command_line(number) == command:  # not another process that has its number by now
                    return handle
                os.close(handle)
    return None


def _hosts() -> dict[int, list[bytes]]:
    """The hosts of this machine: process numbers and command lines."""
    commands = {
        int(each.name): _command_line(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit()
    }
    return {number: command for number, command in commands.items() if {b"--boot-id", b"--socket"} <= {*command}}


def _command_line(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def _answer(address: Path, logs: Logs, process: Started, boot_id: str) -> HostProcess:
    """Wait until the new process itself answers at the address."""
    while process.returncode is None:
        with suppress(ExecutionLost):
            host = await _meet(address, logs)
            if host is not None and host.pid == process.pid:
                return host
            if host is not None:  # the one before: each look at it holds a descriptor
                host.close()
        await asyncio.sleep(POLL_S)
    said = _told(logs.of(boot_id))
    if process.returncode < 0:
        raise HostLost(f"It was ended by signal {-process.returncode} before it answered.{said}")
    if process.returncode == EXIT_START_FAILED:
        raise NotStarted(f"It was imported, and did not start.{said}")
    raise ServiceFailed(f"It ended with exit code {process.returncode}.{said}")


async def _meet(address: Path, logs: Logs) -> HostProcess | None:
    line = await Line.open(address)
    try:
        pong = await line.ask({"op": "ping"})
    finally:
        await line.close()
    try:
        boot_id, handle = str(pong["boot_id"]), os.pidfd_open(int(pong["pid"]))
    except (OSError, KeyError, TypeError, ValueError):  # it is gone, or it answers what no host does
        return None
    if _is_over(handle):
        os.close(handle)
        return None
    return LocalHost(handle, pong, address, logs.of(boot_id))


def _environment(service: WantedService, secrets: Mapping[str, str]) -> dict[str, str]:
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**own, "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", **service.inherited, **service.env, **secrets}


def _as_it_is_now(python: Path) -> Path:
    """The interpreter behind the link to its environment: when the link moves on, the process keeps what it knows."""
    return python.parent.parent.resolve() / "bin" / python.name


def _told(log: Path) -> str:
    """What a process said last: where that are several lines, the last one in the same breath and all of them below."""
    said = _tail(log)
    last = said.rpartition("\n")[2].strip()
    return f" {last}\n{said}" if last != said else said and f" {said}"


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
