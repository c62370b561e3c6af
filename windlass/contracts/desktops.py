"""Desktops: their states, what their owner may wish, and what workflow and activities tell each other about one."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from windlass.contracts.screens import Taken

BYTES = "data:application/octet-stream;base64,"  # RFC 2397: how a script is written down that is no text


def script_text(script: bytes) -> str:
    """A script as JSON can hold it: its text; what is none in base64, as a URL of its own data."""
    with suppress(UnicodeDecodeError):
        text = script.decode()
        if "\0" not in text and not text.startswith(BYTES):
            return text
    return BYTES + b64encode(script).decode()


def script_bytes(script: str) -> bytes:
    """A script as bash is given it. Raises ValueError when it says it is base64 and is none."""
    return b64decode(script.removeprefix(BYTES), validate=True) if script.startswith(BYTES) else script.encode()


class DesktopStatus(StrEnum):
    """Where a desktop is in its life."""

    OFFLINE = "offline"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    PAUSED = "paused"
    LOST = "lost"

    @property
    def has_container(self) -> bool:
        """Whether a container stands behind it, or will in a moment."""
        return self in (DesktopStatus.STARTING, DesktopStatus.IDLE, DesktopStatus.BUSY, DesktopStatus.PAUSED)

    @property
    def is_on(self) -> bool:
        """Whether it runs, so that its screen can be seen and used."""
        return self in (DesktopStatus.IDLE, DesktopStatus.BUSY)


class Step(StrEnum):
    """What a desktop that starts has come to: the last one is that its screen answers, and then it is idle."""

    PLACED = "placed"
    MADE = "made"
    UP = "up"


class Wish(StrEnum):
    """How its owner wants a desktop to be."""

    ON = "on"
    OFF = "off"
    PAUSED = "paused"
    GONE = "gone"


# Durable names: they live in histories, renaming one is a migration.
WORKFLOW = "DesktopWorkflow"
CHANGED_SIGNAL = "changed"
ENDED_SIGNAL = "ended"
FOUND_SIGNAL = "found"
LOOK = "look_at_desktop"
PLACE = "place_desktop"
RECORD = "record_desktop"
BRING_UP = "bring_up_desktop"
SHUT_DOWN = "shut_down_desktop"
FREEZE = "freeze_desktop"
REMOVE = "remove_desktop"
CLAIM = "claim_desktop"
RELEASE = "release_desktop"


@dataclass(frozen=True, slots=True)
class Template:
    """What a desktop is made of. People choose one by name; image, limits and mounts are never theirs to name.

    `image` is a digest, empty for the installation's own; `egress` lists the ways out, `host:port`.
    """

    summary: str = ""
    image: str = ""
    width: int = 1280
    height: int = 800
    memory_bytes: int = 1 << 30
    home_bytes: int = 10 << 30
    cpus: float = 1.0
    processes: int = 256
    idle_s: int = 3_600
    lifetime_s: int = 12 * 3_600
    egress: tuple[str, ...] = ()

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The template that was kept as JSON; what it does not say is as in the standard."""
        known: dict[str, Any] = {each.name: kept[each.name] for each in fields(cls) if each.name in kept}
        known["egress"] = tuple(kept.get("egress", ()))
        return cls(**known)


STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class DesktopInput:
    """What a desktop's workflow starts with; all else it reads from the record.

    One that goes on from an earlier one also gets the last screenshot, and how long ago that was.
    """

    tenant_id: str
    desktop_id: str
    name: str = ""
    taken: Taken | None = None
    taken_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one of its containers."""

    generation: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DesktopRef:
    """One desktop."""

    tenant_id: str
    desktop_id: str


@dataclass(frozen=True, slots=True)
class PlaceInput:
    """A desktop that needs a machine, and what it is made of."""

    tenant_id: str
    desktop_id: str
    template: str = STANDARD


@dataclass(frozen=True, slots=True)
class Orders:
    """What is wanted of a desktop and how it is; `revision` counts the wishes, `heard` is the last one answered."""

    wish: Wish
    revision: int
    heard: int
    status: DesktopStatus
    generation: int
    queue: str = ""
    template: str = STANDARD
    left_s: float | None = None
    is_left: bool = True
    next_task: str = ""
    steady_s: float = 0.0
    idle_s: int = 3_600


NOTHING_LEFT = Orders(Wish.GONE, 0, 0, DesktopStatus.OFFLINE, 0, is_left=False)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a desktop is to be made; without a queue it waits, `reason` says for what."""

    queue: str = ""
    generation: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Prompted:
    """A run that is a prompt: which container its model works in, and how far it may go."""

    desktop_id: str
    generation: int
    template: str = STANDARD
    max_actions: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a run has its desktop: then `queue` is where it is driven; else `reason` says what it waits for."""

    queue: str = ""
    reason: str = ""
    is_gone: bool = False
    prompted: Prompted | None = None


@dataclass(frozen=True, slots=True)
class BringUpInput:
    """A desktop to be made, or found as it is."""

    tenant_id: str
    desktop_id: str
    generation: int
    template: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class BroughtUp:
    """A desktop whose screen answers.

    Without an address it did not come up, and `reason` says why; without either it was wanted otherwise meanwhile.
    """

    container: str = ""
    address: str = ""
    image: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A new state of a desktop; `heard` is the wish it answers to."""

    tenant_id: str
    desktop_id: str
    status: DesktopStatus
    reason: str = ""
    heard: int = 0
    container: str = ""
    address: str = ""
    image: str = ""
    gone: bool = False
