"""The role `desktops`: alone it touches a container engine. Without one, or without a desktop, it waits."""

import asyncio
from contextlib import suppress
from pathlib import Path

from activities.adapters.docker import DockerDesktops
from activities.adapters.engine import DockerEngine
from activities.adapters.gates import Gates
from activities.adapters.scripts import DockerScripts
from activities.containers import Locks
from activities.machines import MachineKeeper
from windlass.contracts.desktops import Ended
from windlass.core.database import OUTAGES, Away
from windlass.core.machines import Known, Machine, Machines
from workers.parts import Parts
from workers.slots import Slot

BOOT = Path("/proc/sys/kernel/random/boot_id")
LOOK_S = 0.5


async def serve(parts: Parts) -> None:
    """Serve the role until told to stop; desktops stay up for the next worker to adopt."""
    slot = Slot(parts.settings.require_database_url(), parts.settings.node, "desktops")
    identity = await slot.take()
    tasks = [asyncio.create_task(slot.keep(parts.stopping.set)), asyncio.create_task(work(parts, identity))]
    told = asyncio.create_task(parts.stopping.wait())
    try:
        await asyncio.wait({told, tasks[1]}, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            tasks[1].result()
    finally:
        for task in (told, *tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await slot.release()


async def work(parts: Parts, identity: str) -> None:
    """Keep this machine's engine tidy, and from its first desktop on do what workflows ask of it."""
    settings, locks = parts.settings, Locks()
    engine = DockerEngine(settings.docker_socket)
    gates = Gates(settings.egress_networks)
    containers = DockerDesktops(engine, settings.desktop_image, gates)
    machines = Machines(parts.database, parts.jobs, parts.notifier)
    machine = Machine(settings.node, boot_id(), places=settings.desktop_places)
    try:
        await _first_desktop(MachineKeeper(machine, machines, containers, locks, _nobody), machines, settings.node)
        from workers import containers as working  # noqa: PLC0415 - Temporal's client: 25 MiB, and few have desktops

        await working.serve(parts, identity, working.Bench(machine, machines, containers, DockerScripts(engine), locks))
    finally:
        await gates.close_all()
        await engine.close()


def boot_id() -> str:
    """What changes when this machine starts anew, and its containers have ended with it."""
    return BOOT.read_text().strip()[:8] if BOOT.exists() else "0"


async def _first_desktop(keeper: MachineKeeper, machines: Machines, node: str) -> None:
    """Say whether there is an engine and remove what nobody owns, until a desktop is placed here."""
    keeping = asyncio.create_task(keeper.run())
    try:
        while not await _has_desktops(machines, node):  # noqa: ASYNC110 - whoever places one need not know of us
            await asyncio.sleep(LOOK_S)
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def _has_desktops(machines: Machines, node: str) -> bool:
    try:
        return bool(await machines.known(node))
    except (Away, *OUTAGES):
        return False


async def _nobody(_desktop: Known, _signal: str, _what: Ended) -> None:
    """While there is no desktop there is nobody to tell."""
