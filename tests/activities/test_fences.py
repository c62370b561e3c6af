"""Commands behind a fence: what they see, what they may write, and that nothing of them stays."""

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import pytest

from activities.adapters.fences import KEPT_BYTES, Bubblewrap, NoFence, Unfenced
from activities.shells import Fence, Shells, Watch
from tests.core.records import somebody
from tests.core.streams import until
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.storage.local import LocalObjects
from windlass.core.workspaces import Workspaces


@pytest.fixture
async def fence() -> Bubblewrap:
    """The real one; without it these tests are skipped, and fail where CI=true."""
    made = Bubblewrap()
    why_not = await made.why_not()
    if why_not and os.environ.get("CI"):
        pytest.fail(f"CI must have a fence: {why_not}")
    if why_not:
        pytest.skip(f"the shell of sessions is NOT tested here: {why_not}")
    return made


def watch(folder: Path, time_s: float = 60, **more: int) -> Watch:
    return Watch(folder, time_s, asyncio.Event(), **more)


async def test_a_command_sees_its_folder_and_programs_and_nothing_else(
    fence: Bubblewrap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WINDLASS_OF_A_TEST", "hidden")
    (tmp_path / "a.txt").write_text("here\n")
    secret = tmp_path.parent / "secret"
    secret.write_text("not here")
    tried = (
        f"cat a.txt; pwd; ls /; cat /etc/passwd; touch /usr/x; env; ls /proc | grep -c '^[0-9]'; cat {secret}; exit 3"
    )

    ran = await fence.run(tmp_path, tried, watch(tmp_path))

    assert (ran.code, ran.stopped) == (3, "")
    assert ran.output.startswith("here\n/work\n")
    assert "cannot open" in ran.output or "No such file" in ran.output
    assert "Read-only file system" in ran.output
    assert not any(each in ran.output for each in ("hidden", "not here", "home", "WINDLASS"))


async def test_what_a_command_starts_ends_with_it(fence: Bubblewrap, tmp_path: Path):
    note = tmp_path / "beats"
    beating = "(setsid sh -c 'while true; do echo . >> beats; sleep 0.05; done') & sleep 0.3"

    ran = await fence.run(tmp_path, f"{beating}; echo done", watch(tmp_path))
    counted = note.stat().st_size
    late = await fence.run(tmp_path, f"{beating}; sleep 60", watch(tmp_path, 1.0))
    stopped = note.stat().st_size

    assert (ran.code, ran.output, counted > 0) == (0, "done\n", True)
    assert (late.code, late.stopped) == (None, "It was stopped after 1 s.")
    await asyncio.sleep(0.3)
    assert note.stat().st_size - stopped <= 2  # the one that was on its way


async def test_what_it_writes_is_bounded_on_the_screen_and_in_the_folder(fence: Bubblewrap, tmp_path: Path):
    loud = await fence.run(
        tmp_path, "echo first; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo last", watch(tmp_path)
    )
    greedy = "while true; do head -c 1000000 /dev/zero >> large; done"
    full = await fence.run(tmp_path, greedy, watch(tmp_path, quota_bytes=8 << 20))

    assert len(loud.output) < 2 * KEPT_BYTES
    assert (loud.output[:5], loud.output[-5:], "bytes left out" in loud.output) == ("first", "last\n", True)
    assert full.stopped == "It was stopped: the workspace may hold 8 MB."


async def test_without_a_fence_nothing_runs_and_the_reason_is_told(tmp_path: Path):
    missing = await Bubblewrap("no-such-program").why_not()
    off = await NoFence().why_not()

    assert missing == "bubblewrap is not installed where the worker runs. The operator may install it."
    assert off == "the operator has switched it off."


async def test_in_the_open_a_command_has_none_of_our_environment_and_ends_with_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WINDLASS_OF_A_TEST", "hidden")
    ran = await Unfenced().run(tmp_path, "env; sleep 300 & echo $! > pid", watch(tmp_path))
    started = int((tmp_path / "pid").read_text())

    assert (ran.code, "hidden" in ran.output) == (0, False)
    await until(lambda: not Path(f"/proc/{started}").exists() or "Z" in Path(f"/proc/{started}/stat").read_text(), 30)


@pytest.mark.parametrize("kind", [Bubblewrap, Unfenced])
async def test_files_that_are_none_stay_behind_and_closed_ones_are_opened(
    database: Database, tmp_path: Path, kind: type[Bubblewrap | Unfenced], fence: Fence
):
    (tmp_path / "secret").write_text("not yours")
    workspaces = Workspaces(database, Contents(database, LocalObjects(tmp_path / "objects")))
    shells = Shells(workspaces, kind(), tmp_path / "shells")
    command = (
        f"mkdir -p shut && echo kept > shut/a && chmod 000 shut/a shut; ln -s {tmp_path}/secret link; ln -s / root; "
        "mkfifo pipe; echo odd > \"$(printf 'new\\nline')\"; echo plain > b"
    )

    came = await shells.run(somebody().tenant_id, uuid4(), {"command": command}, asyncio.Event())

    assert (came.outcome, sorted(came.changes)) == ("done", ["b", "shut/a"])
    assert "Not kept, no plain files: " in came.text
    assert all(name in came.text for name in ("link", "root", "pipe", "new\\nline"))
    assert list((tmp_path / "shells").iterdir()) == []
    assert (tmp_path / "secret").read_text() == "not yours"


async def test_the_folder_of_a_command_that_ends_beside_it_stops_no_other(database: Database, tmp_path: Path):
    root = tmp_path / "shells"
    root.mkdir()
    (root / "going").symlink_to(tmp_path / "gone")  # listed, and not there when it is looked at
    shells = Shells(Workspaces(database, Contents(database, LocalObjects(tmp_path / "objects"))), Unfenced(), root)

    came = await shells.run(somebody().tenant_id, uuid4(), {"command": "echo here"}, asyncio.Event())

    assert (came.outcome, came.text) == ("done", "here")
