"""Who may import whom: the contracts of pyproject.toml, and what each part may take from outside."""

import sys
import tomllib
from pathlib import Path
from shutil import copytree, ignore_patterns
from subprocess import run
from typing import Any

import grimp
import pytest

from tests.architecture.sources import ROOT

SDK = frozenset({"fastapi", "httpx", "markdown_it", "nh3", "pydantic", "pydantic_core", "rich", "starlette", "typer"})
BANNED_IN_THE_GATEWAY = ("list_workflows", "count_workflows")  # ten a second for a whole namespace: lists are SQL
AGAINST_THE_RULES = {
    "stack/ports.py": "import tests",  # rooms
    "windlass/values.py": "import windlass.core.settings",  # the importable name
    "windlass/core/unplaced.py": "",  # core is exhaustive
    "activities/claude.py": "import activities.services",  # activities
    "workflows/runs.py": "import activities.adapters.hosts, windlass.core.runs",  # adapters, workflows
    "activities/runs.py": "import anthropic",  # vendors
    "api/paging.py": "def late():\n    import activities.runs, temporalio.client",  # gateway, Temporal
    "windlass/core/listener.py": "if 1 > 2:\n    import windlass.core.stream",  # cycles
}


def contracts() -> list[dict[str, Any]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def lint(root: Path) -> tuple[int, str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    done = run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("windlass", "workflows", include_external_packages=True, cache_dir=None)


def foreign(graph: grimp.ImportGraph, package: str, *, but: str = "-") -> dict[str, set[str]]:
    """What the modules of a package import that is neither ours nor Python's."""
    known = sys.stdlib_module_names | {"windlass"}
    found: dict[str, set[str]] = {}
    for module in sorted({package, *graph.find_descendants(package)}):
        if not f"{module}.".startswith(f"{but}."):
            roots = {name.partition(".")[0] for name in graph.find_modules_directly_imported_by(module)}
            found |= {module: roots - known} if roots - known else {}
    return found


def test_the_contracts_are_kept():
    code, output = lint(ROOT)

    assert code == 0, output


def test_every_contract_is_red_when_its_rule_is_broken(tmp_path: Path):
    for room in ("windlass", "workflows", "activities", "workers", "api", "stack"):
        copytree(ROOT / room, tmp_path / room, ignore=ignore_patterns("static", "templates", "__pycache__"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for place, line in AGAINST_THE_RULES.items():
        with (tmp_path / place).open("a") as source:
            source.write(f"\n{line}\n")

    _, output = lint(tmp_path)

    assert " KEPT" not in output
    assert output.count(" BROKEN") == len(contracts())


def test_contracts_stand_on_the_standard_library_alone(graph: grimp.ImportGraph):
    assert foreign(graph, "windlass.contracts") == {"windlass.contracts.policies": {"temporalio"}}


def test_the_sdk_stands_on_what_its_wheel_declares(graph: grimp.ImportGraph):
    needed = foreign(graph, "windlass", but="windlass.core")
    del needed["windlass.contracts.policies"]  # the server's: the wheel's users never import it

    assert set().union(*needed.values()) <= SDK


def test_workflows_stand_on_temporal_alone(graph: grimp.ImportGraph):
    assert set().union(*foreign(graph, "workflows").values()) == {"temporalio"}


def test_the_gateway_asks_temporal_for_no_lists():
    found = [
        (path.name, name)
        for path in (ROOT / "api").rglob("*.py")
        for name in BANNED_IN_THE_GATEWAY
        if name in path.read_text()
    ]

    assert found == []


def test_importing_a_contract_imports_neither_fastapi_nor_httpx():
    program = "import sys, windlass.contracts.runs; sys.exit(bool({'fastapi', 'httpx', 'pydantic'} & set(sys.modules)))"

    assert run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0  # noqa: S603
