"""A worker in a process of its own, to be killed."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from windlass.core.mortality import dying_with_us
from windlass.core.settings import Settings


class Apart:
    """The worker of one role: started, killed as the kernel would, started again."""

    def __init__(self, settings: Settings, role: str) -> None:
        self._role = role
        self._environment = {
            **os.environ,
            "WINDLASS_HOME": str(settings.home),
            "WINDLASS_NODE": settings.node,
            "WINDLASS_DATABASE_URL": settings.require_database_url(),
            "WINDLASS_SECRET_KEY": settings.require_secret_key().decode(),
            "WINDLASS_DESKTOP_IMAGE": settings.desktop_image,
            "WINDLASS_STANDIN_URL": settings.standin_url or "",
            "WINDLASS_SHELL": settings.shell,
            "WINDLASS_OUTBOUND_ALLOW": ",".join(settings.outbound_allow),
            "WINDLASS_EGRESS_PRIVATE": settings.egress_private,
            "TEMPORAL_ADDRESS": settings.temporal_address,
        }
        self._environment.pop("ANTHROPIC_API_KEY", None)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it does not outlive the tests, whatever ends them."""
        words, nowhere = (sys.executable, "-m", "workers", self._role), asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *words, env=self._environment, stdout=nowhere, stderr=nowhere, preexec_fn=dying_with_us()
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Have it run, and nothing left of it afterwards, however the block ends."""
        await self.start()
        try:
            yield
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End it in the middle of whatever it does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
