"""Threads of a run: one per call, so that no run can starve another of a pool."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

MAX_THREADS = 32


class Threads:
    """The threads of one run; at most 32 work at a time."""

    def __init__(self) -> None:
        self.alive = 0
        self._slots = asyncio.Semaphore(MAX_THREADS)
        self._idle = asyncio.Event()
        self._idle.set()

    async def ended(self) -> None:
        """Wait until no thread is left."""
        await self._idle.wait()

    async def run(self, context: Context, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in a thread of its own. A cancelled call leaves the thread to come to its end."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.alive += 1
        self._idle.clear()

        def work() -> None:
            try:
                finish = partial(_set_result, future, context.run(function, *args, **kwargs))
            except BaseException as error:  # noqa: BLE001 (it is raised again where the call is awaited)
                finish = partial(_set_error, future, error)
            with suppress(RuntimeError):  # a loop of the agent's own may be closed by now
                loop.call_soon_threadsafe(self._ended, finish)

        threading.Thread(target=work, daemon=True, name=getattr(function, "__name__", "call")).start()
        return await future

    def _ended(self, finish: Callable[[], None]) -> None:
        self.alive -= 1
        self._slots.release()
        if not self.alive:
            self._idle.set()
        finish()


def _set_result(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _set_error(future: asyncio.Future[Any], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, asyncio.CancelledError):
        future.cancel()
    elif isinstance(error, StopIteration):  # a future refuses it
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    else:
        future.set_exception(error)
