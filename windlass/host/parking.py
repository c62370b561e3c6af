"""Noticing that a run does nothing but sleep or wait for people, so that its driver may leave."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

from windlass.host import wire
from windlass.host.outbox import Notify, Outbox, resolver

LONG_S = 30.0
QUIET_S = 2.0


class Parking:
    """The long sleeps and open questions of one run.

    Says *parked* when there is one, no step works and nothing was reported for 2 s.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.is_parked = False
        self._outbox = outbox
        self._sleeps: dict[Notify, datetime] = {}
        self._asked: dict[object, datetime] = {}
        self._working = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def live_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop whose timers may be used."""
        self._loop = loop

    async def sleep(self, until: datetime) -> None:
        """Wait until a moment; a long wait may park the run."""
        rest = (until - datetime.now(UTC)).total_seconds()
        if rest < LONG_S:
            await asyncio.sleep(rest)
            return
        awake = asyncio.get_running_loop().create_future()
        wake = resolver(awake)
        alarm = asyncio.get_running_loop().call_later(rest, wake)
        self._sleeps[wake] = until
        self.watch()
        try:
            await awake
        finally:
            alarm.cancel()
            del self._sleeps[wake]

    @contextmanager
    def asking(self, until: datetime) -> Generator[None]:
        """A question is open: the run may be parked until it is answered."""
        question = object()
        self._asked[question] = until
        self.watch()
        try:
            yield
        finally:
            del self._asked[question]

    @contextmanager
    def working(self) -> Generator[None]:
        """A step works: the run is not parked meanwhile."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            if self._waits:
                self.watch()

    def watch(self) -> None:
        """Look again in 2 s. May be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._start)

    def attached(self) -> None:
        """A driver has come. Sleeps that are over end now: a machine that slept itself has not counted the time."""
        self.is_parked = False
        now = datetime.now(UTC)
        for wake, until in list(self._sleeps.items()):
            if until <= now:
                wake()
        self.watch()

    @property
    def _waits(self) -> list[datetime]:
        """Until when it waits, by every sleep and question."""
        return [*self._sleeps.values(), *self._asked.values()]

    def _start(self) -> None:
        if self._loop is not None and self._timer is None and self._waits:
            self._timer = self._loop.call_later(QUIET_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._waits or self._working or not self._outbox.is_linked or self.is_parked:
            return
        if len(self._outbox) or monotonic() - self._outbox.touched_at < QUIET_S:
            self._start()
            return
        self.is_parked = True
        until = min(self._waits).isoformat()
        self._outbox.note(wire.encode({"op": "parked", "until": until, "awaiting": bool(self._asked)}))
