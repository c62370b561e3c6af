"""Screens of desktops: looked at from outside, kept as pictures."""

from collections.abc import Callable
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.cameras import Camera
from activities.containers import ScreenAway, Screens
from windlass.contracts import screens as words
from windlass.contracts.ids import TenantId
from windlass.contracts.screens import TakeInput, Taken

Password = Callable[[str, int], str]  # of the screen of a desktop's container


class ScreenActivities:
    """Looks at the screens of one machine; one object per process."""

    def __init__(self, screens: Screens, camera: Camera, password: Password) -> None:
        self._screens, self._camera, self._password = screens, camera, password

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
        kept = await self._camera.keep(tenant_id, desktop_id, frame)
        return Taken(str(kept)) if kept is not None else Taken(reason="it was deleted")
