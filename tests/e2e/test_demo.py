"""The demonstration keeps what it promises, and touches nobody else's servers."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from windlass.core.mortality import dying_with_us

ROOT = Path(__file__).parents[2]


async def hold(**environment: str) -> tuple[int, str]:
    """Run `make demo`'s program without a terminal; answers its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stack.demo"),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=dying_with_us(),
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


async def test_three_kills_in_the_middle_change_nothing_in_the_outcome(tmp_path: Path):
    code, said = await hold(WINDLASS_HOME=str(tmp_path / "home"))

    assert code == 0, said
    assert len(re.findall("^ *kill -9 ", said, re.MULTILINE)) == 3
    assert re.search(r"words +2345 +2345\n", said)
    assert "The outcome is unchanged." in said
    assert is_empty(tmp_path)


@pytest.mark.parametrize(
    "theirs",
    [
        {"TEMPORAL_ADDRESS": "somewhere:1"},
        {"WINDLASS_DATABASE_URL": "somewhere:1", "WINDLASS_STORAGE_URL": "s3://theirs/files"},
    ],
)
async def test_it_kills_no_servers_of_other_people(tmp_path: Path, theirs: dict[str, str]):
    code, said = await hold(WINDLASS_HOME=str(tmp_path / "home"), **theirs)

    assert code == 1
    assert "servers only" in said
    assert all(variable in said for variable in theirs), said
