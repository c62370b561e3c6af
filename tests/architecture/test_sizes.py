"""Files and functions stay small enough to be read in one go."""

from collections.abc import Iterable
from pathlib import Path

from tests.architecture.sources import functions, shown, written

FILE_LINES = 400
FUNCTION_LINES = 60


def too_long(paths: Iterable[Path]) -> list[str]:
    found: list[str] = []
    for path in paths:
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES:
            found.append(f"{shown(path)}: {lines} lines")
        if path.suffix == ".py":
            found += [f"{each.place}: {each.lines} lines" for each in functions(path) if each.lines > FUNCTION_LINES]
    return found


def test_no_file_and_no_function_is_too_long():
    assert too_long(written()) == []


def test_a_long_file_and_a_long_function_are_found(tmp_path: Path):
    body = "    pass\n"
    (tmp_path / "long_file.py").write_text("x = 1\n" * (FILE_LINES + 1))
    (tmp_path / "long_function.py").write_text("def f():\n" + body * FUNCTION_LINES + "def g():\n" + body)

    assert [line.rpartition("/")[2] for line in too_long(sorted(tmp_path.iterdir()))] == [
        "long_file.py: 401 lines",
        "long_function.py:1 f: 61 lines",
    ]
