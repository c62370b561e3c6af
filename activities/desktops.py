"""Everything a desktop does to the outside world: its record, and its container."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

from temporalio import activity

from activities.beats import beating
from activities.containers import Blueprint, Containers, Locks, NotMade
from windlass.contracts import desktops as words
from windlass.contracts.desktops import (
    NOTHING_LEFT,
    BringUpInput,
    BroughtUp,
    Claim,
    DesktopRef,
    Orders,
    Placed,
    PlaceInput,
    Recorded,
    Step,
    Wish,
)
from windlass.contracts.ids import TenantId
from windlass.contracts.runs import DriveInput
from windlass.core.desktop_templates import Bounds
from windlass.core.machines import Machines
from windlass.core.rfb import password


class DesktopRecords:
    """What the workflow of a desktop reads and writes in the database."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    @activity.defn(name=words.LOOK)
    async def look(self, desktop: DesktopRef) -> Orders:
        """What is wanted of the desktop, and how it is."""
        found = await self._machines.look(TenantId(UUID(desktop.tenant_id)), UUID(desktop.desktop_id))
        return found or NOTHING_LEFT

    @activity.defn(name=words.PLACE)
    async def place(self, desktop: PlaceInput) -> Placed:
        """Find it a machine. The second time the number of its container is higher, and the first one's is nobody's."""
        return await self._machines.place(TenantId(UUID(desktop.tenant_id)), UUID(desktop.desktop_id))

    @activity.defn(name=words.RECORD)
    async def record(self, change: Recorded) -> None:
        """Write down how the desktop is. The second time nothing changes."""
        await self._machines.record(change)

    @activity.defn(name=words.CLAIM)
    async def claim(self, run: DriveInput) -> Claim:
        """Take its desktop for a run whose turn it is. The second time the answer is the same."""
        return await self._machines.claim(TenantId(UUID(run.tenant_id)), UUID(run.run_id))

    @activity.defn(name=words.RELEASE)
    async def release(self, run: DriveInput) -> str:
        """Give the desktop back and answer whose turn it is. The second time nothing changes."""
        return await self._machines.release(TenantId(UUID(run.tenant_id)), UUID(run.run_id))


class DesktopActivities:
    """What the worker beside the engine does to containers; one object per process."""

    def __init__(self, machines: Machines, containers: Containers, locks: Locks, secret: bytes, bounds: Bounds) -> None:
        self._machines, self._containers, self._locks = machines, containers, locks
        self._bounds = bounds
        self._secret = secret
        self._installation = ""

    @activity.defn(name=words.BRING_UP)
    async def bring_up(self, request: BringUpInput) -> BroughtUp:
        """Make the desktop's container and wait for its screen. The second time it is found as it runs."""
        async with self._at_work(request.desktop_id):
            tenant_id, desktop_id = TenantId(UUID(request.tenant_id)), UUID(request.desktop_id)
            orders = await self._machines.look(tenant_id, desktop_id)
            if orders is None or orders.wish is Wish.GONE or orders.generation != request.generation:
                return BroughtUp()
            progress = partial(self._machines.step, tenant_id, desktop_id, request.generation)
            await progress(Step.PLACED)
            try:
                standing = await self._containers.bring_up(await self._blueprint(request), progress)
            except NotMade as failure:
                return BroughtUp(reason=str(failure)[:1000])
            return BroughtUp(standing.container, standing.address, standing.image)

    @activity.defn(name=words.SHUT_DOWN)
    async def shut_down(self, desktop: DesktopRef) -> None:
        """End the container; the home stays. The second time there is none."""
        async with self._at_work(desktop.desktop_id):
            await self._containers.shut_down(desktop.desktop_id)

    @activity.defn(name=words.FREEZE)
    async def freeze(self, desktop: DesktopRef) -> None:
        """Pause the container. The second time it is paused already."""
        async with self._at_work(desktop.desktop_id):
            await self._containers.freeze(desktop.desktop_id)

    @activity.defn(name=words.REMOVE)
    async def remove(self, desktop: DesktopRef) -> None:
        """Leave nothing of the desktop on this machine. The second time there is nothing."""
        async with self._at_work(desktop.desktop_id):
            await self._containers.remove(desktop.desktop_id)

    async def _blueprint(self, request: BringUpInput) -> Blueprint:
        self._installation = self._installation or await self._machines.installation()
        made_of = await self._machines.made_of(TenantId(UUID(request.tenant_id)), UUID(request.desktop_id))
        return Blueprint(
            installation=self._installation,
            tenant_id=request.tenant_id,
            desktop_id=request.desktop_id,
            owner=request.owner,
            generation=request.generation,
            template=self._bounds.held(made_of),
            password=password(self._secret, request.desktop_id, request.generation),
        )

    @asynccontextmanager
    async def _at_work(self, desktop_id: str) -> AsyncGenerator[None]:
        async with beating(), self._locks.of(desktop_id):
            yield
