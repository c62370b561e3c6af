"""Talking to a host over its socket: what its lines mean, and what its silence means."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_UNIX
from socket import socket as endpoint
from typing import Any

import orjson
import pytest

from activities.adapters.hosts import HostExecutor
from activities.executors import Began, Ended, ExecutionLost, OwnProcessDied, Parked, Report, Reported, Writing
from tests.core.records import SECRETS, Records
from tests.core.streams import until
from tests.parts import short_folder
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.hosts import socket_path
from windlass.contracts.runs import DriveEnd
from windlass.core.database import Database
from windlass.core.executions import Attached
from windlass.core.runs import StartRun

BYE = b""


class Socket:
    """The end of a host: it answers pings, says its lines to whoever attaches, and keeps what it hears."""

    def __init__(self, boot_id: str, *lines: dict[str, Any] | bytes) -> None:
        self.boot_id = boot_id
        self.lines = lines
        self.heard: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        while line := await reader.readline():
            message = orjson.loads(line)
            self.heard.append(message)
            for said in self._answers(message["op"]):
                if said == BYE:
                    writer.close()
                    return
                writer.write(said if isinstance(said, bytes) else orjson.dumps(said) + b"\n")
        writer.close()

    def _answers(self, op: str) -> tuple[dict[str, Any] | bytes, ...]:
        if op == "ping":
            return ({"op": "pong", "boot_id": self.boot_id, "pid": 1},)
        return self.lines if op == "attach" else ({"op": "cancelling"},) if op == "cancel" else ()


class Hosts:
    """A folder of sockets, and one run whose service listens on one of them."""

    def __init__(self, folder: Path, records: Records, attached: Attached, boot_id: str) -> None:
        self.executor = HostExecutor(records.executions, folder, SECRETS)
        self.records, self.attached, self.boot_id = records, attached, boot_id
        service = attached.record["service"]["id"]
        self.address = socket_path(folder, str(attached.tenant_id), service)

    @asynccontextmanager
    async def listening(self, *lines: dict[str, Any] | bytes) -> AsyncGenerator[Socket]:
        """A host that says these lines."""
        socket = Socket(self.boot_id, *lines)
        async with await asyncio.start_unix_server(socket.serve, str(self.address)):
            yield socket

    async def reports(self, *lines: dict[str, Any] | bytes) -> list[Report]:
        """What the driver makes of a host's lines."""
        async with self.listening(*lines):
            execution = await self.executor.open(self.attached, 1)
            try:
                return [report async for report in execution.reports()]
            finally:
                await execution.close()


@pytest.fixture
async def hosts(database: Database, records: Records) -> AsyncGenerator[Hosts]:
    """A run of a service whose host is known."""
    await records.serve("texts", "count")
    run = await records.runs.start(records.caller, StartRun("texts/count", {"text": "hi"}))
    async with database.tenant(records.tenant_id) as connection:
        boot_id = await connection.fetchval("select boot_id from host")
    with short_folder() as folder:
        yield Hosts(folder, records, await records.attach(run), boot_id)


async def test_a_host_is_told_all_about_the_run(hosts: Hosts):
    async with hosts.listening() as socket:
        execution = await hosts.executor.open(hosts.attached, 1)
        await execution.acknowledge({"agent:0": 3})
        await execution.stop()
        await execution.settle()
        await execution.close()
        await until(lambda: len(socket.heard) == 5)

    _, attach, *rest = socket.heard
    run = attach["run"]
    assert (run["flow"], run["inputs"], run["epoch"], run["attempt"]) == ("/count", {"text": "hi"}, 1, 1)
    assert (attach["steps"], attach["isolate"]) == ([], False)
    assert rest == [
        {"op": "ack", "producers": {"agent:0": 3}},
        {"op": "cancel", "run_id": str(hosts.attached.run_id)},
        {"op": "bye"},
    ]


async def test_the_lines_of_a_host_are_understood(hosts: Hosts):
    reports = await hosts.reports(
        {"op": "attached", "resumed": False, "boot_id": hosts.boot_id},
        {"op": "meta", "payload": {"summary": "s"}},
        {"op": "event", "producer": "agent:0", "pseq": 1, "kind": "action", "payload": {"str": "a"}},
        {"op": "delta", "item": "m", "order": 1, "text": "a"},
        {"op": "something", "of": "a newer host"},
        {"op": "parked", "until": None},
        {"op": "end", "outcome": "finished", "value": {"str": "done"}},
    )

    assert reports == [
        Began({"summary": "s"}),
        Reported(NewEvent(EventKind.ACTION, {"str": "a"}, "agent:0", 1)),
        Writing("m", 1, "a"),
        Parked(None),
        Ended(DriveEnd.FINISHED, {"str": "done"}, retryable=False),
    ]


