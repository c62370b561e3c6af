"""What schedules cost: a thousand of them, and two hundred that are due in the same second."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

from tests.bench.figures import Bench, Row
from tests.bench.machine import family, threads_s, used_s
from tests.bench.wire import Wire
from windlass.contracts.ids import new_id

MANY, TOGETHER, WIDTH = 1000, 200, 8
LOOKS = 20
TOGETHER_S = 60.0  # until then they are made and Temporal has them
SETTLE_S, IDLE_S = 30.0, 60.0  # after it was given 1,000, Temporal works on for 15 s; schedules are compared every 60 s
LISTS = ("/v1/schedules?limit=200", "/schedules", "/schedules/week")


async def schedules(bench: Bench) -> Row:
    """A thousand schedules: to make, to list, to hold; and many at the same moment."""
    wires = [await bench.stack.wire() for _ in range(WIDTH)]
    task = await wires[0].ask("POST", "/v1/tasks", {"name": f"trivial {new_id()}", "agent": "hello/trivial"})
    together = await _together(bench, wires, task["id"])
    idle_before = await _idle(bench)
    count = bench.scaled(MANY)
    began = time.perf_counter()
    await asyncio.gather(*(_make(wire, task["id"], count // WIDTH) for wire in wires))
    rate = count // WIDTH * WIDTH / (time.perf_counter() - began)
    looks = {path: [await _look(wires[0], path) for _ in range(LOOKS)] for path in LISTS}
    await _until_applied(wires[0], count)
    idle_after = await _idle(bench)
    more = {name: round(cores - idle_before.get(name, 0.0), 3) for name, cores in idle_after.items()}
    await asyncio.gather(*(wire.close() for wire in wires))
    return {
        "made, schedules/s": round(rate, 1),
        **{f"{path.partition('?')[0]}, median ms": round(median(times), 1) for path, times in looks.items()},
        "idle cores more with 1,000": round(max(sum(idle_after.values()) - sum(idle_before.values()), 0.0), 3),
        "idle cores more by part": more,
        **together,
    }


async def _make(wire: Wire, task_id: str, count: int) -> None:
    for number in range(count):
        hour = (datetime.now(UTC).hour + 2 + number % 20) % 24  # none is due while the idle system is measured
        body = {"name": f"schedule {new_id()}", "task_id": task_id, "cron": f"{number % 60} {hour} * * *"}
        await wire.ask("POST", "/v1/schedules", body)


async def _look(wire: Wire, path: str) -> float:
    began = time.perf_counter()
    await wire.read(path)
    return (time.perf_counter() - began) * 1000


async def _until_applied(wire: Wire, count: int) -> None:
    async def are_applied() -> bool:
        seen, after = 0, ""
        while seen < count:
            page = await wire.ask("GET", f"/v1/schedules?limit=200{after}")
            if not all(each["is_applied"] for each in page["items"]):
                return False
            seen += len(page["items"])
            after = f"&after={page['next']}"
        return True

    await _until(are_applied)


async def _until(question: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes, and let no question be cut off: the next one would read its answer."""
    async with asyncio.timeout(240):
        while not await question():  # noqa: ASYNC110 - the truth is in another process
            await asyncio.sleep(0.5)


async def _idle(bench: Bench) -> dict[str, float]:
    """Cores that each part uses while nothing is due, over one round of everything that comes round."""
    await asyncio.sleep(SETTLE_S)
    names = family(bench.stack.pid)
    before, began = threads_s(names), time.perf_counter()
    await asyncio.sleep(IDLE_S)
    seconds, used = time.perf_counter() - began, used_s(before, threads_s(names))
    cores = dict.fromkeys(names.values(), 0.0)
    for pid, took in used.items():
        cores[names[pid]] += took / seconds
    return cores


async def _together(bench: Bench, wires: Sequence[Wire], task_id: str) -> Row:
    """Schedules due in the same second: until when all their runs have started, and how late each was."""
    wire, count = wires[0], bench.scaled(TOGETHER)
    due = (datetime.now(UTC) + timedelta(seconds=TOGETHER_S)).replace(microsecond=0)
    body = {"task_id": task_id, "at": due.isoformat(), "overlap": "allow_all"}
    left = iter(range(count))

    async def make(wire: Wire) -> None:
        for _ in left:
            await wire.ask("POST", "/v1/schedules", body | {"name": f"once {new_id()}"})

    await asyncio.gather(*(make(each) for each in wires))
    await _until_applied(wire, count)
    if datetime.now(UTC) > due:
        raise RuntimeError("the machine is too busy: they were due before Temporal had all of them")

    # A page of 200 runs costs more than a run: asked for again and again, it would be the load.
    async def have_ended() -> bool:
        page = await wire.ask("GET", f"/v1/tasks/{task_id}/runs?limit=1")
        return page["statistics"]["finished"] >= count

    await _until(have_ended)
    found: list[Any] = (await wire.ask("GET", f"/v1/tasks/{task_id}/runs?limit=200"))["items"]
    late = sorted((datetime.fromisoformat(each["started_at"]) - due).total_seconds() for each in found)
    return {
        f"{TOGETHER} due together, runs": len(found),
        f"{TOGETHER} due together, last start s": round(late[-1], 2),
        f"{TOGETHER} due together, start p50 s": round(median(late), 2),
        f"{TOGETHER} due together, start p99 s": round(quantiles(late, n=100)[-1], 2),
    }
