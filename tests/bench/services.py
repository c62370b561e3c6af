"""What services cost: to boot five, to refresh one in use, to have one that does nothing; and runs that wait."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from temporalio.client import Client

from stack.readiness import wait_until
from tests.bench.figures import SERVER, WORKER, Row
from tests.bench.machine import family, pss_mib, threads_s, used_s
from tests.bench.stack import ROOT, Stack, running
from tests.bench.wire import Wire
from windlass.contracts.ids import workflow_id

PROGRAMS = ROOT / "tests" / "programs"
HOST = "windlass.host"
SERVICES, BOOTS, REFRESHES = 5, 5, 5
PER_S = 20
SETTLE_S, IDLE_S = 30.0, 60.0
WAITING, ANSWER_S = 200, 60.0
# Temporal gives back what it no longer needs in a collection that a server at rest makes every two minutes.
REST_S = 150.0
LONG_S = 240.0


async def services(home: Path, *, is_quick: bool) -> Row:
    """All of it, on a stack of its own."""
    share = 10 if is_quick else 1
    async with running(home, service=False) as stack:
        wire = await stack.wire()
        alone = await _idle(stack, share)
        names = [f"service{number}" for number in range(SERVICES)]
        for name in names:
            await _serve(wire, name, "pages:app")
        booted = await _booted(wire, 1 if is_quick else BOOTS)
        more = await _idle(stack, share)
        refreshed = await _refreshed(stack, names, 1 if is_quick else REFRESHES)
        waited = await _waiting(stack, home, WAITING // share)
        await wire.close()
    hosts_mib, hosts_cores = more.pop(HOST)
    spent = {
        name: (mib - alone.get(name, (0, 0))[0], cores - alone.get(name, (0, 0))[1])
        for name, (mib, cores) in more.items()
    }
    return {
        **booted,
        **refreshed,
        "idle, PSS MiB each": round(hosts_mib / SERVICES, 1),
        "idle, cores each": round(hosts_cores / SERVICES, 4),
        "idle, other parts' MiB more each": round(sum(mib for mib, _ in spent.values()) / SERVICES, 1),
        "idle, other parts' cores more each": round(sum(cores for _, cores in spent.values()) / SERVICES, 4),
        **waited,
    }


async def _serve(wire: Wire, name: str, app: str) -> None:
    await wire.ask("POST", "/v1/services", {"name": name, "project": str(PROGRAMS), "import_path": app})
    await _until(lambda: _is_up(wire, name))


async def _is_up(wire: Wire, name: str) -> bool:
    return (await wire.ask("GET", f"/v1/services/{name}"))["state"] == "running"


async def _until(question: Callable[[], Awaitable[bool]]) -> None:
    await wait_until(question, "what the bench waits for", LONG_S)


async def _booted(wire: Wire, times: int) -> Row:
    """From the wish to the end of the boot, in which every flow has answered: of services that are down, and up."""
    took: dict[str, list[float]] = {"down": [], "up": []}
    parts: list[dict[str, float]] = []
    for _ in range(times):
        for before, seconds in took.items():
            if before == "down":
                await wire.ask("DELETE", "/v1/boot")
                await _until(lambda: _are_down(wire))
            began = time.perf_counter()
            await wire.ask("POST", "/v1/boot")
            state: Any = await _end(wire)
            seconds.append(time.perf_counter() - began)
            if state["boot"]["up"] != SERVICES:
                raise RuntimeError(f"a service did not come up: {[each['text'] for each in state['messages']]}")
            parts.append(_longest(state["messages"]))
    return {
        "boot of 5 that are down, s": _spread(took["down"]),
        "boot of 5 that serve, s": _spread(took["up"]),
        "boot of 5, longest of each phase, s": {
            name: round(median(each[name] for each in parts), 2) for name in parts[0]
        },
    }


async def _are_down(wire: Wire) -> bool:
    found: list[Any] = (await wire.ask("GET", "/v1/services"))["items"]
    return all(each["pid"] is None for each in found)


async def _end(wire: Wire) -> Any:
    state: dict[str, Any] = {}

    async def is_over() -> bool:
        state.update(await wire.ask("GET", "/v1/boot"))
        return state["boot"]["ended_at"] is not None

    await _until(is_over)
    return state


def _longest(messages: list[Any]) -> dict[str, float]:
    """The longest that a service took for each phase."""
    found: dict[str, float] = {}
    for each in messages:
        if each.get("s") is not None:
            found[each["step"]] = max(found.get(each["step"], 0.0), each["s"])
    return found


class Load:
    """Requests to a route of a service, 20 a second, each connection used in turn."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack, self._path = stack, f"/-/{name}/"
        self.asked = self.failed = 0
        self.is_enough = False

    async def run(self) -> None:
        """Go on until it is enough."""
        wires = [await self._stack.wire() for _ in range(PER_S)]
        await asyncio.gather(*(self._use(wire, place) for place, wire in enumerate(wires)))

    async def _use(self, wire: Wire, place: int) -> None:
        await asyncio.sleep(place / PER_S)
        while not self.is_enough:
            began, self.asked = time.perf_counter(), self.asked + 1
            try:
                await wire.read(self._path)
            except (OSError, RuntimeError, asyncio.IncompleteReadError):
                self.failed += 1
            await asyncio.sleep(max(began + 1 - time.perf_counter(), 0))
        await wire.close()


