"""What a person calls a thing: its name or its id."""

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

import typer

from windlass.cli.codes import REFUSED
from windlass.cli.screen import errors


class Named(Protocol):
    """A record with a name."""

    name: str


T = TypeVar("T", bound=Named)


def is_id(text: str) -> bool:
    """Whether it is an id; what is one leads to the server's own words."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def only_one(noun: str, name: str, listed: Sequence[T]) -> T:
    """The one of that name, however it is capitalised; ends the command when there is none, or more than one."""
    found = [each for each in listed if each.name.casefold() == name.casefold()]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} {noun}s are called {name}: use the id." if found else f"There is no {noun} {name}."
    errors.print(f"{problem} See: windlass {noun} list", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(REFUSED)
