"""Scripts inside desktops: begun by a small program of the image, which keeps what they write beside them."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress

from activities.adapters.blueprints import container_name
from activities.adapters.engine import DockerEngine, EngineRefused, Program
from activities.containers import EngineAway, ScriptState

TASK = "/opt/windlass/task.sh"
NOT_RUNNING = (404, 409)
FULL = "nothing can be begun in the desktop: {}"


class NoRoom(EngineAway):
    """The desktop runs, and has no room for another process."""


class DockerScripts:
    """The scripts of every desktop of one engine."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    async def begin(self, desktop_id: str, script_id: str, script: bytes) -> ScriptState:
        """Begin a script, unless it was begun before. Raises EngineAway."""
        digest = hashlib.sha256(script).hexdigest()
        await self._ask(desktop_id, "start", script_id, digest, stdin=script)
        return await self.state(desktop_id, script_id)

    async def state(self, desktop_id: str, script_id: str) -> ScriptState:
        """What became of a script. Raises EngineAway."""
        said = await self._ask(desktop_id, "state", script_id)
        word, _, code = said.partition(" ")
        return ScriptState(word or "lost", int(code) if code else None)

    async def follow(self, desktop_id: str, script_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """What it has written and writes, as (stream, bytes), until it ends. Raises EngineAway."""
        words = (TASK, "follow", script_id)
        try:
            async with self._engine.started(Program(container_name(desktop_id), words)) as (_, frames):
                async for stream, text in frames:
                    yield stream, text
        except EngineRefused as refusal:
            if refusal.status not in NOT_RUNNING:
                raise NoRoom(FULL.format(refusal)) from refusal

    async def stop(self, desktop_id: str, script_id: str) -> None:
        """End everything the script started that stayed in its group, after a second by force. Raises EngineAway.

        A desktop in which nothing can be begun any more, because its processes fork without end, is ended whole.
        """
        try:
            await self._ask(desktop_id, "stop", script_id)
        except NoRoom:
            with suppress(EngineRefused):  # it has ended meanwhile
                await self._engine.ask("POST", f"/containers/{container_name(desktop_id)}/kill")

    async def forget(self, desktop_id: str, script_id: str) -> None:
        """Remove the script and what it wrote. Raises EngineAway."""
        await self._ask(desktop_id, "forget", script_id)

    async def _ask(self, desktop_id: str, *words: str, stdin: bytes = b"") -> str:
        """What the program answers; nothing when the desktop does not run."""
        try:
            done = await self._engine.run(Program(container_name(desktop_id), (TASK, *words), stdin))
        except EngineRefused as refusal:
            if refusal.status not in NOT_RUNNING:
                raise NoRoom(FULL.format(refusal)) from refusal
            if "is paused" in str(refusal):
                raise EngineAway("the desktop is paused") from refusal
            return ""
        if done.code > 1 and words[0] in ("state", "stop"):  # 2: the shell itself could not fork
            raise NoRoom(FULL.format(done.err.decode(errors="replace").strip()[-200:]))
        return done.out.decode(errors="replace").strip()
