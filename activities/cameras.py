"""Keeping what a screen shows: a picture in the object store and its row, once for every change."""

import hashlib
from uuid import UUID

from activities.containers import Frame, Screens
from windlass.contracts.ids import TenantId
from windlass.core.screenshots import Look, Screenshots
from windlass.core.storage import Objects


class Camera:
    """Keeps frames of one machine's desktops."""

    def __init__(self, screens: Screens, screenshots: Screenshots, objects: Objects) -> None:
        self._screens, self._screenshots, self._objects = screens, screenshots, objects

    async def keep(self, tenant_id: TenantId, desktop_id: UUID, frame: Frame) -> UUID | None:
        """The picture that shows the frame, a new one if the screen has changed. None: the desktop was deleted."""
        look = Look(hashlib.sha256(frame.pixels).hexdigest(), frame.width, frame.height)
        begun = await self._screenshots.begin(tenant_id, desktop_id, look)
        if begun is None:
            return None
        if begun.is_new:
            picture = await self._screens.picture(frame)
            await self._objects.put(begun.key, picture)
            await self._screenshots.finish(tenant_id, desktop_id, begun.id, len(picture))
        return begun.id