async def _refreshed(stack: Stack, names: list[str], times: int) -> Row:
    """One service is refreshed again and again, while it and another are asked 20 times a second each."""
    wire, loads = await stack.wire(), [Load(stack, name) for name in names[:2]]
    running_loads = [asyncio.create_task(each.run()) for each in loads]
    took: list[float] = []
    for _ in range(times):
        before = (await wire.ask("GET", f"/v1/services/{names[0]}"))["pid"]
        began = time.perf_counter()
        await wire.ask("POST", f"/v1/services/{names[0]}/refresh")
        await _until(lambda before=before: _is_another(wire, names[0], before))
        took.append(time.perf_counter() - began)
    for each in loads:
        each.is_enough = True
    await asyncio.gather(*running_loads)
    await wire.close()
    return {
        "refresh, s": _spread(took),
        "refresh, requests meanwhile": sum(each.asked for each in loads),
        "refresh, failed requests": sum(each.failed for each in loads),
    }


async def _is_another(wire: Wire, name: str, before: int) -> bool:
    return (await wire.ask("GET", f"/v1/services/{name}"))["pid"] not in (before, None)


async def _idle(stack: Stack, share: int) -> dict[str, tuple[float, float]]:
    """MiB and cores of each part while nothing happens."""
    await asyncio.sleep(SETTLE_S / share)
    names = family(stack.pid)
    before, began = threads_s(names), time.perf_counter()
    await asyncio.sleep(IDLE_S / share)
    seconds, used = time.perf_counter() - began, used_s(before, threads_s(names))
    parts: dict[str, tuple[float, float]] = {}
    for pid, name in names.items():
        mib, cores = parts.get(name, (0.0, 0.0))
        parts[name] = (mib + pss_mib([pid]), cores + used.get(pid, 0.0) / seconds)
    return parts


