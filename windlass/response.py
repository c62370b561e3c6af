"""Typed results: text that is shown as Markdown, HTML or as it is."""

from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, init=False)
class _Body:
    body: str

    def __init__(self, *parts: Any) -> None:
        object.__setattr__(self, "body", _joined(parts))


class Markdown(_Body):
    """A result written in Markdown."""


class HTML(_Body):
    """A result written in HTML."""


class Text(_Body):
    """A result shown as plain text."""


def _joined(parts: tuple[Any, ...]) -> str:
    match parts:
        case (str() as text,):
            return text
        case (list(),):
            return "\n".join(str(line) for line in cast("list[Any]", parts[0]))
        case (_,):
            raise ValueError(f"expected text or a list of lines, not {type(parts[0]).__name__}")
        case _:
            return "\n".join(str(part) for part in parts)
