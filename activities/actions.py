"""What a model may do at a screen, in the words of its computer tool: point, click, type, scroll, wait."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from activities.containers import Hands
from activities.keys import BadKey, keysym_of, typed

LEFT, MIDDLE, RIGHT, UP, DOWN, WEST, EAST = (1 << n for n in range(7))
CLICKS = {
    "left_click": (LEFT, 1),
    "right_click": (RIGHT, 1),
    "middle_click": (MIDDLE, 1),
    "double_click": (LEFT, 2),
    "triple_click": (LEFT, 3),
}
WHEEL = {"up": UP, "down": DOWN, "left": WEST, "right": EAST}
HARMLESS = frozenset({"screenshot", "wait", "mouse_move"})  # may be done again without looking
LONGEST_WAIT_S = 60.0
MOST_TEXT, MOST_NOTCHES = 20_000, 50
DRAG_STEPS = 8


class BadAction(Exception):
    """The action cannot be done; the text is for the model."""


@dataclass(frozen=True, slots=True)
class Action:
    """One call of the computer tool."""

    given: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What is to be done."""
        return str(self.given.get("action", ""))

    @property
    def summary(self) -> str:
        """The action in a few words, without what is typed: that may be a secret."""
        at = self.given.get("coordinate")
        where = f" at {at[0]}, {at[1]}" if isinstance(at, list) and len(cast("list[Any]", at)) == 2 else ""
        what = f" {self.given.get('text')}" if self.name in ("key", "hold_key") else ""
        return f"{self.name.replace('_', ' ')}{what}{where}"

    def number(self, name: str, otherwise: float, most: float) -> float:
        """A number that is given, within its bounds. Raises BadAction."""
        value = self.given.get(name, otherwise)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise BadAction(f"{name} must be a number from 0 to {most:g}.")
        return float(value)

    def text(self) -> str:
        """The text that is given. Raises BadAction."""
        value = self.given.get("text")
        if not isinstance(value, str) or not 0 < len(value) <= MOST_TEXT:
            raise BadAction(f"text must have 1 to {MOST_TEXT} characters.")
        return value

    def place(self, hands: Hands, name: str = "coordinate") -> tuple[int, int]:
        """A point on the screen. Raises BadAction."""
        value = self.given.get(name)
        numbers = cast("list[Any]", value) if isinstance(value, list) else []
        if len(numbers) != 2 or not all(isinstance(each, int) for each in numbers):
            raise BadAction(f"{name} must be two whole numbers, [x, y].")
        x, y = numbers
        if not (0 <= x < hands.width and 0 <= y < hands.height):
            raise BadAction(f"{name} must be on the screen, which is {hands.width} by {hands.height}.")
        return x, y


async def do(action: Action, hands: Hands) -> None:
    """Do it. Raises BadAction, and what the screen raises when it goes away."""
    try:
        if action.name in CLICKS:
            await _click(action, hands)
        elif action.name == "left_click_drag":
            await _drag(action, hands)
        elif action.name == "mouse_move":
            await hands.point(*action.place(hands))
        elif action.name == "scroll":
            await _scroll(action, hands)
        else:
            await _use_keys(action, hands)
    except BadKey as bad:
        raise BadAction(str(bad)) from bad


async def _use_keys(action: Action, hands: Hands) -> None:
    match action.name:
        case "key":
            await _hold(_chord(action.text()), hands, 0.0)
        case "hold_key":
            await _hold(_chord(action.text()), hands, action.number("duration", 1.0, LONGEST_WAIT_S))
        case "type":
            for keysym in typed(action.text()):
                await _hold((keysym,), hands, 0.0)
        case "wait":
            await asyncio.sleep(action.number("duration", 1.0, LONGEST_WAIT_S))
        case "screenshot":
            return
        case _:
            raise BadAction(f"{action.name or 'Nothing'} cannot be done here.")


async def _click(action: Action, hands: Hands) -> None:
    """Click, at a place if one is given, with keys held down if some are named."""
    if action.given.get("coordinate") is not None:
        await hands.point(*action.place(hands))
    button, times = CLICKS[action.name]
    held = _chord(action.text()) if action.given.get("text") else ()
    for keysym in held:
        await hands.press(keysym, is_down=True)
    for _ in range(times):
        await hands.point(None, None, button)
        await hands.point(None, None)
    for keysym in reversed(held):
        await hands.press(keysym, is_down=False)


async def _drag(action: Action, hands: Hands) -> None:
    x, y = action.place(hands, "start_coordinate")
    to_x, to_y = action.place(hands)
    await hands.point(x, y)
    await hands.point(x, y, LEFT)
    for step in range(1, DRAG_STEPS + 1):
        await hands.point(x + (to_x - x) * step // DRAG_STEPS, y + (to_y - y) * step // DRAG_STEPS, LEFT)
    await hands.point(to_x, to_y)


async def _scroll(action: Action, hands: Hands) -> None:
    direction = str(action.given.get("scroll_direction"))
    if direction not in WHEEL:
        raise BadAction(f"scroll_direction must be one of {', '.join(WHEEL)}.")
    notches = int(action.number("scroll_amount", 3, MOST_NOTCHES))
    if action.given.get("coordinate") is not None:
        await hands.point(*action.place(hands))
    for _ in range(notches):
        await hands.point(None, None, WHEEL[direction])
        await hands.point(None, None)


def _chord(text: str) -> tuple[int, ...]:
    """The keys of `ctrl+shift+t`, in their order."""
    names = [name for name in text.split("+") if name] or ["plus"]
    return tuple(keysym_of(name) for name in names)


async def _hold(keysyms: tuple[int, ...], hands: Hands, seconds: float) -> None:
    for keysym in keysyms:
        await hands.press(keysym, is_down=True)
    if seconds:
        await asyncio.sleep(seconds)
    for keysym in reversed(keysyms):
        await hands.press(keysym, is_down=False)
