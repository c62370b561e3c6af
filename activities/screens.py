"""Screens of desktops: looked at from outside, kept as pictures."""

import hashlib
from collections.abc import Callable
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.containers import ScreenAway, Screens
from windlass.contracts import screens as words
from windlass.contracts.ids import TenantId
from windlass.contracts.screens import TakeInput, Taken
from windlass.core.screenshots import Look, Screenshots
from windlass.core.storage import Objects

Password = Callable[[str, int], str]  # of the screen of a desktop's container


class ScreenActivities:
    """Looks at the screens of one machine; one object per process."""

    def __init__(self, screens: Screens, screenshots: Screenshots, objects: Objects, password: Password) -> None:
        self._screens, self._screenshots, self._objects = screens, screenshots, objects
        self._password = password

    @activity.defn(name=words.TAKE)
    async def take(self, wish: TakeInput) -> Taken:
        """Keep the screen as it is now, unless it is as it was kept last. The second time another look is taken."""
        tenant_id, desktop_id = TenantId(UUID(wish.tenant_id)), UUID(wish.desktop_id)
        try:
            frame = await self._screens.look(
                wish.desktop_id, wish.generation, self._password(wish.desktop_id, wish.generation)
            )
        except ScreenAway as away:
            raise ApplicationError(str(away), type="ScreenAway") from away
        look = Look(hashlib.sha256(frame.pixels).hexdigest(), frame.width, frame.height)
        begun = await self._screenshots.begin(tenant_id, desktop_id, look)
        if begun is None:
            return Taken(reason="it was deleted")
        if begun.is_new:
            picture = await self._screens.picture(frame)
            await self._objects.put(begun.key, picture)
            await self._screenshots.finish(tenant_id, desktop_id, begun.id, len(picture))
        return Taken(str(begun.id))
