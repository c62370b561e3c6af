"""Keeping a machine true to the record: what nobody owns goes, what ended is told, what runs is adopted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import structlog

from activities.containers import Containers, EngineAway, Found, Locks
from windlass.contracts import desktops as words
from windlass.contracts.desktops import DesktopStatus, Ended
from windlass.contracts.ids import DesktopId, TenantId
from windlass.core.machines import Known, Machine, Machines

LOOK_S = 15.0
AGAIN_S = 2.0
SETTLED_S = 0.5

Tell = Callable[[Known, str, Ended], Awaitable[None]]  # (desktop, signal, what happened) to its workflow

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class MachineKeeper:
    """Compares the engine of this machine with the record, again and again; one object per process."""

    def __init__(self, machine: Machine, machines: Machines, containers: Containers, locks: Locks, tell: Tell) -> None:
        self._machine, self._machines, self._containers = machine, machines, containers
        self._locks, self._tell = locks, tell
        self._met: Machine | None = None
        self._look_now = asyncio.Event()

    async def run(self) -> None:
        """Keep the machine until cancelled, through every outage of engine, database and Temporal."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                self._look_now.clear()
                pause_s = LOOK_S if await self._round() else AGAIN_S
                try:
                    async with asyncio.timeout(pause_s):
                        await self._look_now.wait()
                except TimeoutError:
                    pass
        finally:
            listening.cancel()

    async def meet(self) -> bool:
        """Look whether the engine answers, and write that down. Says whether it does."""
        try:
            facts = replace(self._machine, engine=await self._containers.check(), problem=None)
        except EngineAway as missing:
            facts = replace(self._machine, problem=str(missing))
        if facts != self._met:
            await self._machines.meet(facts)
            self._met = facts
            log.info("engine looked at", engine=facts.engine, problem=facts.problem)
        return facts.problem is None

    async def tidy(self) -> int:
        """One comparison; answers how many things were removed."""
        before = await self._machines.known(self._machine.node)
        installation = await self._machines.installation()
        await self._containers.open_gates(installation)
        found = await self._containers.found(installation)
        after = await self._machines.known(self._machine.node)  # whatever is found by now has its row by now
        for desktop, signal, what in news(found, before):
            log.info("a desktop's container is not as its record says", desktop_id=str(desktop.id), signal=signal)
            await self._tell(desktop, signal, what)
        return sum([await self._discard(thing) for thing in strays(found, after)])

    async def why(self, tenant_id: TenantId, desktop_id: UUID) -> str:
        """Why a desktop was ended under its task, where that was on purpose. Raises EngineAway.

        A container that has ended is on record as lost from here on: the end of the task does not free it for the next.
        """
        for pause_s in (0, SETTLED_S):  # at first the engine may still call it running
            await asyncio.sleep(pause_s)
            if await self._is_lost(tenant_id, desktop_id):
                break
        return await self._machines.why(tenant_id, desktop_id)

    async def _is_lost(self, tenant_id: TenantId, desktop_id: UUID) -> bool:
        """Look for its container; where that has ended the record says so, and its workflow hears it."""
        known = await self._machines.known(self._machine.node)
        found = await self._containers.found(await self._machines.installation())
        for desktop, signal, what in news(found, known):
            if desktop.id == desktop_id and signal == words.ENDED_SIGNAL:
                if await self._machines.lose(tenant_id, desktop_id, what):
                    await self._tell(desktop, signal, what)
                return True
        return False

    async def _round(self) -> bool:
        try:
            is_well = await self.meet()
            if is_well:
                await self.tidy()
        except Exception:  # a keeper that dies would leave containers to nobody
            log.exception("the machine could not be looked at")
            return False
        return is_well

    async def _discard(self, thing: Found) -> bool:
        """Remove it, unless it is somebody's by now."""
        async with self._locks.of(thing.desktop_id):
            if not strays([thing], await self._machines.known(self._machine.node)):
                return False
            await self._containers.discard(thing)
        log.warning("removed what nobody owns", kind=thing.kind, name=thing.name, generation=thing.generation)
        return True

    async def _listen(self) -> None:
        """Look at once when a container ends."""
        while True:
            try:
                async for _ in self._containers.deaths(await self._machines.installation()):
                    for pause_s in (0, SETTLED_S):  # at first the engine may still call it running
                        await asyncio.sleep(pause_s)
                        self._look_now.set()
            except Exception as error:  # noqa: BLE001 - without ears the rounds find it out, a little later
                log.debug("no news of the engine", reason=str(error)[:200])
            await asyncio.sleep(AGAIN_S)


def strays(found: Iterable[Found], known: Mapping[DesktopId, Known]) -> list[Found]:
    """What nobody owns, containers first: without a row, of an older generation, or of a desktop that is off."""
    order = {"container": 0, "network": 1, "volume": 2, "hole": 3}
    return sorted((thing for thing in found if not _is_owned(thing, known)), key=lambda thing: order[thing.kind])


def _is_owned(thing: Found, known: Mapping[DesktopId, Known]) -> bool:
    desktop = known.get(DesktopId(UUID(thing.desktop_id)))
    if desktop is None or desktop.is_deleted:
        return desktop is not None and not desktop.is_overdue
    if thing.kind == "volume":
        return True  # the home stays while the desktop is off
    if thing.kind in ("network", "hole"):
        return desktop.has_container
    if thing.generation != desktop.generation or desktop.is_over:
        return False
    return desktop.status.has_container or (desktop.status is DesktopStatus.LOST and thing.is_alive)


def news(found: Iterable[Found], known: Mapping[DesktopId, Known]) -> list[tuple[Known, str, Ended]]:
    """What the workflows do not know: a desktop whose container is gone, and a lost one that runs after all."""
    alive = {(thing.desktop_id, thing.generation) for thing in found if thing.is_alive}
    told: list[tuple[Known, str, Ended]] = []
    for desktop in known.values():
        if desktop.is_deleted:
            continue
        is_alive = (str(desktop.id), desktop.generation) in alive
        if desktop.status in (DesktopStatus.IDLE, DesktopStatus.BUSY, DesktopStatus.PAUSED) and not is_alive:
            told.append((desktop, words.ENDED_SIGNAL, Ended(desktop.generation, desktop.said or "its container ended")))
        elif desktop.status is DesktopStatus.LOST and is_alive and not desktop.is_over:
            told.append((desktop, words.FOUND_SIGNAL, Ended(desktop.generation)))
    return told