async def _waiting(stack: Stack, home: Path, count: int) -> Row:
    """Runs that wait for a person: what they hold, and whether all finish when their host dies meanwhile.

    The first of a stack's life also bring what each process grows to when it is first in use, and keeps: theirs is
    told apart. What a run holds over its host, the worker and the server is told by as many more, after those ended.
    """
    wire, marks = await stack.wire(), str(home / "marks")
    await _serve(wire, "stepping", "stepping:app")
    await _run_once(wire, marks)
    first, grown = await _waiting_runs(stack, wire, marks, count)
    await _answered(wire, await _questions(wire, count))
    more, held = await _waiting_runs(stack, wire, marks, count)
    slots, questions = await _slots(stack, wire, more), await _questions(wire, count)
    os.kill((await wire.ask("GET", "/v1/services/stepping"))["pid"], signal.SIGKILL)
    late = await _answered(wire, questions)
    ends = [(await wire.ask("GET", f"/v1/runs/{each}"))["status"] for each in (*first, *more)]
    await wire.close()
    return {
        "waiting runs": len(ends),
        "waiting, growth per run, MiB": held,
        "waiting, growth per run of the first of a stack, MiB": grown,
        "waiting, activity slots": slots,
        "waiting, not finished after the answers": len(ends) - ends.count("finished"),
        "waiting, last end after the last answer, s": round(late, 2),
    }


async def _waiting_runs(stack: Stack, wire: Wire, marks: str, count: int) -> tuple[list[str], float]:
    """So many runs that ask, and the MiB that each of them added."""
    await asyncio.sleep(REST_S)
    before = _memory(stack)
    ids = [await _started(wire, marks) for _ in range(count)]
    await _questions(wire, count)
    await asyncio.sleep(REST_S)
    return ids, round((_memory(stack) - before) / count, 3)


async def _answered(wire: Wire, questions: list[str]) -> float:
    """Answer all within a minute; answers the seconds from the last answer until no run is open."""
    began = time.perf_counter()
    for number, each in enumerate(questions):
        await wire.ask("POST", f"/v1/questions/{each}/answer", {"inputs": {"word": "on"}})
        await asyncio.sleep(max(began + (number + 1) * ANSWER_S / len(questions) - time.perf_counter(), 0))
    answered = time.perf_counter()

    live = "&".join(f"status={each}" for each in ("queued", "starting", "running", "awaiting"))

    async def are_over() -> bool:
        return not (await wire.ask("GET", f"/v1/runs?{live}&limit=1"))["items"]

    await _until(are_over)
    return time.perf_counter() - answered


async def _started(wire: Wire, marks: str) -> str:
    """A run that asks; its id."""
    return (await wire.ask("POST", "/v1/runs", {"agent": "stepping/ask", "inputs": {"marks": marks}}))["id"]


async def _run_once(wire: Wire, marks: str) -> None:
    """What the first run has everything load is no run's own."""
    run = await _started(wire, marks)
    (question,) = await _questions(wire, 1)
    await wire.ask("POST", f"/v1/questions/{question}/answer", {"inputs": {"word": "on"}})
    await wire.follow(f"/v1/runs/{run}/stream")


async def _questions(wire: Wire, count: int) -> list[str]:
    """The open questions, once there are so many."""
    found: list[str] = []

    async def are_open() -> bool:
        found.clear()
        after = ""
        while True:
            page = await wire.ask("GET", f"/v1/questions?state=open&limit=100{after}")
            found.extend(each["id"] for each in page["items"])
            if not page["next"]:
                return len(found) >= count
            after = f"&after={page['next']}"

    await _until(are_open)
    return found


def _memory(stack: Stack) -> float:
    """MiB of those who know of runs: hosts, the worker, Temporal."""
    return pss_mib(pid for pid, name in family(stack.pid).items() if name in (HOST, WORKER, SERVER))


async def _slots(stack: Stack, wire: Wire, ids: list[str]) -> int:
    """Activities that the workflows of these runs have open."""
    client, tenant = await Client.connect(stack.temporal), (await wire.ask("GET", "/v1/me"))["tenant"]["id"]
    described = [await client.get_workflow_handle(workflow_id(tenant, "runs", each)).describe() for each in ids]
    return sum(len(each.raw_description.pending_activities) for each in described)


def _spread(values: list[float]) -> str:
    return f"{min(values):.2f} / {median(values):.2f} / {max(values):.2f}"
