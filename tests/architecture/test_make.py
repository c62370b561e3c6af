"""`make test` runs every test: what it names is what there is."""

import re

from tests.architecture.sources import ROOT

TESTS = ROOT / "tests"


def test_make_test_names_every_folder_with_tests_once():
    recipes = re.findall(r"^\t\$\(PYTEST\).*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = [folder for recipe in recipes for folder in re.findall(r"tests/(\w+)", recipe)]

    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}

    assert sorted(named) == sorted(folders)
