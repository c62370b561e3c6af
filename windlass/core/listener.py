"""The listening end of wake-ups: one connection per process, back again whatever happens to it."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from windlass.core.database import APP_ROLE, dial
from windlass.core.wakeup import Line

Callback = Callable[[str], None]

_ALIVE_S = 5.0  # a connection that is silent for so long is asked whether it still lives

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Listener:
    """Hears every channel somebody asked for, on one connection that bypasses transaction-pooling proxies."""

    def __init__(self, url: str, *, role: str = APP_ROLE, name: str = "windlass") -> None:
        self._url, self._role, self._name = url, role, name
        self._callbacks: dict[str, list[Callback]] = {}
        self._on_connect: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_connected = False
        self.heard = 0

    def on(self, channel: str, callback: Callback) -> None:
        """Call `callback` with the text of every notification on `channel`; it must not block."""
        self._callbacks.setdefault(channel, []).append(callback)
        self._wake.set()

    def on_connect(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every connect: what was said before was not heard."""
        self._on_connect.append(callback)

    async def start(self) -> None:
        """Begin to listen, and to reconnect for ever."""
        self._task = asyncio.create_task(self._run(), name="listener")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        pause_s = 0.05
        while True:
            try:
                connection: Line = await dial(self._url, name=f"{self._name} listener", role=self._role)
                pause_s = 0.05
                try:
                    await self._listen(connection)
                finally:
                    self.is_connected = False
                    connection.terminate()
            except Exception as error:  # noqa: BLE001  a wake-up loop that dies makes every reader a second late, unseen
                log.warning("listener connects again", error=repr(error))
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, 2 * pause_s)

    async def _listen(self, connection: Line) -> None:
        """Hear the channels until the connection is lost."""
        connection.add_termination_listener(lambda _: self._wake.set())
        heard: set[str] = set()
        while not connection.is_closed():
            self._wake.clear()
            for channel in self._callbacks.keys() - heard:
                await connection.add_listener(channel, self._hear)
                heard.add(channel)
            if not self.is_connected:
                self.is_connected = True
                self._call(self._on_connect)
            try:
                async with asyncio.timeout(_ALIVE_S):
                    await self._wake.wait()
            except TimeoutError:
                await connection.fetchval("select 1")

    def _hear(self, _connection: object, _pid: int, channel: str, text: str) -> None:
        self.heard += 1
        self._call(self._callbacks.get(channel, ()), text)

    def _call(self, callbacks: Iterable[Callable[..., None]], *args: str) -> None:
        for callback in callbacks:
            try:
                callback(*args)
            except Exception:  # one deaf callback must not silence the others
                log.exception("a callback of the listener failed", text=args)
