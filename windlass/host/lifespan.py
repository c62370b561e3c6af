"""What a program does before it serves and after it has: ASGI's lifespan, on the agents' loop."""

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Any

from starlette.types import Message as Said

from windlass.service import ServeAPI


class StartFailed(Exception):
    """The program did not start; what went wrong was printed."""


class Lifespan:
    """The life of one application in one process: started once, and closed once if it has been."""

    def __init__(self, app: ServeAPI, agents: asyncio.AbstractEventLoop) -> None:
        self._app, self._agents = app, agents
        self._told: asyncio.Queue[Said] = asyncio.Queue()
        self._heard: asyncio.Queue[Said] = asyncio.Queue()
        self._turn = asyncio.Lock()  # who closes while it starts would hear the answer to the start
        self._life: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have the program start. Raises StartFailed."""
        await self._there(self._start())

    async def close(self, within_s: float) -> None:
        """Have the program close what it has opened, within this time; a program that does not is left as it is."""
        try:
            async with asyncio.timeout(within_s):
                await self._there(self._close())
        except TimeoutError:
            print(f"What follows the application's life did not end within {within_s:.1f} s.", flush=True)  # noqa: T201 - its log

    async def _there(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._agents))

    async def _start(self) -> None:
        self._life = asyncio.create_task(self._live(), name="lifespan")
        said = await self._say("startup")
        if said["type"] != "lifespan.startup.complete":
            raise StartFailed

    async def _close(self) -> None:
        if self._life is not None and not self._life.done():
            await self._say("shutdown")

    async def _say(self, what: str) -> Said:
        async with self._turn:
            self._told.put_nowait({"type": f"lifespan.{what}"})
            return await self._heard.get()

    async def _live(self) -> None:
        """The program's own side; what it raises is printed, and ends the life."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self._app(scope, self._told.get, self._heard.put)
        except BaseException:  # noqa: BLE001 (the edge of foreign code: it may raise anything, SystemExit too)
            traceback.print_exc()
        finally:
            self._heard.put_nowait({"type": "lifespan.over"})
