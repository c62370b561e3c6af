"""What it costs the gateway that clients watch runs which say nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.bench.figures import Bench
from tests.bench.machine import family, pss_mib, threads_s, used_s
from tests.bench.wire import Wire

ASLEEP: dict[str, Any] = {"agent": "hello/sleep", "inputs": {"seconds": 3600}}
CLIENTS, RUNS, SETTLE_S, WATCHED_S = 100, 10, 10, 60


async def idle_streams(bench: Bench) -> dict[str, Any]:
    """Clients on ten sleeping runs: what the gateway uses more than without them, pings and checks included."""
    wire, count, seconds = await bench.stack.wire(), bench.scaled(CLIENTS), bench.scaled(WATCHED_S)
    ids = [(await wire.ask("POST", "/v1/runs", ASLEEP))["id"] for _ in range(RUNS)]
    gateway = [pid for pid, name in family(bench.stack.pid).items() if name == "gateway"]
    first = await _watching(bench, ids[:1])  # what the first stream of a gateway loads is no stream's cost
    await asyncio.sleep(SETTLE_S)
    alone, before = await _cores(gateway, seconds), pss_mib(gateway)
    streams = await _watching(bench, [ids[n % RUNS] for n in range(count)])
    await asyncio.sleep(SETTLE_S)
    watched, after = await _cores(gateway, seconds), pss_mib(gateway)
    lost = sum(each.done() for each in streams)
    for each in ids:
        await wire.ask("POST", f"/v1/runs/{each}/cancel")
    seen = await asyncio.gather(*first, *streams)
    await wire.close()
    return {
        "streams": count,
        "lost": lost,
        "with gaps": sum(each != list(range(1, len(each) + 1)) for each in seen),
        "gateway without them, cores": round(alone, 4),
        "gateway with them, cores": round(watched, 4),
        "gateway, cores more": round(watched - alone, 4),
        "growth per stream, MiB": round((after - before) / count, 3),
    }


async def _watching(bench: Bench, ids: Sequence[str]) -> list[asyncio.Task[list[int]]]:
    """A client for each of these runs, that reads to the end of its stream."""

    async def follow(wire: Wire, run: str) -> list[int]:
        seqs = await wire.follow(f"/v1/runs/{run}/stream")
        await wire.close()
        return seqs

    return [asyncio.create_task(follow(await bench.stack.wire(), each)) for each in ids]


async def _cores(pids: Sequence[int], seconds: int) -> float:
    before = threads_s(pids)
    await asyncio.sleep(seconds)
    return sum(used_s(before, threads_s(pids)).values()) / seconds
