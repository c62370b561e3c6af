"""How much each Claude model takes up at once: a model that is not listed has no figure here, none is guessed.

Source: lists of others, in tokens, as of October 2026; the vendor's own page was not read. They are only shown.
"""

from collections.abc import Mapping

from windlass.core.prices import DATED_NAME

SMALL, LARGE = 200_000, 1_000_000
WINDOWS: Mapping[str, int] = {
    **dict.fromkeys(("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"), SMALL),
    **dict.fromkeys(("claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-4-6"), LARGE),
    **dict.fromkeys(("claude-opus-5", "claude-opus-5-5", "claude-sonnet-5", "claude-sonnet-5-5"), LARGE),
    **dict.fromkeys(("claude-fable-5", "claude-fable-5-1", "claude-mythos-5", "claude-mythos-5-1"), LARGE),
}


def window(model: str) -> int | None:
    """The tokens that a model takes up at once, what it answers included; None where nobody listed it."""
    return WINDOWS.get(DATED_NAME.sub("", model))
