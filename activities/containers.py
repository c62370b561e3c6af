"""The port behind which desktops are made: an engine of containers on one machine, and what it reports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from windlass.contracts.desktops import Step, Template
from windlass.contracts.ids import TenantId

Progress = Callable[[Step], Awaitable[None]]  # told what a desktop that starts has come to
Why = Callable[[TenantId, UUID], Awaitable[str]]  # why a desktop was ended under its task, where that was on purpose


class EngineAway(Exception):
    """The engine does not answer; the text says what is missing and how to get it."""


class NotMade(Exception):
    """The desktop did not come up, and trying again would not help; the text says why."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A desktop to be made: whose it is, which of its containers this is, and out of what."""

    installation: str
    tenant_id: str
    desktop_id: str
    owner: str
    generation: int
    template: Template
    password: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A desktop whose screen answers: the container, its address in the desktop's own network, and its image."""

    container: str
    address: str
    image: str


@dataclass(frozen=True, slots=True)
class Found:
    """Something of ours in the engine; `state` is the engine's word for a container, empty for anything else."""

    kind: str  # container network volume hole
    name: str
    desktop_id: str
    generation: int = 0
    state: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether it is a container that runs, paused or not."""
        return self.state in ("running", "paused", "restarting")


class Containers(Protocol):
    """Where desktops run. Everything may be asked twice, and the second time changes nothing."""

    async def check(self) -> str:
        """Say which engine this is. Raises EngineAway, also when the image of desktops is missing."""
        ...

    async def bring_up(self, blueprint: Blueprint, progress: Progress) -> Standing:
        """Make the desktop, or adopt it as it runs, and wait for its screen. Raises NotMade, EngineAway."""
        ...

    async def freeze(self, desktop_id: str) -> None:
        """Stop the clock of everything in the desktop. Raises EngineAway."""
        ...

    async def shut_down(self, desktop_id: str) -> None:
        """End the container and its network; the home stays. Raises EngineAway."""
        ...

    async def remove(self, desktop_id: str) -> None:
        """Leave nothing of the desktop. Raises EngineAway."""
        ...

    async def found(self, installation: str) -> list[Found]:
        """Everything of this installation in the engine. Raises EngineAway."""
        ...

    async def open_gates(self, installation: str) -> None:
        """Have the ways out of every desktop that runs open, as after the death of whoever did. Raises EngineAway."""
        ...

    async def homes(self, installation: str) -> dict[str, int]:
        """How many bytes are in the home of each desktop. Raises EngineAway."""
        ...

    async def end(self, desktop_id: str, generation: int) -> None:
        """End the container of that generation, and leave it for the keeper. Raises EngineAway."""
        ...

    async def discard(self, found: Found) -> None:
        """Remove one thing by force. Raises EngineAway."""
        ...

    def deaths(self, installation: str) -> AsyncIterator[str]:
        """The ids of desktops whose container ended, as it happens. Raises EngineAway."""
        ...


@dataclass(frozen=True, slots=True)
class ScriptState:
    """What became of a script: `none` `running` `ended` `lost`, and its exit code once it has ended."""

    word: str
    code: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether it was never begun."""
        return self.word == "none"

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self.word == "running"


class Scripts(Protocol):
    """What runs inside desktops. A script outlives whoever follows it, and is begun at most once."""

    async def begin(self, desktop_id: str, script_id: str, script: bytes) -> ScriptState:
        """Begin a script, unless it was begun before. Raises EngineAway."""
        ...

    async def state(self, desktop_id: str, script_id: str) -> ScriptState:
        """What became of a script. Raises EngineAway, also while the desktop is paused."""
        ...

    def follow(self, desktop_id: str, script_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """All it has written and writes, as (stream, bytes), until it ends. Raises EngineAway."""
        ...

    async def stop(self, desktop_id: str, script_id: str) -> None:
        """End everything the script started that stayed in its group, after a second by force. Raises EngineAway."""
        ...

    async def forget(self, desktop_id: str, script_id: str) -> None:
        """Remove the script and what it wrote. Raises EngineAway."""
        ...


class ScreenAway(Exception):
    """The screen does not answer as it should; the text says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A screen at one moment: four bytes a pixel, blue, green, red and one that says nothing; row by row."""

    width: int
    height: int
    pixels: bytes


class DesktopEnded(ScreenAway):
    """The container that was meant is not there any more, or has ended; it does not come back."""


class Hands(Protocol):
    """One sitting at a screen: its pointer, its keys, and what it shows."""

    width: int
    height: int

    async def point(self, x: int | None, y: int | None, buttons: int = 0) -> None:
        """Move the pointer, or leave it where it is, with these buttons down. Raises ScreenAway."""
        ...

    async def press(self, keysym: int, *, is_down: bool) -> None:
        """Press a key or let it go. Raises ScreenAway."""
        ...

    async def settled(self, pause_s: float) -> Frame:
        """The screen once everything so far has been taken in, and a moment has passed. Raises ScreenAway."""
        ...


class Screens(Protocol):
    """The screens of desktops, seen from outside: nothing in the desktop takes part."""

    def sitting(self, desktop_id: str, generation: int, password: str) -> AbstractAsyncContextManager[Hands]:
        """Sit down at the screen. Raises DesktopEnded, ScreenAway, EngineAway."""
        ...

    async def look(self, desktop_id: str, generation: int, password: str) -> Frame:
        """The screen as it is now, with its pointer. Raises ScreenAway, EngineAway."""
        ...

    async def picture(self, frame: Frame) -> bytes:
        """The frame as WebP."""
        ...


class Locks:
    """One lock a desktop: in one process nobody makes what another one removes."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, desktop_id: str) -> asyncio.Lock:
        """The lock of a desktop."""
        lock = self._locks.get(desktop_id)
        if lock is None:
            lock = self._locks[desktop_id] = asyncio.Lock()
        return lock
