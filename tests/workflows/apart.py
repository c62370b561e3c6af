"""A worker in a process of its own, to be killed."""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGKILL

from stack.forks import Fork, Forks
from stack.processes import Command
from windlass.core.settings import Settings
from workers.__main__ import main


class Apart:
    """The worker of some roles: started, killed as the kernel would, started again."""

    def __init__(self, forks: Forks, settings: Settings, *roles: str) -> None:
        self._forks, self._home, self._roles = forks, settings.home, roles
        self._environment = {
            "WINDLASS_HOME": str(settings.home),
            "WINDLASS_NODE": settings.node,
            "WINDLASS_DATABASE_URL": settings.require_database_url(),
            "WINDLASS_SECRET_KEY": settings.require_secret_key().decode(),
            "WINDLASS_HOST_PYTHON": str(settings.host_python),
            "WINDLASS_DESKTOP_IMAGE": settings.desktop_image,
            "WINDLASS_STANDIN_URL": settings.standin_url or "",
            "WINDLASS_MODEL_SILENCE_S": str(settings.model_silence_s),
            "WINDLASS_SHELL": settings.shell,
            "WINDLASS_OUTBOUND_ALLOW": ",".join(settings.outbound_allow),
            "WINDLASS_EGRESS_PRIVATE": settings.egress_private,
            "TEMPORAL_ADDRESS": settings.temporal_address,
        }
        self._process: Fork | None = None

    async def start(self) -> Fork:
        """Start it; it does not outlive the tests, whatever ends them."""
        environment = self._home / "apart.json"
        environment.write_text(json.dumps(self._environment))
        words = (sys.executable, "-m", __name__, str(environment), *self._roles)
        self._process = await self._forks.spawn(Command(words), self._home / "apart.log")
        return self._process

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Fork]:
        """Have it run, and nothing left of it afterwards, however the block ends."""
        process = await self.start()
        try:
            yield process
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End it in the middle of whatever it does."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):  # its end is heard of a moment later
                self._process.send_signal(SIGKILL)
            await self._process.wait()


if __name__ == "__main__":
    os.environ.pop("ANTHROPIC_API_KEY", None)
    os.environ.update(json.loads(Path(sys.argv.pop(1)).read_text()))
    main()
