"""Screens of Docker's desktops: found by the engine, looked at over the desktop's own network."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO

from PIL import Image

from activities.adapters import rfb
from activities.adapters.blueprints import container_name
from activities.adapters.docker import address_of, is_running
from activities.adapters.engine import DockerEngine, EngineRefused
from activities.containers import DesktopEnded, Frame, Hands, ScreenAway

PATIENCE_S = 5.0
QUALITY, EFFORT = 60, 2  # 44 kB and 25 ms for 1280 by 800


class DockerScreens:
    """The screens of every desktop of one engine."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine
        self._pointers: dict[str, tuple[int, int]] = {}

    @asynccontextmanager
    async def sitting(self, desktop_id: str, generation: int, password: str) -> AsyncGenerator[Hands]:
        """Sit down at the screen. Raises DesktopEnded, ScreenAway, EngineAway."""
        address = await self._address(desktop_id, generation)
        async with rfb.signed_in(address, password) as session:
            session.pointer = self._pointers.get(desktop_id, (session.width // 2, session.height // 2))
            try:
                yield session
            finally:
                self._pointers[desktop_id] = session.pointer

    async def look(self, desktop_id: str, generation: int, password: str) -> Frame:
        """The screen as it is now, with its pointer. Raises ScreenAway, EngineAway."""
        address = await self._address(desktop_id, generation)
        try:
            async with asyncio.timeout(PATIENCE_S), rfb.signed_in(address, password) as session:
                return await session.frame()
        except TimeoutError:
            raise ScreenAway(f"the screen did not answer within {PATIENCE_S:g} s") from None

    async def picture(self, frame: Frame) -> bytes:
        """The frame as WebP."""
        return await asyncio.to_thread(webp, frame)

    async def _address(self, desktop_id: str, generation: int) -> str:
        try:
            container = await self._engine.ask("GET", f"/containers/{container_name(desktop_id)}/json")
        except EngineRefused as refusal:
            raise DesktopEnded("its container is gone") from refusal
        address = address_of(container)
        if not is_running(container, generation) or not address:
            state = container["State"]["Status"]
            kind = ScreenAway if state in ("paused", "restarting") else DesktopEnded
            raise kind(f"its container has {state}" if state == "exited" else f"its container is {state}")
        return address


def webp(frame: Frame) -> bytes:
    """The frame as WebP; for a thread."""
    picture = Image.frombuffer("RGB", (frame.width, frame.height), frame.pixels, "raw", "BGRX", 0, 1)
    written = BytesIO()
    picture.save(written, "WEBP", quality=QUALITY, method=EFFORT)
    return written.getvalue()
