"""How late an event is: appended by a worker, seen by a client over SSE, at 400 events/s and 100 clients.

`python -m tests.bench.bench_stream [seconds streams rate clients]` on a PostgreSQL of its own; gateway, writers and
clients are processes of their own, and latency runs from before the append to the parsed event.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import Response

from api.sse import After, stream_response
from tests.core.streams import live_streams, open_stream
from tests.parts import free_ports, running_postgres, short_folder
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import TenantId, new_id
from windlass.core.database import Database
from windlass.core.events import Events
from windlass.core.wakeup import Notifier


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured: `clients` follow `streams` evenly while `rate` events a second are appended for `seconds`."""

    seconds: int = 10
    streams: int = 20
    rate: int = 400
    clients: int = 100

    @property
    def each(self) -> int:
        """How many events each stream gets, before its terminal one."""
        return self.rate * self.seconds // self.streams


@dataclass(frozen=True, slots=True)
class Load:
    """A size, and where it is put."""

    url: str
    port: int
    tenant_id: TenantId
    streams: Sequence[UUID]
    size: Size


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds from before the append to the client; `cpu` is the gateway's, in cores."""

    size: Size
    delivered: int
    delivered_per_s: float
    missing: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    gateway_cpu: float


async def serve(load: Load) -> None:
    """A gateway with one route."""
    async with live_streams(load.url) as live:
        app = FastAPI()

        @app.get("/{stream_id}")
        async def follow(stream_id: UUID, after: After) -> Response:  # pyright: ignore[reportUnusedFunction]
            return await stream_response(live.hub, load.tenant_id, stream_id, after, partial(asyncio.sleep, 0, True))

        @app.get("/")
        async def used() -> float:  # pyright: ignore[reportUnusedFunction]
            return time.process_time()

        config = uvicorn.Config(app, port=load.port, log_level="error", loop="none", http="httptools")
        await uvicorn.Server(config).serve()


async def write(load: Load) -> None:
    """Append to every stream at its share of the rate, then end it."""
    database = await Database.connect(load.url, max_size=8)
    notifier = Notifier(load.url)
    await notifier.start()
    events = Events(database, notifier)

    async def feed(place: int, stream_id: UUID) -> None:
        pause = load.size.streams / load.size.rate
        due = time.monotonic() + pause * place / load.size.streams
        for n in range(load.size.each):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += pause
            payload = {"sent": time.time(), "text": "x" * 200}
            await events.append(load.tenant_id, stream_id, [NewEvent(EventKind.RESULT, payload, "agent:0", n)])
        end = NewEvent(EventKind.STATUS, {"status": "finished", "sent": time.time()}, "run:1", 1)
        await events.append(load.tenant_id, stream_id, [end])

    await asyncio.gather(*(feed(place, stream_id) for place, stream_id in enumerate(load.streams)))
    await notifier.close()
    await database.close()


async def read(load: Load, place: int) -> list[float]:
    """Follow one stream to its end; answers the latency of each event in milliseconds. A gap is an error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    writer.write(f"GET /{load.streams[place % len(load.streams)]} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
    latencies: list[float] = []
    expected = 1
    async for line in reader:
        if line.startswith(b"id: "):
            assert int(line[4:]) == expected, f"{line!r} instead of {expected}"
            expected += 1
        elif line.startswith(b"data: "):
            latencies.append((time.time() - json.loads(line[6:])["payload"]["sent"]) * 1000)
        elif line.startswith(b"0\r\n"):
            break
    writer.close()
    return latencies


async def gateway_cpu(load: Load) -> float:
    """The processor time of the gateway so far, once it answers."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
            writer.write(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return float(answer.rsplit(b"\r\n", 1)[-1])
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)


def run_gateway(load: Load) -> None:
    """The gateway's process."""
    uvloop.run(serve(load))


def run_writers(load: Load) -> None:
    """The writers' process."""
    uvloop.run(write(load))


async def measure(url: str, size: Size) -> Figures:
    """Run one load with its three processes."""
    tenant_id = TenantId(new_id())
    database = await Database.connect(url, max_size=1)
    ids = [await open_stream(database, tenant_id) for _ in range(size.streams)]
    await database.close()
    load = Load(url, free_ports(1)[0], tenant_id, ids, size)
    spawn = multiprocessing.get_context("spawn")
    gateway, writers = (spawn.Process(target=target, args=(load,)) for target in (run_gateway, run_writers))
    gateway.start()
    try:
        before = await gateway_cpu(load)
        reading = [asyncio.create_task(read(load, place)) for place in range(load.size.clients)]
        await asyncio.sleep(1)
        writers.start()
        latencies = sorted(ms for seen in await asyncio.gather(*reading) for ms in seen)
        used = await gateway_cpu(load) - before
    finally:
        gateway.kill()
        gateway.join()
        writers.join()
    return summarise(load, latencies, used)


def summarise(load: Load, latencies: Sequence[float], used_s: float) -> Figures:
    """Put sorted latencies into figures."""
    p50, p95, p99 = (round(latencies[int(len(latencies) * share)], 1) for share in (0.5, 0.95, 0.99))
    return Figures(
        size=load.size,
        delivered=len(latencies),
        delivered_per_s=round(len(latencies) / load.size.seconds),
        missing=load.size.clients * (load.size.each + 1) - len(latencies),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=round(latencies[-1], 1),
        gateway_cpu=round(used_s / load.size.seconds, 3),
    )


async def bench(folder: Path, size: Size) -> Figures:
    """Measure on a PostgreSQL in `folder`."""
    async with running_postgres(folder) as postgres:
        return await measure(postgres.url, size)


async def stream(home: Path, *, is_quick: bool) -> dict[str, float]:
    """The figures that are kept."""
    figures = await bench(home, Size(seconds=1) if is_quick else Size())
    return {
        "p50 ms": figures.p50_ms,
        "p99 ms": figures.p99_ms,
        "missing": figures.missing,
        "cores": figures.gateway_cpu,
    }


def main(size: Size) -> Figures:
    """Measure and answer the figures."""
    with short_folder() as folder:
        return asyncio.run(bench(folder, size))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(Size(*map(int, sys.argv[1:])))), indent=2) + "\n")
