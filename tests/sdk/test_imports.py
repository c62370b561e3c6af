"""The SDK loads what is used and nothing else."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import windlass

ROOT = Path(__file__).parents[2]
# orjson is missing here: FastAPI takes it up by itself wherever it is installed.
SERVER_ONLY = {"asyncpg", "temporalio", "uvloop", "sqlalchemy", "anthropic", "structlog", "windlass.core"}


def loaded_by(statement: str) -> set[str]:
    """The modules a fresh interpreter has after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["windlass", "windlass.contracts.events", "windlass.contracts.ids"])
def test_a_contract_loads_neither_fastapi_nor_httpx_nor_pydantic(module: str):
    assert not {"fastapi", "httpx", "pydantic"} & loaded_by(f"import {module}")


def test_a_host_loads_nothing_of_the_server_and_no_command_line():
    loaded = loaded_by("import windlass.host.__main__")

    assert not (SERVER_ONLY | {"httpx", "rich", "typer"}) & loaded


def test_checking_a_form_does_not_load_the_web_framework():
    assert "fastapi" not in loaded_by("from windlass.forms import validate, json_schema")


@pytest.mark.parametrize("name", windlass.__all__)
def test_every_public_name_loads(name: str):
    assert getattr(windlass, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        windlass.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_the_one_of_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert windlass.__version__ == project["version"]
