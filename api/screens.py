"""Has screens looked at: the workflow of a desktop decides whether, and its cooldown is there."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from api.desktops import NOUN
from windlass.contracts.ids import TenantId, workflow_id
from windlass.contracts.screens import COOLDOWN_S, SCREENSHOT_UPDATE, ScreenshotWish, Taken
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop, Desktops
from windlass.core.errors import Conflict, Unavailable
from windlass.core.screenshots import Screenshot, Screenshots

PATIENCE_S = 10.0
CALL = timedelta(seconds=PATIENCE_S)
AWAY = (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, RuntimeError, TimeoutError)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Cameras:
    """One look at a desktop at a time: whoever asks meanwhile gets the same picture."""

    def __init__(self, client: Client, desktops: Desktops, screenshots: Screenshots) -> None:
        self._client, self._desktops, self._screenshots = client, desktops, screenshots
        self._looking: dict[UUID, asyncio.Task[str]] = {}

    async def picture(self, caller: Caller, desktop_id: UUID, *, fresh: bool = False) -> Screenshot:
        """The screen of a desktop, at most 30 s old while it can be seen. Raises NotFound, Conflict, Unavailable."""
        desktop = await self._desktops.get(caller, desktop_id)
        if fresh and not await self._screenshots.is_at_work_for(caller, desktop.id):
            raise Conflict("A fresh screenshot is for a task of your own while it has the desktop. Ask without it.")
        last = await self._screenshots.latest(caller.tenant_id, desktop.id)
        if not desktop.status.is_on or (last is not None and last.age_s < COOLDOWN_S and not fresh):
            return _found(last, desktop)
        reason = await self._look(caller.tenant_id, desktop.id, fresh)
        return _found(await self._screenshots.latest(caller.tenant_id, desktop.id), desktop, reason)

    async def _look(self, tenant_id: TenantId, desktop_id: UUID, fresh: bool) -> str:
        """Have the desktop looked at; answers why it was not, if so."""
        looking = self._looking.get(desktop_id)
        if looking is None or fresh:
            looking = asyncio.create_task(self._ask(tenant_id, desktop_id, ScreenshotWish(fresh)))
            self._looking[desktop_id] = looking
            looking.add_done_callback(lambda done: self._forget(desktop_id, done))
        return await asyncio.shield(looking)

    async def _ask(self, tenant_id: TenantId, desktop_id: UUID, wish: ScreenshotWish) -> str:
        handle: Any = self._client.get_workflow_handle(workflow_id(tenant_id, NOUN, desktop_id))
        try:
            async with asyncio.timeout(PATIENCE_S):
                taken: Taken = await handle.execute_update(SCREENSHOT_UPDATE, wish, result_type=Taken, rpc_timeout=CALL)
        except AWAY as error:
            log.warning("a screen was not looked at", desktop_id=str(desktop_id), reason=str(error)[:200])
            return "Temporal does not answer"
        return taken.reason

    def _forget(self, desktop_id: UUID, done: asyncio.Task[str]) -> None:
        if self._looking.get(desktop_id) is done:
            del self._looking[desktop_id]


def _found(last: Screenshot | None, desktop: Desktop, reason: str = "") -> Screenshot:
    """The last picture, whatever its age. Raises Conflict, Unavailable when there is none."""
    if last is not None:
        return last
    if not desktop.status.is_on:
        raise Conflict(f"The desktop is {desktop.status} and nobody has looked at it yet. Start it, then ask again.")
    raise Unavailable(f"The screen could not be looked at: {reason or 'it gave no picture'}. Ask again in a moment.")
