"""The examples do what they promise, in a real host."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.sdk.hosts import ROOT, Drive, Host, is_step, running_host
from tests.sdk.log import Log
from tests.sdk.places import short_folder


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


KODOSUMI = {
    "import windlass.forms as F\n": "import kodosumi.service.inputs.forms as F\n",
    "from windlass.forms import": "from kodosumi.service.inputs.forms import",
    "from windlass.errors import": "from kodosumi.service.inputs.errors import",
    "from windlass.response import": "from kodosumi.response import",
    "from windlass import": "from kodosumi.core import",
}
"""What a port changes, and back again."""


@pytest.mark.parametrize("name", ["approval", "newsletter"])
def test_the_ported_examples_name_us_in_their_imports_only(name: str):
    source = (ROOT / "examples" / name / "app.py").read_text()

    for ours, theirs in KODOSUMI.items():
        source = source.replace(ours, theirs)

    assert "windlass" not in source.lower()
    assert "from kodosumi.core import" in source


async def test_approval_asks_and_works_on_with_the_answer():
    drive = Drive(Log(), {"run_id": "approval", "flow": "/", "inputs": {"name": "Ada", "active": "on"}})
    with short_folder() as folder:
        async with running_host(folder, "app:app", cwd=ROOT / "examples" / "approval") as host:
            await drive.on(host, until=lambda heard: heard.get("kind") == "question")
            asked = {"name": "lock-1", "data": {"found": 3}, "run": drive.run}
            refused = await host.ask({"op": "lease", **asked, "inputs": {"count": 4, "continue": False}})
            taken = await host.ask({"op": "lease", **asked, "inputs": {"count": 2, "continue": True}})
            drive.log.answer("lock-1", taken["result"])
            await drive.on(host)
            bad = await host.run("/", {"name": "bad"})

    assert refused["fields"]["count"] == ["there are only 3"]
    assert drive.value == {"dict": {"lock-result": {"phase": "lease-1", "count": 2, "continue": True}}}
    assert drive.log.of("result") == [{"Markdown": {"body": "- Ada reads\n- Ada writes"}}]
    assert bad.last["error"]["fields"] == {"name": ["name must not be bad"], "_global_": ["that is not how we begin"]}


async def test_newsletter_writes_in_a_thread():
    inputs = {"to": "ada@example.org", "tone": "warm", "notes": "rain\nsun\nwind", "most": "2", "greet": "on"}
    with short_folder() as folder:
        async with running_host(folder, "app:app", cwd=ROOT / "examples" / "newsletter") as host:
            drive = await host.run("/write", inputs)
            weekend = await host.run("/write", {**inputs, "day": "2026-11-28"})

    assert drive.value == {"HTML": {"body": "<p>Dear ada@example.org,</p>\n<p>Rain!</p>\n<p>Sun!</p>"}}
    assert drive.log.of("action") == [{"dict": {"writing about": "rain"}}, {"dict": {"writing about": "sun"}}]
    assert weekend.last["error"]["fields"]["day"] == ["nobody reads on a weekend"]
