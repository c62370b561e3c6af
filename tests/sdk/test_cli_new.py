"""`windlass new` makes a service that works: its own test passes, and a host runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.commands import run
from tests.sdk.hosts import ROOT, running_host
from tests.sdk.places import short_folder

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    done = run(tmp_path, ["new", "my-agent"], ENVIRONMENT)
    assert done.code == 0, done.err
    assert "windlass service add my-agent" in done.out
    return tmp_path / "my-agent"


def test_its_own_test_passes(made: Path):
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(made), "test_app.py"]
    environment = {**ENVIRONMENT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # it needs none, and they take seconds to load
    done = subprocess.run(words, cwd=made, env=environment, capture_output=True, text=True, check=False)  # noqa: S603

    assert done.returncode == 0, done.stdout


async def test_a_host_runs_it(made: Path):
    with short_folder() as folder:
        async with running_host(folder, "app:app", cwd=made) as host:
            drive = await host.run("/work", {"topic": "white whales"})

    assert drive.value == {"str": "White Whales"}
    assert [record["name"] for record in drive.log.steps()] == ["collect", "write"]


def test_a_folder_that_is_there_is_left_alone(made: Path):
    (made / "app.py").write_text("mine")

    done = run(made.parent, ["new", "my-agent"], ENVIRONMENT)

    assert done.code == 2
    assert (made / "app.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["Bad Name", "../up", "-x", ""])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str):
    assert run(tmp_path, ["new", "--", name], ENVIRONMENT).code == 2
    assert list(tmp_path.iterdir()) == []
