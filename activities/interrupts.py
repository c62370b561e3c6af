"""Turns that must end: who works on one looks when somebody says so, and from time to time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from windlass.contracts.ids import SessionId
from windlass.core.database import OUTAGES, Away
from windlass.core.turns import Standing

LOOK_S = 2.0  # how late an interrupt is noticed when nobody says it

Look = Callable[[], Awaitable[Standing | None]]


class Interrupts:
    """The ears of one worker process."""

    def __init__(self) -> None:
        self._hints: dict[SessionId, set[asyncio.Event]] = {}

    async def look_here(self, session_id: SessionId) -> None:
        """Have whoever works on this session here look whether it must stop."""
        for hint in self._hints.get(session_id, ()):
            hint.set()

    @asynccontextmanager
    async def heard(self, session_id: SessionId, look: Look) -> AsyncGenerator[asyncio.Event]:
        """An event that is set once the turn must end: somebody says so, or it is found in the record."""
        hint, stop = asyncio.Event(), asyncio.Event()
        self._hints.setdefault(session_id, set()).add(hint)
        watching = asyncio.create_task(_watch(look, hint, stop))
        try:
            yield stop
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self._hints[session_id].discard(hint)
            if not self._hints[session_id]:
                del self._hints[session_id]


async def _watch(look: Look, hint: asyncio.Event, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(hint.wait(), LOOK_S)
        hint.clear()
        with suppress(Away, *OUTAGES):  # the database is away: it is asked again
            standing = await look()
            if standing is None or standing.is_interrupted:
                stop.set()