async def test_a_parked_run_says_for_how_long(hosts: Hosts):
    until = datetime.now(UTC) + timedelta(seconds=90)

    first, _ = await hosts.reports({"op": "parked", "until": until.isoformat()}, {"op": "end", "outcome": "cancelled"})

    assert isinstance(first, Parked)
    assert first.seconds is not None
    assert 60 < first.seconds <= 90


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"outcome": "failed", "error": {"type": "E"}}, Ended(DriveEnd.FAILED, None, {"type": "E"}, retryable=True)),
        ({"outcome": "invalid", "error": {"type": "E"}}, Ended(DriveEnd.FAILED, None, {"type": "E"}, retryable=False)),
        ({"outcome": "cancelled"}, Ended(DriveEnd.CANCELLED, retryable=False)),
    ],
)
async def test_ends_are_told_apart(hosts: Hosts, end: dict[str, Any], expected: Ended):
    assert await hosts.reports({"op": "end", **end}) == [expected]


async def test_a_refusal_is_the_end_of_the_run(hosts: Hosts):
    (end,) = await hosts.reports({"op": "error", "reason": "no such flow: /gone"})

    assert isinstance(end, Ended)
    assert end.error == {"type": "HostRefused", "message": "no such flow: /gone"}
    assert not end.retryable


@pytest.mark.parametrize(
    "lines",
    [
        (BYE,),
        (b'{"op":"event","cut', BYE),
        (b"no json at all\n",),
        ({"op": "error", "reason": "the host is stopping"},),
    ],
    ids=["hangs up", "hangs up within a line", "speaks nonsense", "stops"],
)
async def test_a_host_that_fails_us_is_lost_not_the_run(hosts: Hosts, lines: tuple[Any, ...]):
    with pytest.raises(ExecutionLost):
        await hosts.reports(*lines)


async def test_the_death_of_the_runs_own_process_is_told_from_that_of_its_host(hosts: Hosts):
    with pytest.raises(OwnProcessDied, match="exit code 9"):
        await hosts.reports({"op": "died", "reason": "exit code 9"})


async def test_a_host_that_does_not_listen_is_lost(hosts: Hosts):
    with pytest.raises(ExecutionLost):
        await hosts.executor.open(hosts.attached, 1)
    with pytest.raises(ExecutionLost):
        await hosts.executor.stop(hosts.attached)


async def test_a_host_nobody_watches_over_yet_is_waited_for(hosts: Hosts):
    hosts.boot_id = "too new"

    with pytest.raises(ExecutionLost, match="not ready"):
        await hosts.reports()


async def test_a_run_that_nobody_drives_is_stopped_through_its_host(hosts: Hosts):
    async with hosts.listening() as socket:
        await hosts.executor.stop(hosts.attached)

    assert socket.heard == [{"op": "cancel", "run_id": str(hosts.attached.run_id)}]


async def test_a_replica_that_hangs_keeps_no_run_from_being_stopped(hosts: Hosts):
    attached = hosts.attached
    sibling = socket_path(hosts.address.parent, str(attached.tenant_id), attached.record["service"]["id"], 2)
    with endpoint(AF_UNIX) as hung:
        hung.bind(str(sibling))
        hung.listen()
        async with hosts.listening() as socket, asyncio.timeout(60):
            await hosts.executor.stop(attached)
        hears, _ = hung.accept()
        with hears:
            late = orjson.loads(hears.recv(1000))

    assert socket.heard == [late] == [{"op": "cancel", "run_id": str(attached.run_id)}]


async def test_an_agent_that_is_gone_has_no_host_to_stop(hosts: Hosts):
    gone = Attached(hosts.attached.tenant_id, hosts.attached.run_id, 1, None, {"service": None})

    with pytest.raises(ExecutionLost, match="agent is gone"):
        await hosts.executor.stop(gone)


async def test_after_two_deaths_a_run_gets_a_process_of_its_own(hosts: Hosts):
    isolated: list[bool] = []
    for _ in range(3):
        async with hosts.listening() as socket:
            execution = await hosts.executor.open(hosts.attached, 1)
            await execution.close()
            await until(lambda: len(socket.heard) == 2)
        isolated.append(socket.heard[1]["isolate"])
        await next_host(hosts)

    assert isolated == [False, False, True]


async def next_host(hosts: Hosts) -> None:
    """The host crashes, and another takes its place."""
    records = hosts.records
    service = await records.wanted_service("texts")
    await records.wanted.record_end(service, hosts.boot_id, "crashed")
    hosts.boot_id += " again"
    await records.up("texts", hosts.boot_id, "count")
    hosts.attached = await records.attach(await records.runs.get(records.caller, hosts.attached.run_id))


async def test_a_line_longer_than_allowed_is_a_lost_host(hosts: Hosts, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("activities.adapters.hosts.LINE_BYTES", 1000)

    with pytest.raises(ExecutionLost):
        await hosts.reports({"op": "event", "payload": "x" * 5000})
