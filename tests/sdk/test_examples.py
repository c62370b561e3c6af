"""The examples do what they promise, in a real host."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.parts import short_folder
from tests.sdk.hosts import ROOT, Drive, Host, is_step, running_host
from tests.sdk.log import Log


@pytest.fixture(scope="module")
async def hello() -> AsyncGenerator[Host]:
    """The first example a newcomer meets."""
    with short_folder() as folder:
        async with running_host(folder, "app:app", cwd=ROOT / "examples" / "hello") as running:
            yield running


async def test_greet_greets(hello: Host):
    drive = await hello.run("/greet", {"name": "Ada"})

    assert drive.value == {"str": "Hello Ada!"}
    assert drive.log.texts() == ["Hello Ada!"]


async def test_count_counts_the_words_of_a_real_file_and_a_crash_changes_nothing(tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("\n".join("one two three" for _ in range(250)))
    drive = Drive(Log(), {"run_id": "c", "flow": "/count", "inputs": {"path": str(text), "chunk_lines": 50}})
    with short_folder() as folder:
        async with running_host(folder, "app:app", cwd=ROOT / "examples" / "hello") as first:
            await drive.on(first, until=is_step("lines from 101", "started"))
            await first.kill()
        async with running_host(folder, "app:app", cwd=ROOT / "examples" / "hello") as second:
            await drive.on(second)

    assert drive.value == {"dict": {"lines": 250, "words": 750}}
    assert len(drive.log.of("action")) == 5


async def test_steps_takes_its_steps(hello: Host):
    drive = await hello.run("/steps", {"n": "3", "seconds": "0.01"})

    assert drive.value == {"dict": {"taken": [0, 1, 2]}}
    assert [record["name"] for record in drive.log.steps()] == ["step 0", "step 1", "step 2"]


async def test_trivial_leaves_no_trace_but_its_end(hello: Host):
    drive = await hello.run("/trivial")

    assert drive.value == {"dict": {"ok": True}}
    assert drive.log.events == []
