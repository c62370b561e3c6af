"""`make demo-desktop` keeps what it promises."""

import asyncio
import json
import os
import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from activities.adapters.engine import DockerEngine
from stack.demo_pictures import kept
from tests.buckets import Store
from windlass.core.mortality import dying_with_us
from windlass.core.settings import Settings
from windlass.core.storage.urls import open_objects

ROOT = Path(__file__).parents[2]


async def hold(**environment: str) -> tuple[int, str]:
    """Run the demonstration without a terminal of its own; answers its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stack.demo_desktop", "--terminal"),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=dying_with_us(),
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.bucket
async def test_a_model_orders_through_two_kills_and_its_pictures_are_in_s3(
    docker: DockerEngine, image: str, tmp_path: Path
):
    """Everything but the browser: the image of the tests has none, so the page's questions are asked in a terminal."""
    settings = {"WINDLASS_HOME": str(tmp_path / "home"), "WINDLASS_DESKTOP_IMAGE": image}

    code, said = await hold(**settings)

    assert code == 0, said
    assert len(re.findall("^ *kill -9 ", said, re.MULTILINE)) == 2
    assert "The run has finished: 9 actions" in said
    assert "The desktop says: Ordered: three anvils for Ada." in said
    assert "Pictures go to s3://windlass/demo of an S3 server of its own" in said
    shots = int(found[1]) if (found := re.search(r"(\d+) pictures of the task are in s3:", said)) else 0
    assert entries(tmp_path) == ["home-demo-pictures"]
    bucket = tmp_path / "home-demo-pictures" / "buckets" / "windlass"
    assert f"The pictures stay, until the next demonstration: {bucket}\n" in said
    pictures = list(bucket.glob("demo/*/desktops/*/*.webp"))
    assert len(pictures) >= shots > 1
    ours = json.dumps({"label": [f"windlass.desktop={pictures[0].parent.name}"]})
    assert await docker.ask("GET", "/containers/json", all="true", filters=ours) == []


def settings_in(home: Path, **variables: str) -> Settings:
    return Settings.model_validate({"WINDLASS_HOME": home, **variables})


def said_by(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.bucket
async def test_a_bucket_of_ones_own_is_used_and_looked_into(store: Store, tmp_path: Path):
    settings = settings_in(tmp_path, **store.variables("mine"))
    objects = open_objects(settings)
    await objects.put("acme/desktops/one/a.webp", b"a picture")
    await objects.close()

    with kept(settings, tmp_path / "pictures", Console(file=StringIO())) as pictures:
        found = [await asyncio.to_thread(pictures.of, each) for each in ("one", "another")]

    assert (pictures.where, found) == (f"s3://windlass/mine at {store.endpoint}", [1, 0])
    assert not (tmp_path / "pictures").exists()


def test_where_no_s3_server_can_be_built_it_says_why_and_that_a_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOPROXY", "off")
    console = Console(file=StringIO())

    with kept(settings_in(tmp_path), tmp_path / "pictures", console) as pictures:
        assert pictures.of("one") is None

    assert "No S3 server of its own: There is no versitygw" in said_by(console)
    assert "Pictures go to a folder of its home, which is removed with it." in said_by(console)
    assert not (tmp_path / "pictures").exists()
