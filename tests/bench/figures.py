"""The figures of the bench, each measured beside raw Temporal where a ratio is asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from temporalio.client import Client

from stack.readiness import wait_until
from tests.bench.machine import Thread, family, pss_mib, threads_s, used_s
from tests.bench.raw import QUEUE, RawWorkflow
from tests.bench.stack import Stack, running
from tests.bench.wire import Wire
from windlass.contracts.ids import new_id, workflow_id

Row = dict[str, Any]

TRIVIAL: Row = {"agent": "hello/trivial", "inputs": {}}
SERVER, WORKER = "start-dev", "workers runs"
BLOCK, REPETITIONS = 50, 5


class Bench:
    """A stack with a raw worker beside it on the same Temporal server."""

    def __init__(self, stack: Stack, raw: Client, *, is_quick: bool) -> None:
        self.stack, self._raw = stack, raw
        self._share = 10 if is_quick else 1

    def scaled(self, count: int) -> int:
        """The amount of work: a tenth when it shall be quick."""
        return max(count // self._share, 1)

    async def raw(self) -> float:
        """Seconds of one raw workflow, start to result."""
        began = time.perf_counter()
        await self._raw.execute_workflow(RawWorkflow.run, 1, id=f"raw-{new_id()}", task_queue=QUEUE)
        return time.perf_counter() - began

    async def run(self, wire: Wire, body: Row = TRIVIAL) -> tuple[float, float]:
        """Seconds of one run: until it was accepted, and until its end was seen on the stream."""
        began = time.perf_counter()
        run = await wire.ask("POST", "/v1/runs", body)
        accepted = time.perf_counter() - began
        seqs = await wire.follow(f"/v1/runs/{run['id']}/stream")
        if seqs != list(range(1, len(seqs) + 1)):
            raise AssertionError(f"run {run['id']}: gap or repeat in {seqs}")
        return accepted, time.perf_counter() - began


async def sequential(bench: Bench) -> Row:
    """One run after the other, in blocks that alternate with raw ones."""
    wire = await bench.stack.wire()
    ratios: list[float] = []
    ended: list[float] = []
    accepted: list[float] = []
    raws: list[float] = []
    parts: list[dict[str, float]] = []
    server: list[float] = []
    for _ in range(REPETITIONS):
        before = threads_s(family(bench.stack.pid))
        raw = [await bench.raw() for _ in range(bench.scaled(BLOCK))]
        server.append(_by_part(bench, before)[SERVER] / len(raw) * 1000)
        before = threads_s(family(bench.stack.pid))
        runs = [await bench.run(wire) for _ in range(bench.scaled(BLOCK))]
        parts.append({name: used / len(runs) * 1000 for name, used in _by_part(bench, before).items()})
        accepted += [first for first, _last in runs]
        ended.append(median(last for _first, last in runs) * 1000)
        raws.append(median(raw) * 1000)
        ratios.append(ended[-1] / raws[-1])
    await wire.close()
    return {
        "POST to finished on SSE, median ms": _spread(ended),
        "raw, 1 activity, median ms": _spread(raws),
        "ratio to raw": _spread(ratios),
        "CPU of Temporal's server per raw run, ms": _spread(server),
        "POST to 202, p95 ms": round(quantiles(accepted, n=20)[-1] * 1000, 1),
        "CPU per run without the Temporal server, ms": _spread(
            [sum(used for name, used in each.items() if name != SERVER) for each in parts]
        ),
        "CPU per run by part, ms": {name: round(median(each[name] for each in parts), 1) for name in parts[0]},
    }


async def parallel(bench: Bench) -> Row:
    """Many at once: runs a second, and the ratio to raw."""
    row: Row = {}
    for width in (10, 50):
        rates: list[float] = []
        ratios: list[float] = []
        for _ in range(REPETITIONS):
            count = bench.scaled(width * 5)
            raw = await _rate(count, width, lambda _wire: bench.raw())
            wires = [await bench.stack.wire() for _ in range(width)]
            rates.append(await _rate(count, width, bench.run, wires))
            ratios.append(rates[-1] / raw)
            await asyncio.gather(*(wire.close() for wire in wires))
        row[f"{width} at once, runs/s"] = _spread(rates)
        row[f"{width} at once, ratio to raw"] = _spread(ratios)
    return row


async def exactly_once(bench: Bench) -> Row:
    """Runs lost, and events lost or doubled: each stream must show the whole log, once and in order."""
    count, width = bench.scaled(2000), 20
    wires = [await bench.stack.wire() for _ in range(width)]
    unfinished: list[str] = []
    astray: list[str] = []

    async def one(wire: Wire) -> None:
        run = (await wire.ask("POST", "/v1/runs", TRIVIAL))["id"]
        seen = await wire.follow(f"/v1/runs/{run}/stream")
        log = (await wire.ask("GET", f"/v1/runs/{run}/events?limit=500"))["items"]
        if (await wire.ask("GET", f"/v1/runs/{run}"))["status"] != "finished":
            unfinished.append(run)
        if seen != list(range(1, len(log) + 1)) or seen != [event["seq"] for event in log]:
            astray.append(run)

    await _rate(count, width, one, wires)
    await asyncio.gather(*(wire.close() for wire in wires))
    return {"runs": count, "runs lost": len(unfinished), "runs with events lost or doubled": len(astray)}


async def history(bench: Bench) -> Row:
    """How long the history of a trivial run is."""
    wire = await bench.stack.wire()
    run = await wire.ask("POST", "/v1/runs", TRIVIAL)
    await wire.follow(f"/v1/runs/{run['id']}/stream")
    tenant = (await wire.ask("GET", "/v1/me"))["tenant"]["id"]
    client = await Client.connect(bench.stack.temporal)
    handle = client.get_workflow_handle(workflow_id(tenant, "runs", run["id"]))
    await handle.result()
    await wire.close()
    return {"events": len((await handle.fetch_history()).events)}


async def cancelling(bench: Bench) -> Row:
    """From the wish to cancel until the stream has ended, for runs in the middle of a step."""
    wire = await bench.stack.wire()
    took: list[float] = []
    for _ in range(10):
        run = await wire.ask("POST", "/v1/runs", {"agent": "hello/steps", "inputs": {"n": 1, "seconds": 300}})
        await _none(wire, "status=queued&status=starting")
        began = time.perf_counter()
        await wire.ask("POST", f"/v1/runs/{run['id']}/cancel")
        await wire.follow(f"/v1/runs/{run['id']}/stream")
        took.append(time.perf_counter() - began)
    await wire.close()
    return {"cancel to cancelled, s": _spread(took)}


async def idle(bench: Bench) -> Row:
    """Memory and processor of everything a minute after the last run, with one service up and nothing to do."""
    wire = await bench.stack.wire()
    await bench.run(wire)
    await wire.close()
    await asyncio.sleep(bench.scaled(60))
    processes = family(bench.stack.pid)
    seconds = bench.scaled(30)
    before = threads_s(processes)
    await asyncio.sleep(seconds)
    used = used_s(before, threads_s(processes))
    row: Row = {"PSS MiB": round(pss_mib(processes), 1), "cores": round(sum(used.values()) / seconds, 3)}
    for name in sorted(set(processes.values())):
        pids = [pid for pid, known in processes.items() if known == name]
        row[f"  {name}"] = f"{pss_mib(pids):.1f} MiB, {sum(used.get(pid, 0) for pid in pids) / seconds:.4f} cores"
    return row


async def attached(bench: Bench) -> Row:
    """Runs at work that report nothing: what holding on to them costs the server and the worker."""
    body = {"agent": "hello/steps", "inputs": {"n": 1, "seconds": 300}}
    return await _held(bench, body, bench.scaled(200), bench.scaled(20))


async def sleeping(bench: Bench) -> Row:
    """Runs in a long durable sleep: parked, they cost next to nothing."""
    body = {"agent": "hello/sleep", "inputs": {"seconds": 3600}}
    return await _held(bench, body, bench.scaled(1000), bench.scaled(30))


async def soak(bench: Bench) -> Row:
    """Thousands of runs: throughput and memory of the last ones against the first."""
    width, block = 20, bench.scaled(500)
    wires = [await bench.stack.wire() for _ in range(width)]
    rates: list[float] = []
    memory: list[float] = []
    for _ in range(10):
        rates.append(await _rate(block, width, bench.run, wires))
        memory.append(pss_mib(family(bench.stack.pid)))
    await asyncio.gather(*(wire.close() for wire in wires))
    return {
        "runs": block * 10,
        "runs/s by block": [round(rate, 1) for rate in rates],
        "PSS MiB by block": [round(each) for each in memory],
        "last to first, runs/s": round(rates[-1] / rates[0], 2),
        "last to first, PSS": round(memory[-1] / memory[0], 2),
    }


async def start(home: Path) -> Row:
    """From `make up`'s command to the first finished run: with a new home, and with one that was used."""
    row: Row = {}
    for name in ("cold", "warm"):
        began = time.perf_counter()
        async with running(home) as stack:
            wire = await stack.wire()
            run = await wire.ask("POST", "/v1/runs", TRIVIAL)
            await wire.follow(f"/v1/runs/{run['id']}/stream")
            row[f"{name}, s"] = round(time.perf_counter() - began, 2)
            await wire.close()
    return row


