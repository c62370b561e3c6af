"""A host that answers, but not when it is asked for its flows."""

import asyncio
import os
from pathlib import Path

import orjson
import pytest

from activities.adapters.processes import LocalHost
from activities.failures import ServiceFailed
from tests.parts import short_folder


@pytest.mark.parametrize(
    ("answer", "reason"), [(b"", "did not say its flows within"), (b'{"flows": 7}\n', "nobody understands")]
)
async def test_a_host_that_does_not_say_its_flows_fails_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str
):
    monkeypatch.setattr("activities.adapters.processes.READY_S", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert orjson.loads(await reader.readline()) == {"op": "describe"}
        writer.write(answer)
        await reader.read()
        writer.close()

    with short_folder() as folder:
        address = folder / "host.sock"
        async with await asyncio.start_unix_server(serve, address):
            host = LocalHost(os.pidfd_open(os.getpid()), {"boot_id": "b", "pid": 1}, address, Path("no.log"))
            with pytest.raises(ServiceFailed, match=reason):
                await host.describe()
            host.close()
