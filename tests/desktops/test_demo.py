"""`make demo-desktop` keeps what it promises."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from activities.adapters.engine import DockerEngine
from tests.buckets import Store

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
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


@pytest.mark.bucket
async def test_a_model_orders_through_two_kills_and_its_pictures_are_in_s3(
    docker: DockerEngine, image: str, store: Store, tmp_path: Path
):
    """Everything but the browser: the image of the tests has none, so the page's questions are asked in a terminal."""
    settings = {"WINDLASS_HOME": str(tmp_path / "home"), "WINDLASS_DESKTOP_IMAGE": image, **store.variables("demo")}

    code, said = await hold(**settings)

    assert code == 0, said
    assert len(re.findall("^ *kill -9 ", said, re.MULTILINE)) == 2
    assert "The run has finished: 9 actions" in said
    assert "The desktop says: Ordered: three anvils for Ada." in said
    pictures = list((store.root / "demo").rglob("*.webp"))
    assert len(pictures) > 1
    ours = json.dumps({"label": [f"windlass.desktop={pictures[0].parent.name}"]})
    assert await docker.ask("GET", "/containers/json", all="true", filters=ours) == []
    assert is_empty(tmp_path)