async def _held(bench: Bench, body: Row, count: int, seconds: int) -> Row:
    """Start `count` runs, let them settle, and see what all of them cost; then cancel them."""
    wire = await bench.stack.wire()
    before = pss_mib(family(bench.stack.pid))
    ids = [(await wire.ask("POST", "/v1/runs", body))["id"] for _ in range(count)]
    await _none(wire, "status=queued&status=starting")
    await asyncio.sleep(10)
    pids = family(bench.stack.pid)
    earlier = threads_s(pids)
    await asyncio.sleep(seconds)
    by_name = {name: used / seconds for name, used in _by_part(bench, earlier).items()}
    growth = (pss_mib(family(bench.stack.pid)) - before) / count
    for each in ids:
        await wire.ask("POST", f"/v1/runs/{each}/cancel")
    await _none(wire, "status=queued&status=starting&status=running")
    await wire.close()
    return {
        "runs": count,
        "growth per run, MiB": round(growth, 3),
        "cores": round(sum(by_name.values()), 3),
        "server and worker, cores": round(by_name[SERVER] + by_name[WORKER], 3),
        "cores by part": {name: round(value, 3) for name, value in by_name.items()},
    }


async def _none(wire: Wire, states: str) -> None:
    """Wait until no run is in one of the states."""

    async def is_empty() -> bool:
        return not (await wire.ask("GET", f"/v1/runs?{states}&limit=1"))["items"]

    await wait_until(is_empty, "the end of every run", 600)


async def _rate(
    count: int, width: int, one: Callable[[Any], Awaitable[Any]], wires: Sequence[Wire] | None = None
) -> float:
    """How many a second, with `width` at once."""
    left = iter(range(count))

    async def work(place: int) -> None:
        for _ in left:
            await one(wires[place] if wires else None)

    began = time.perf_counter()
    await asyncio.gather(*(work(place) for place in range(width)))
    return count / (time.perf_counter() - began)


def _by_part(bench: Bench, earlier: dict[Thread, float]) -> dict[str, float]:
    """Seconds used since then, by the names of the parts."""
    names = family(bench.stack.pid)
    used = dict.fromkeys(names.values(), 0.0)
    for pid, seconds in used_s(earlier, threads_s(names)).items():
        used[names[pid]] += seconds
    return used


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} / {median(values):.2f} / {max(values):.2f}"
