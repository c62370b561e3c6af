"""What desktops cost: to get one, to get twenty at once, to see one, and to have one that does nothing."""

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from activities.adapters import rfb
from activities.adapters.blueprints import container, container_name, network, network_name, subnets, volume_name
from activities.adapters.docker import address_of
from activities.adapters.engine import DockerEngine
from activities.containers import Blueprint, EngineAway
from stack.readiness import wait_until
from tests import containers
from tests.bench.figures import Row
from tests.bench.machine import family, pss_mib, threads_s, used_s
from tests.bench.stack import Stack, running
from tests.bench.wire import Wire
from windlass.contracts.desktops import Template

ALONE, TOGETHER = 10, 20
SETTLE_S, IDLE_S = 45.0, 120.0  # the garbage of a start is collected meanwhile; each machine is looked at every 15 s
LONG_S = 180.0
STATES = ("idle", "lost")


@dataclass(frozen=True, slots=True)
class House:
    """A stack with an engine beside it, and a kept connection to its gateway."""

    stack: Stack
    wire: Wire
    engine: DockerEngine

    async def ask_for(self, wire: Wire) -> tuple[str, datetime]:
        """Ask for a desktop; answers its id, and when it was asked for."""
        asked = datetime.now(UTC)
        return (await wire.ask("POST", "/v1/desktops", {}))["id"], asked

    async def settled(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Wait until each of these is idle, or lost; answers them by id."""
        found: dict[str, Any] = {}

        async def are_settled() -> bool:
            page = await self.wire.ask("GET", "/v1/desktops")
            found.update({each["id"]: each for each in page["items"]})
            return all(found[each]["status"] in STATES for each in ids)

        await wait_until(are_settled, "every desktop is idle", LONG_S)
        return {each: found[each] for each in ids}

    async def delete(self, ids: Sequence[str]) -> None:
        """Delete desktops and wait until the engine holds nothing of them."""
        for each in ids:
            await self.wire.ask("DELETE", f"/v1/desktops/{each}")

        async def are_gone() -> bool:
            return not any([await self._containers(each) for each in ids])

        await wait_until(are_gone, "no container is left", LONG_S)

    async def _containers(self, desktop_id: str) -> Any:
        filters = json.dumps({"label": [f"windlass.desktop={desktop_id}"]})
        return await self.engine.ask("GET", "/containers/json", all="true", filters=filters)


async def desktops(home: Path, *, is_quick: bool) -> Row:
    """The figures of desktops, on a stack of their own; without an engine the reason why there are none."""
    try:
        engine = await containers.answering()
    except EngineAway as missing:
        return {"not measured": str(missing)}
    room = str(TOGETHER + 1)
    variables = {"WINDLASS_DESKTOPS_PER_PERSON": room, "WINDLASS_DESKTOP_PLACES": room}
    variables["WINDLASS_DESKTOP_IMAGE"] = await containers.built()
    async with running(home, service=False, variables=variables) as stack:
        house = House(stack, await stack.wire(), engine)
        await _until_met(house.wire)
        row = await _measured(house, is_quick=is_quick)
        await house.wire.close()
    await engine.close()
    return row


async def _measured(house: House, *, is_quick: bool) -> Row:
    share = 10 if is_quick else 1
    none = _memory(house)
    turns = [(await _bare(house), await _alone(house)) for _ in range(ALONE // share)]
    bare, alone = [each for each, _ in turns], [each for _, each in turns]
    first, _asked = await house.ask_for(house.wire)
    await house.settled([first])
    one = await _idle(house, share)
    together, ids = await _together(house)
    many = await _idle(house, share)
    looks = [await _look(house.wire, each) for each in ids]
    await house.delete([first, *ids])
    return {
        "POST to idle, s": _spread([seconds for seconds, _ms in alone]),
        "the engine alone, s": _spread(bare),
        "POST to idle, ratio to the engine alone": round(median(s for s, _ms in alone) / median(bare), 2),
        **together,
        "screenshot, request to bytes, ms": _spread(looks),
        "screenshot within the cooldown, ms": _spread([ms for _seconds, ms in alone]),
        "idle, MiB each": round((many.mib - one.mib) / TOGETHER, 3),
        "idle, cores each": round((many.cores - one.cores) / TOGETHER, 5),
        "idle, MiB of the first": round(one.mib - none, 1),
        "load of the machine meanwhile": f"{os.getloadavg()[2]:.1f}",
        "cores by part with 1": one.parts,
        f"cores by part with {TOGETHER + 1}": many.parts,
    }


async def _until_met(wire: Wire) -> None:
    """Wait until the worker for desktops has said that it has an engine: until then the gateway refuses."""

    async def is_met() -> bool:
        with suppress(RuntimeError):
            return b"Docker " in await wire.read("/ready")
        return False

    await wait_until(is_met, "a worker for desktops with an engine", LONG_S)


async def _alone(house: House) -> tuple[float, float]:
    """One desktop from its wish to its end: seconds until it was idle, and ms of its second look."""
    desktop_id, asked = await house.ask_for(house.wire)
    desktop = (await house.settled([desktop_id]))[desktop_id]
    await _look(house.wire, desktop_id)
    again = await _look(house.wire, desktop_id)
    await house.delete([desktop_id])
    return _seconds(desktop, asked), again


async def _bare(house: House) -> float:
    """Seconds of the engine alone for the same container, in turns with ours: made, started, and its screen greets."""
    blueprint = Blueprint("bench", "bench", str(uuid4()), "bench", 1, Template(), "")
    name, home = container_name(blueprint.desktop_id), volume_name(blueprint.desktop_id)
    subnet = next(subnets(blueprint.desktop_id))
    began = time.perf_counter()
    await house.engine.ask("POST", "/volumes/create", {"Name": home})
    await house.engine.ask("POST", "/networks/create", network(blueprint, subnet))
    body = container(containers.IMAGE, IPv4Network(subnet), blueprint)
    await house.engine.ask("POST", "/containers/create", body, name=name)
    await house.engine.ask("POST", f"/containers/{name}/start")
    address = address_of(await house.engine.ask("GET", f"/containers/{name}/json"))

    async def greets() -> bool:
        return await rfb.answers(address)

    await wait_until(greets, "its screen greets", LONG_S)
    took = time.perf_counter() - began
    await house.engine.ask("DELETE", f"/containers/{name}", force="true", v="true")
    await house.engine.ask("DELETE", f"/networks/{network_name(blueprint.desktop_id)}")
    await house.engine.ask("DELETE", f"/volumes/{home}", force="true")
    return took


async def _together(house: House) -> tuple[Row, list[str]]:
    """Twenty at once, each over a connection of its own."""
    wires = [await house.stack.wire() for _ in range(TOGETHER)]
    asked = await asyncio.gather(*(house.ask_for(wire) for wire in wires))
    found = await house.settled([each for each, _at in asked])
    await asyncio.gather(*(wire.close() for wire in wires))
    took = [_seconds(found[each], at) for each, at in asked]
    lost = [found[each] for each, _at in asked if found[each]["status"] != "idle"]
    row: Row = {
        f"{TOGETHER} at once, all idle, s": round(max(took), 2),
        f"{TOGETHER} at once, POST to idle, s": _spread(took),
        f"{TOGETHER} at once, failures": len(lost),
    }
    return row, [each for each, _at in asked]


async def _look(wire: Wire, desktop_id: str) -> float:
    """Milliseconds from the request for a screenshot until its bytes are here."""
    began = time.perf_counter()
    shot = await wire.ask("GET", f"/v1/desktops/{desktop_id}/screenshot")
    picture = await wire.read(urlsplit(str(shot["url"])).path)
    took = (time.perf_counter() - began) * 1000
    assert picture.startswith(b"RIFF"), picture[:20]
    return took


@dataclass(frozen=True, slots=True)
class Idle:
    """What our processes use while nothing is asked of them."""

    mib: float
    cores: float
    parts: Mapping[str, float]


async def _idle(house: House, share: int) -> Idle:
    await asyncio.sleep(SETTLE_S / share)
    names = family(house.stack.pid)
    before, began = threads_s(names), time.perf_counter()
    await asyncio.sleep(IDLE_S / share)
    used, passed = used_s(before, threads_s(names)), time.perf_counter() - began
    parts = dict.fromkeys(names.values(), 0.0)
    for pid, seconds in used.items():
        parts[names[pid]] += seconds / passed
    return Idle(_memory(house), sum(parts.values()), {name: round(cores, 4) for name, cores in parts.items()})


def _memory(house: House) -> float:
    return pss_mib(family(house.stack.pid))


def _seconds(desktop: Mapping[str, Any], asked: datetime) -> float:
    """From the wish until its record said what it is now; the clocks are one."""
    return (datetime.fromisoformat(desktop["status_at"]) - asked).total_seconds()


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f} / {median(values):.2f} / {max(values):.2f}"
