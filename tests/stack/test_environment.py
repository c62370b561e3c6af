"""The base environment: what agents run in holds the SDK and nothing of the platform."""

import asyncio
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


async def test_one_of_an_older_version_gives_way_to_a_link_and_a_change_of_the_sdk_leaves_no_moment_without_it(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "base-env"
    (folder / "bin").mkdir(parents=True)  # a folder, of a version that had no link
    await environment.ensure(folder)
    assert folder.is_symlink()
    first = environment.python(folder.resolve())
    gaps: list[str] = []
    watching = asyncio.create_task(watch(folder / "bin" / "windlass", gaps))

    monkeypatch.setattr(environment, "_sources", lambda: "changed")
    await environment.ensure(folder)
    second = environment.python(folder.resolve())
    watching.cancel()

    assert gaps == []
    assert first != second
    assert imports(first, "windlass")
    assert imports(second, "windlass")
    command = [str(folder / "bin" / "windlass"), "--version"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: ASYNC221, S603


async def watch(command: Path, gaps: list[str]) -> None:
    """Note every moment without the command."""
    while True:
        if not command.exists():  # noqa: ASYNC240 - it takes microseconds
            gaps.append("it was gone")
        await asyncio.sleep(0.001)
