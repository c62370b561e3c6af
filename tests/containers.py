"""A real container engine for tests, and the image of desktops in it, without the browser."""

import asyncio
import os
import subprocess
from pathlib import Path

from activities.adapters.engine import DockerEngine
from windlass.core.settings import Settings

IMAGE = "windlass-desktop-test"
BUILD = Path(__file__).parents[1] / "stack" / "images" / "desktop" / "build.sh"


async def answering() -> DockerEngine:
    """The engine of this machine. Raises EngineAway."""
    engine = DockerEngine(Settings.load().docker_socket)
    try:
        await engine.ask("GET", "/version")
    except BaseException:
        await engine.close()
        raise
    return engine


async def built() -> str:
    """The name of the image, built where it is not there yet."""
    environment = {**os.environ, "IMAGE": IMAGE, "BROWSER": ""}
    build = await asyncio.to_thread(
        subprocess.run, [str(BUILD)], env=environment, capture_output=True, text=True, check=False
    )
    assert build.returncode == 0, build.stderr[-2000:]
    return IMAGE
