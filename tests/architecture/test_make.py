"""`make test` runs every test once: what it names is what there is."""

import re
from pathlib import Path

from tests.architecture.sources import ROOT

TESTS = ROOT / "tests"


def calls() -> list[str]:
    """Each call of pytest in a recipe, with its arguments."""
    text = (ROOT / "Makefile").read_text()
    variables = dict(re.findall(r"^(\w+) := (tests/.*)$", text, re.MULTILINE))
    recipes = re.findall(r"^\t(\$\(PYTEST\).*)$", text, re.MULTILINE)
    filled = [re.sub(r"\$\((\w+)\)", lambda found: variables.get(found[1], found[0]), each) for each in recipes]
    return [call for recipe in filled for call in re.findall(r"\$\(PYTEST\)([^;&]*)", recipe) if "$*" not in call]


def is_run(call: str, path: Path) -> bool:
    """Whether the call runs the tests of a file."""
    words = call.split()
    left_out = {word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")}
    places = {str(each) for each in (path, *path.parents)}
    return not places & left_out and bool(places.intersection(words))


def test_make_test_runs_every_file_with_tests_once():
    files = [path.relative_to(ROOT) for path in TESTS.rglob("test_*.py")]

    counts = {str(path): sum(is_run(call, path) for call in calls()) for path in files}

    assert {path: count for path, count in counts.items() if count != 1} == {}
