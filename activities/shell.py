"""Commands of a model in a desktop: each a script that is begun once, outlives its worker, and is read to its end."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from activities.containers import EngineAway, Scripts

LONGEST_S = 120.0
MOST_COMMAND, MOST_OUTPUT = 400_000, 16_000
KEPT_BYTES = 512 * 1024
STDERR = 2


class ShellLost(Exception):
    """The desktop ended under a command, or before it."""


class Shell:
    """The commands of one use of a tool."""

    def __init__(self, scripts: Scripts, desktop_id: str, name: str) -> None:
        self._scripts, self._desktop_id, self._name = scripts, desktop_id, name
        self._begun: list[str] = []

    async def ran(self, given: Mapping[str, Any]) -> tuple[str, str]:
        """What a call of the bash tool came to: the outcome, and what it wrote. Raises ShellLost, EngineAway."""
        if given.get("restart"):
            return "done", "Every command runs in a shell of its own."
        command = given.get("command")
        if not isinstance(command, str) or not 0 < len(command) <= MOST_COMMAND:
            return "failed", f"command must have 1 to {MOST_COMMAND} characters."
        code, out, err = await self.run("run", command)
        said = "\n".join(part for part in (cut(out), cut(err), f"exit code {code}" if code else "") if part)
        return ("failed" if code else "done"), said

    async def run(self, part: str, command: str) -> tuple[int, str, str]:
        """Run a command to its end, at most two minutes: exit code, stdout, stderr. Raises ShellLost, EngineAway."""
        script = f"{self._name}-{part}"
        self._begun.append(script)
        state = await self._scripts.state(self._desktop_id, script)
        if state.is_none:
            state = await self._scripts.begin(self._desktop_id, script, command.encode())
        written: dict[int, bytearray] = {1: bytearray(), STDERR: bytearray()}
        is_late = False
        try:
            async with asyncio.timeout(LONGEST_S):
                async for stream, text in self._scripts.follow(self._desktop_id, script):
                    kept = written.setdefault(stream, bytearray())
                    kept += text[: max(0, KEPT_BYTES - len(kept))]
        except TimeoutError:
            is_late = True
            await self._scripts.stop(self._desktop_id, script)
        except asyncio.CancelledError:
            with suppress(EngineAway):
                await asyncio.shield(self._scripts.stop(self._desktop_id, script))
            raise
        state = await self._scripts.state(self._desktop_id, script)
        if state.code is None and not is_late:
            raise ShellLost(state.word)
        late = f"\nIt was stopped after {LONGEST_S:.0f} s." if is_late else ""
        return state.code if state.code is not None else 124, decoded(written[1]), decoded(written[STDERR]) + late

    async def forget(self, *parts: str) -> None:
        """Remove what the commands left, or those of these names: their outcome is on record."""
        for script in [f"{self._name}-{part}" for part in parts] or self._begun:
            with suppress(EngineAway):
                await self._scripts.forget(self._desktop_id, script)


def decoded(written: bytearray) -> str:
    """What was written, as text."""
    return written.decode(errors="replace").replace("\0", "\ufffd")


def cut(text: str) -> str:
    """A long text without its middle."""
    if len(text) <= MOST_OUTPUT:
        return text.rstrip("\n")
    half = MOST_OUTPUT // 2
    return f"{text[:half]}\n… {len(text) - MOST_OUTPUT} characters left out …\n{text[-half:]}"
