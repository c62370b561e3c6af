"""Whoever silences a check says why, on the same line."""

import re

import pytest

from tests.architecture.sources import shown, written

FOLDERS = ("activities", "api", "stack", "windlass", "workers", "workflows")
MUTE = re.compile(r"#\s*(noqa(: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*)?|(type|pyright): ignore(\[[\w, -]+\])?)\s*$")


def mute(text: str) -> list[int]:
    """The lines that silence a check and give no reason."""
    return [number for number, line in enumerate(text.splitlines(), 1) if MUTE.search(line)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_exception_has_its_reason(folder: str):
    found = {shown(path): lines for path in written(folder) if (lines := mute(path.read_text()))}

    assert found == {}


@pytest.mark.parametrize(
    "line", ["x = 1  # noqa: S101", "x = 1  # noqa: S603, S607", "x = 1  # type: ignore[type-var]"]
)
def test_an_exception_without_a_reason_would_be_found(line: str):
    assert mute(line) == [1]
    assert mute(f"{line} - because") == []
