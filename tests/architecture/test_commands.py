"""The command line as a whole: every command can be read by a program, and every command that is named exists."""

import re
from collections.abc import Iterator
from typing import cast

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tests.architecture.sources import ROOT, shown, written
from windlass.cli.app import app

SAID = re.compile(r"(?:^\$ |\"|>|`|: )windlass ([a-z]+(?: [a-z]+){0,2})", re.MULTILINE)


def commands(group: TyperGroup, words: str = "windlass") -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Every command of a group that does something, with the words that call it."""
    for name, each in cast(dict[str, TyperCommand | TyperGroup], group.commands).items():
        if isinstance(each, TyperCommand) or each.invoke_without_command:
            yield f"{words} {name}", each
        if isinstance(each, TyperGroup):
            yield from commands(each, f"{words} {name}")


def every_command(program: typer.Typer) -> dict[str, TyperCommand | TyperGroup]:
    """The commands of a program by the words that call them."""
    root = get_command(program)
    assert isinstance(root, TyperGroup)
    return dict(commands(root))


def takes_json(command: TyperCommand | TyperGroup) -> bool:
    """Whether it has the option."""
    return any("--json" in option.opts for option in command.params)


EVERY = every_command(app)
GROUPS = {" ".join(words.split()[:count]) for words in EVERY for count in (2, 3)}


def strays(text: str) -> list[str]:
    """Commands a text names that do not exist."""
    found: list[str] = [f"windlass {said}" for said in SAID.findall(text)]
    return [" ".join(words.split()[:3]) for words in found if words not in GROUPS and not _begins(words) & EVERY.keys()]


def _begins(words: str) -> set[str]:
    """What a line may name when more words follow."""
    return {" ".join(words.split()[:count]) for count in (2, 3, 4)}


@pytest.mark.parametrize("words", EVERY)
def test_every_command_takes_json(words: str):
    assert takes_json(EVERY[words])


def test_the_reference_says_of_every_command_what_it_says_itself():
    lines = (ROOT / "docs" / "reference" / "commands.md").read_text().splitlines()
    described = dict(line.strip("| ").split(" | ", 1) for line in lines if line.startswith("| `windlass"))

    assert described == {f"`{words}`": (command.help or "").splitlines()[0] for words, command in EVERY.items()}


def test_the_walk_finds_groups_that_are_commands_and_commands_without_json():
    talking = typer.Typer()
    group = typer.Typer(invoke_without_command=True)
    group.callback()(lambda: None)
    group.command("act")(lambda: None)
    talking.add_typer(group, name="group")

    found = every_command(talking)

    assert list(found) == ["windlass group", "windlass group act"]
    assert not any(takes_json(command) for command in found.values())


def test_every_command_that_is_named_exists():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *written("api/templates", "windlass/cli", "stack")]

    assert {shown(page): found for page in pages if (found := strays(page.read_text()))} == {}


def test_a_command_that_does_not_exist_would_be_found():
    assert strays("$ windlass keys create ci\n`windlass keys`, `windlass fly`") == [
        "windlass keys create",
        "windlass fly",
    ]
