"""The role `desktops`: alone it touches a container engine. Without one it says what is missing, and waits."""

import asyncio
from contextlib import suppress
from pathlib import Path

from activities.adapters.docker import DockerDesktops
from activities.adapters.engine import DockerEngine
from activities.adapters.scripts import DockerScripts
from activities.containers import Locks
from activities.machines import MachineKeeper
from windlass.contracts.desktops import Ended
from windlass.core.machines import Known, Machine, Machines
from windlass.core.settings import Settings
from workers.parts import Parts, opened
from workers.slots import Slot

BOOT = Path("/proc/sys/kernel/random/boot_id")
AGAIN_S = 3.0


async def serve(settings: Settings) -> None:
    """Serve the role until told to stop; desktops stay up for the next worker to adopt."""
    async with opened(settings, "desktops") as parts:
        slot = Slot(settings.require_database_url(), settings.node, "desktops")
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
    """Wait for an engine, then do what workflows ask of it and keep it tidy. Temporal's client is loaded by then."""
    settings, locks = parts.settings, Locks()
    engine = DockerEngine(settings.docker_socket)
    containers = DockerDesktops(engine, settings.desktop_image)
    machines = Machines(parts.database, parts.jobs, parts.notifier)
    machine = Machine(settings.node, boot_id(), places=settings.desktop_places)
    try:
        waiting = MachineKeeper(machine, machines, containers, locks, _nobody)
        while not await waiting.meet():  # noqa: ASYNC110 - only asking tells whether an engine is there
            await asyncio.sleep(AGAIN_S)
        from workers import containers as working  # noqa: PLC0415 - Temporal's client: 40 MB, useless without an engine

        await working.serve(parts, identity, working.Bench(machine, machines, containers, DockerScripts(engine), locks))
    finally:
        await engine.close()


def boot_id() -> str:
    """What changes when this machine starts anew, and its containers have ended with it."""
    return BOOT.read_text().strip()[:8] if BOOT.exists() else "0"


async def _nobody(_desktop: Known, _signal: str, _what: Ended) -> None:
    """While there is no engine there is nothing to tell."""
