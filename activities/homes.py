"""Homes of desktops: weighed again and again, and a desktop whose home is full is ended before others feel it."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from uuid import UUID

import structlog

from activities.containers import Containers, Locks
from windlass.core.machines import Called, Machines

CALM_S = 60.0
BUSY_S = 5.0  # while somebody is at work: a home grows as fast as a disk writes

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Scales:
    """Weighs the homes of one machine's desktops; one object per process."""

    def __init__(self, node: str, machines: Machines, containers: Containers, locks: Locks) -> None:
        self._node, self._machines = node, machines
        self._containers, self._locks = containers, locks

    async def run(self) -> None:
        """Weigh until cancelled, through every outage of engine and database; often while somebody is at work."""
        weighed_at = -CALM_S
        while True:
            try:
                if monotonic() - weighed_at >= CALM_S or await self._machines.is_busy(self._node):
                    await self.weigh()
                    weighed_at = monotonic()
            except Exception as error:  # noqa: BLE001 - the loop outlives every outage
                log.warning("homes could not be weighed", reason=str(error)[:200])
            await asyncio.sleep(BUSY_S)

    async def weigh(self) -> int:
        """Weigh every home once and end what is over its limit; answers how many desktops that were.

        The reason is on record before the container ends, so that whoever finds it ended knows why.
        """
        full = await self._weighed()
        for desktop in full:
            async with self._locks.of(str(desktop.id)):
                await self._containers.end(str(desktop.id), desktop.generation)
            log.warning("a desktop was ended", desktop_id=str(desktop.id), reason="its home is full")
        if full:
            await self._weighed()  # what they had written by their end: a start gives room over that
        return len(full)

    async def _weighed(self) -> Sequence[Called]:
        homes = await self._containers.homes(await self._machines.installation())
        return await self._machines.weighed(self._node, {UUID(home): size for home, size in homes.items()})
