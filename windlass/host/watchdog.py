"""Noticing an agent that blocks the loop all runs of the process share."""

import asyncio
import linecache
import sys
import sysconfig
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType

EVERY_S = 1.0
FOREIGN = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), str(Path(__file__).parent.parent), "<frozen")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a loop may be silent before it is named, and before its process is replaced."""

    warn_after_s: float = 10.0
    replace_after_s: float = 60.0


class Watchdog:
    """Asks the agents' loop for a sign of life every second; runs on the server's loop."""

    def __init__(self, agents: asyncio.AbstractEventLoop, patience: Patience) -> None:
        self._agents = agents
        self._patience = patience
        self._asked_at: float | None = None
        self._lag = 0.0
        self._has_warned = False

    @property
    def lag_s(self) -> float:
        """How long the loop took, or takes, to answer."""
        asked_at = self._asked_at
        return max(self._lag, monotonic() - asked_at) if asked_at else self._lag

    async def watch(self, warn: Callable[[str], None], replace: Callable[[], None]) -> None:
        """For ever: `warn` names a silent loop once, `replace` ends the process."""
        while True:
            await asyncio.sleep(EVERY_S)
            silent = self._silence()
            if silent >= self._patience.warn_after_s and not self._has_warned:
                self._has_warned = True
                warn(
                    f"The event loop of this service has been blocked for {silent:.0f} s {where_main_thread_is()}. "
                    "No run of the service moves meanwhile: use `await`, or a plain function in a step. "
                    f"After {self._patience.replace_after_s:.0f} s the process is replaced and its runs resume."
                )
            if silent >= self._patience.replace_after_s:
                replace()

    def _silence(self) -> float:
        if self._asked_at is None:
            self._has_warned = False
            self._asked_at = monotonic()
            self._agents.call_soon_threadsafe(self._answer, self._asked_at)
            return 0.0
        return monotonic() - self._asked_at

    def _answer(self, asked_at: float) -> None:
        self._lag = monotonic() - asked_at
        self._asked_at = None


def where_main_thread_is() -> str:
    """The line of the user's own code the main thread is at."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # pyright: ignore[reportPrivateUsage] (documented)
    while frame is not None and frame.f_code.co_filename.startswith(FOREIGN):
        frame = frame.f_back
    return _shown(frame) if frame is not None else "in a library"


def _shown(frame: FrameType) -> str:
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno).strip()
    return f"at {Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}: `{line}`"
