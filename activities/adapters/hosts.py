"""Service hosts: runs executed by another process, over line-delimited JSON on a unix socket."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from activities.executors import (
    Began,
    Due,
    Ended,
    ExecutionLost,
    OwnProcessDied,
    Parked,
    Report,
    Reported,
    Writing,
)
from activities.passwords import Opened, RunPasswords
from windlass.contracts.events import EventKind, NewEvent, Payload
from windlass.contracts.hosts import LINE_BYTES, STOPPING, socket_path, sockets_from
from windlass.contracts.runs import DriveEnd
from windlass.core.executions import Attached, Executions
from windlass.core.form_secrets import FormSecrets
from windlass.core.identity import RunClaim, RunTokens

ISOLATE_AFTER_DEATHS = 2
CANCEL_S = 1.0  # less than the STOP of a run, which a host that does not answer would keep from its end
GREET_S = 2.0  # of several replicas, those that have not answered by then get no new run
ENDS = {
    "finished": DriveEnd.FINISHED,
    "failed": DriveEnd.FAILED,
    "invalid": DriveEnd.FAILED,
    "cancelled": DriveEnd.CANCELLED,
}


class Line:
    """One connection to a host: JSON objects out and in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: Path) -> "Line":
        """Connect. Raises ExecutionLost when nobody listens."""
        try:
            return cls(*await asyncio.open_unix_connection(str(address), limit=LINE_BYTES))
        except OSError as error:
            raise ExecutionLost(f"no host listens: {error.strerror}") from error

    async def send(self, message: Payload) -> None:
        """Send one object. Raises ExecutionLost."""
        try:
            self._writer.write(orjson.dumps(message) + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise ExecutionLost("the host hung up") from error

    async def receive(self) -> Payload:
        """The next object. Raises ExecutionLost at the end of the connection."""
        try:
            line = await self._reader.readline()
            if line.endswith(b"\n"):
                return orjson.loads(line)
        except (OSError, ValueError) as error:  # ValueError: a line that is too long, or no JSON
            raise ExecutionLost("the host does not speak") from error
        raise ExecutionLost("the host hung up")

    async def ask(self, message: Payload) -> Payload:
        """Send one object and await the answer."""
        await self.send(message)
        return await self.receive()

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


Met = tuple[Line, Payload]  # a host on the line, and what it said of itself


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where runs reach their files: the gateway, and what signs their tokens."""

    url: str
    tokens: RunTokens

    def of(self, attached: Attached, boot_id: str) -> Payload:
        """What a run is told: the address, and a token for this attempt in this host."""
        claim = RunClaim(attached.tenant_id, attached.run_id, attached.attempt, boot_id)
        return {"url": self.url, "token": self.tokens.issue(claim)}


class HostExecutor:
    """Executes the flows of services in their hosts, on this machine.

    A run stays with the replica that has it until that host's end is on record, so that each death of a host is
    counted; a run that nobody has goes to the replica with the fewest.
    """

    def __init__(
        self, executions: Executions, sockets: Path, secrets: FormSecrets, files: FilePlace | None = None
    ) -> None:
        self._executions = executions
        self._sockets = sockets
        self._secrets = secrets
        self._files = files
        self._turns = itertools.count()

    async def open(self, attached: Attached, attempt: int) -> "HostExecution":
        """Start the run in a host of its service, or attach to it. Raises ExecutionLost, SecretSealed."""
        passwords, opened = RunPasswords.of(self._secrets, attached)
        line, pong = await self._meet(attached)
        try:
            boot_id = str(pong["boot_id"])
            deaths = await self._deaths(attached, boot_id)
            if attached.record["host_boot"] != boot_id and not await self._executions.place(attached, boot_id):
                raise ExecutionLost("the host is not ready")
            files = self._files and self._files.of(attached, boot_id)
            await line.send(_attach(attached, opened, files, isolate=deaths >= ISOLATE_AFTER_DEATHS))
        except BaseException:
            await line.close()
            raise
        return HostExecution(line, attached, passwords)

    async def stop(self, attached: Attached) -> None:
        """Tell whichever host has a run that nobody drives to stop it. Raises ExecutionLost when none was told."""
        told = [self._cancel(attached, address) for address in self._addresses(attached)]
        failures = [each for each in await asyncio.gather(*told, return_exceptions=True) if each is not None]
        for failure in failures:
            if len(failures) == len(told) or not isinstance(
                failure, ExecutionLost
            ):  # the others are no excuse for that
                raise failure

    async def _cancel(self, attached: Attached, address: Path) -> None:
        """Tell one host. Raises ExecutionLost; one that only took too long obeys once it hears it."""
        try:
            async with asyncio.timeout(CANCEL_S):
                line = await Line.open(address)
                try:
                    await line.ask({"op": "cancel", "run_id": str(attached.run_id)})
                finally:
                    await line.close()
        except TimeoutError as error:
            raise ExecutionLost("a host does not answer") from error

    async def _meet(self, attached: Attached) -> Met:
        """A line to the replica that has the run, or to the one with the fewest. Raises ExecutionLost."""
        addresses = self._addresses(attached)
        if len(addresses) == 1:
            return await _greet(addresses[0])
        greeting = [asyncio.create_task(_greet(address)) for address in addresses]
        chosen: Met | None = None
        try:
            await asyncio.wait(greeting, timeout=GREET_S)
            met = [each.result() for each in greeting if each.done() and each.exception() is None]
            if not met:
                raise ExecutionLost("no host of the service answers")
            chosen = min(met, key=_runs)
            return chosen
        finally:
            await _part(greeting, chosen)

    def _addresses(self, attached: Attached) -> list[Path]:
        """Where the run may be executed."""
        service, replica = attached.record["service"], attached.record.get("replica")
        if service is None:
            raise ExecutionLost("the agent is gone, and its host with it")
        if replica is not None:
            return [socket_path(self._sockets, str(attached.tenant_id), service["id"], replica)]
        return sockets_from(next(self._turns), self._sockets, str(attached.tenant_id), service["id"])

    async def _deaths(self, attached: Attached, boot_id: str) -> int:
        """How many hosts have died under the run without a newly finished step."""
        last = attached.record["host_boot"]
        if last is None or last == boot_id:
            return attached.record["deaths"]
        deaths, _alone = await self._executions.note_host_death(attached, last)
        return deaths


class HostExecution:
    """One run in a host, over its own connection."""

    def __init__(self, line: Line, attached: Attached, passwords: RunPasswords) -> None:
        self._line = line
        self._attached = attached
        self._passwords = passwords

    async def reports(self) -> AsyncIterator[Report]:
        """What the host says of the run, up to its end. Raises ExecutionLost."""
        while True:
            message = self._passwords.cover(await self._line.receive())
            report = _report(message)
            if report is None:
                continue
            yield report
            if isinstance(report, Ended):
                return

    async def acknowledge(self, stored: Mapping[str, int]) -> None:
        """Let the host forget what is stored."""
        with contextlib.suppress(ExecutionLost):  # the reader notices; what is not acknowledged comes again
            await self._line.send({"op": "ack", "producers": dict(stored)})

    async def stop(self) -> None:
        """Tell the host to cancel the run."""
        with contextlib.suppress(ExecutionLost):  # the reader notices
            await self._line.send({"op": "cancel", "run_id": str(self._attached.run_id)})

    async def answer(self, questions: Sequence[Payload]) -> None:
        """Tell the host where the run's questions stand."""
        told = self._passwords.questions(questions)
        with contextlib.suppress(ExecutionLost):  # the reader notices; an attach tells it again
            await self._line.send({"op": "answers", "questions": told})

    async def settle(self) -> None:
        """Tell the host that the end is stored, so that it forgets the run."""
        with contextlib.suppress(ExecutionLost):  # a host that is gone has forgotten it
            await self._line.send({"op": "bye"})

    async def close(self) -> None:
        """Hang up; the run goes on."""
        await self._line.close()


async def _greet(address: Path) -> Met:
    """A line to a host, and how it is. Raises ExecutionLost."""
    line = await Line.open(address)
    try:
        return line, await line.ask({"op": "ping"})
    except BaseException:
        await line.close()
        raise


async def _part(greeting: Sequence[asyncio.Task[Met]], chosen: Met | None) -> None:
    """Hang up on all others."""
    for each in greeting:
        each.cancel()
    for said in await asyncio.gather(*greeting, return_exceptions=True):
        if not isinstance(said, BaseException) and said is not chosen:
            await said[0].close()


def _runs(met: Met) -> int:
    """How many runs a host says it has; agent code shares the process that says it."""
    said = met[1].get("runs")
    return said if isinstance(said, int) else 0


def _attach(attached: Attached, opened: Opened, files: Payload | None, *, isolate: bool) -> Payload:
    record = attached.record
    run = {
        "run_id": str(attached.run_id),
        "tenant_id": str(attached.tenant_id),
        "user_id": record["user_id"],
        "agent": record["agent"],
        "flow": record["service"]["path"],
        "inputs": opened.inputs,
        "extra": record["extra"],
        "launch": opened.launch,
        "epoch": attached.epoch,
        "attempt": attached.attempt,
        "files": files,
    }
    known = {"steps": opened.steps, "questions": opened.questions}
    return {"op": "attach", "run": run, **known, "isolate": isolate}


def _report(message: Payload) -> Report | None:
    """What a line of the host means; None for what is of no concern here."""
    match message.get("op"):
        case "event":
            kind = EventKind(message["kind"])
            return Reported(NewEvent(kind, message["payload"], message["producer"], message["pseq"]))
        case "meta":
            return Began(message["payload"])
        case "delta":
            return Writing(message["item"], message["order"], message["text"])
        case "parked":
            return Parked(_seconds_until(message.get("until")), bool(message.get("awaiting")))
        case "end":
            end = ENDS[message["outcome"]]
            return Ended(end, message.get("value"), message.get("error"), retryable=message["outcome"] == "failed")
        case "died":
            raise OwnProcessDied(str(message.get("reason", "")))
        case _:
            return _rare(message)


def _rare(message: Payload) -> Report | None:
    match message.get("op"):
        case "due":
            return Due()
        case "error":
            return _refused(str(message.get("reason", "the host refused the run")))
        case _:
            return None


def _refused(reason: str) -> Report:
    if reason == STOPPING:
        raise ExecutionLost(STOPPING)
    return Ended(DriveEnd.FAILED, error={"type": "HostRefused", "message": reason}, retryable=False)


def _seconds_until(moment: str | None) -> float | None:
    if moment is None:
        return None
    return max((datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds(), 0.0)
