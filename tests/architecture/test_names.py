"""Our folders have generic names: nothing that is installed may own one of them."""

import importlib.util
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.sources import ROOT

PROGRAMS = frozenset({"versions", "services", "programs"})  # run by Alembic or by hosts, never imported
OURS = ("workflows", "activities", "workers", "api", "tests")
owners = cache(packages_distributions)  # reads what every distribution has installed


@pytest.mark.parametrize("name", [*OURS, "windlass", "stack"])
def test_no_installed_distribution_owns_the_name(name: str):
    assert owners().get(name, []) == []


@pytest.mark.parametrize("name", [*OURS, "windlass", "stack"])
def test_the_folder_is_a_regular_package_of_this_repository(name: str):
    spec = importlib.util.find_spec(name)

    assert spec is not None
    assert spec.origin == str(ROOT / name / "__init__.py")


@pytest.mark.parametrize("name", [*OURS, "windlass", "stack"])
def test_every_folder_of_python_inside_is_a_regular_package(name: str):
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / name).rglob("*.py")}

    ours = [each for each in folders if PROGRAMS.isdisjoint(each.parts)]
    assert [each for each in ours if not (ROOT / each / "__init__.py").exists()] == []
