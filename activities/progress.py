"""How far a service has come on its way up, phase by phase, for whoever waits for it."""

import asyncio
from typing import Any

from windlass.core.wanted import Wanted, WantedService

WRITTEN_S = 0.5  # what an installer says is written down so often
KEPT_LINES, LINE_CHARACTERS, REASON_CHARACTERS = 20, 300, 4000


class Progress:
    """The way up of one generation of a service; written down whole, so that it may be written again."""

    def __init__(self, wanted: Wanted, service: WantedService) -> None:
        self._wanted, self._service = wanted, service
        self._clock = asyncio.get_running_loop().time
        self._phases: list[dict[str, Any]] = []
        self._lines: list[tuple[int, str]] = []
        self._failure: dict[str, str] | None = None
        self._is_up = False
        self._began_at = self._written_at = 0.0
        self._said = 0

    async def restart(self) -> None:
        """Try again; a failure stays known."""
        self._phases, self._is_up = [], False

    async def begin(self, phase: str) -> None:
        """A phase begins."""
        self._began_at = self._clock()
        self._phases.append({"name": phase, "s": None, "result": None})
        await self._write()

    async def say(self, line: str) -> None:
        """Say how far the phase is."""
        self._said += 1
        self._lines.append((self._said, line[:LINE_CHARACTERS]))
        del self._lines[:-KEPT_LINES]
        if self._clock() - self._written_at > WRITTEN_S:
            await self._write()

    async def finish(self, result: str) -> None:
        """The phase is over."""
        self._phases[-1] |= {"s": round(self._clock() - self._began_at, 2), "result": result}
        await self._write()

    async def come_up(self) -> None:
        """The service serves."""
        self._is_up, self._failure = True, None
        await self._write()

    async def fail(self, reason: str) -> None:
        """The service did not come up; the phase it was in says where."""
        if self._phases and self._phases[-1]["s"] is None:
            self._phases[-1]["s"] = round(self._clock() - self._began_at, 2)
        phase = self._phases[-1]["name"] if self._phases else "start"
        self._failure = {"phase": phase, "reason": reason[-REASON_CHARACTERS:]}
        await self._write()

    async def _write(self) -> None:
        self._written_at = self._clock()
        end = "up" if self._is_up else "failed" if self._failure else ""
        document = {"generation": self._service.generation, "end": end, "failure": self._failure}
        await self._wanted.record_progress(
            self._service, {**document, "phases": self._phases, "lines": [list(each) for each in self._lines]}
        )
