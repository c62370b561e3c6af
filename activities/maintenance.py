"""What the installation does by itself."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from temporalio import activity

from activities.beats import beating
from windlass.contracts import maintenance as words
from windlass.contracts.maintenance import MaintainInput, MaintenanceOutcome
from windlass.core.maintenance import Maintenance, Occasion

Deed = Callable[[Occasion], Awaitable[bool]]  # does some of what is due; answers whether there may be more


class MaintenanceActivities:
    """Does what system schedules are for, and keeps their reports."""

    def __init__(self, maintenance: Maintenance, deeds: Mapping[str, Deed]) -> None:
        self._maintenance, self._deeds = maintenance, deeds

    @activity.defn(name=words.MAINTAIN)
    async def maintain(self, request: MaintainInput) -> MaintenanceOutcome:
        """Do all that is due, and report it. The second time it goes on wherever the first one was."""
        occasion = self._maintenance.occasion(request.name, datetime.fromisoformat(request.due_at))
        async with beating(every_s=5):
            await self._maintenance.begin(occasion)
            try:
                while await self._deeds[request.name](occasion):
                    pass
            except Exception as error:
                await self._maintenance.fail(occasion, f"{type(error).__name__}: {error}")
                raise
            return MaintenanceOutcome(dict(await self._maintenance.end(occasion)))
