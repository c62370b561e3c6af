"""The base environment: what agents run in holds the SDK and nothing of the platform."""

import subprocess
from pathlib import Path

import pytest

from stack import environment


@pytest.fixture(scope="module")
async def base() -> Path:
    folder = environment.place()
    await environment.ensure(folder)
    return environment.python(folder)


def imports(python: Path, module: str) -> bool:
    words = [str(python), "-c", f"import {module}"]
    return subprocess.run(words, check=False, cwd="/", capture_output=True).returncode == 0  # noqa: S603


def test_the_sdk_can_be_imported_there(base: Path):
    assert imports(base, "windlass")


@pytest.mark.parametrize("module", ["windlass.core", "api", "temporalio", "asyncpg", "anthropic"])
def test_the_platform_cannot(base: Path, module: str):
    assert not imports(base, module)


async def test_the_second_time_nothing_happens(base: Path):
    stamp = base.parent.parent / "sources.sha256"
    before = stamp.stat().st_mtime_ns

    await environment.ensure(environment.place())

    assert stamp.stat().st_mtime_ns == before
