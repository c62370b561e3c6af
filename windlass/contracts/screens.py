"""Screens: what the workflow of a desktop and its machine tell each other about pictures of it."""

from dataclasses import dataclass

# Durable names: they live in histories, renaming one is a migration.
SCREENSHOT_UPDATE = "screenshot"
TAKE = "take_screenshot"

COOLDOWN_S = 30.0  # between two screenshots of a desktop that somebody asks for


@dataclass(frozen=True, slots=True)
class ScreenshotWish:
    """Somebody wants to see a screen; `is_fresh`: not one that was taken a moment ago."""

    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class TakeInput:
    """A desktop to be looked at, and which of its containers stands there."""

    tenant_id: str
    desktop_id: str
    generation: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The screenshot that shows a desktop as it is; without an id there is none, and `reason` says why."""

    id: str = ""
    reason: str = ""
