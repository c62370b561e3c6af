"""What this machine has and lacks for running the stack, and how to get what is missing."""

import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stack import accounts, banner, ports, postgres, temporal
from stack.errors import StackError
from stack.processes import Command, run
from stack.up import say
from windlass.core import supervision
from windlass.core.settings import Settings
from windlass.core.storage import StoreAway
from windlass.core.storage.urls import described, folder_of, open_objects

ROOM_BYTES = 1 << 30
SIGNS = {"good": "✓", "note": "·", "bad": "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `good`, `note` or `bad`, in words."""

    verdict: str
    name: str
    detail: str


Check = Callable[[Settings], Awaitable[Finding]]


async def doctor(settings: Settings) -> int:
    """Look at everything; the exit code is 1 when something is bad."""
    found = [await _look(check, settings) for check in CHECKS]
    width = max(len(each.name) for each in found)
    say("\n".join(f"{SIGNS[each.verdict]} {each.name:<{width}}  {each.detail}" for each in found))
    return int(any(each.verdict == "bad" for each in found))


async def _look(check: Check, settings: Settings) -> Finding:
    try:
        return await check(settings)
    except (StackError, OSError) as error:
        return Finding("bad", check.__name__.strip("_").replace("_", " "), str(error))


async def _python(_settings: Settings) -> Finding:
    return Finding("good", "python", f"{platform.python_version()} in {sys.prefix}")


async def _postgresql(settings: Settings) -> Finding:
    if settings.database_url:
        return Finding("good", "postgresql", "somebody else's: WINDLASS_DATABASE_URL")
    configured = settings.postgres_bin
    binaries = postgres.find_binaries(str(configured) if configured else None)
    return Finding("good", "postgresql", f"{binaries}, run as {accounts.server_account().name}")


async def _temporal(settings: Settings) -> Finding:
    if settings.external_temporal:
        return Finding("good", "temporal", f"somebody else's: {settings.external_temporal}")
    return Finding("good", "temporal", str(await temporal.find_program(settings.temporal_bin, settings.home)))


async def _room(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Finding("bad", "home", f"{settings.home} cannot be written to; choose another WINDLASS_HOME")
    verdict = "good" if free > ROOM_BYTES else "bad"
    return Finding(verdict, "home", f"{settings.home}, {free / 2**30:.1f} GiB free (1 GiB is needed)")


async def _files(settings: Settings) -> Finding:
    where = described(settings)
    if folder_of(settings) == settings.home / "objects":
        return Finding("good", "files", f"{where}, in the home")
    objects = open_objects(settings)
    try:
        await objects.room()
    except StoreAway as error:
        return Finding("bad", "files", f"{where}: {error.detail}")
    finally:
        await objects.close()
    return Finding("good", "files", f"{where}, can be written to")


async def _ports(settings: Settings) -> Finding:
    status = supervision.read(settings.home)
    if status is not None and status.is_alive:
        return Finding("good", "ports", f"a stack runs here: {settings.url}")
    ports.require_free(settings.port, "WINDLASS_PORT", settings.host)
    if settings.external_temporal is None:
        ports.require_free(settings.temporal_port, "WINDLASS_TEMPORAL_PORT")
        ports.require_free(settings.temporal_ui_port, "WINDLASS_TEMPORAL_UI_PORT")
    return Finding("good", "ports", "free")


async def _model(settings: Settings) -> Finding:
    if settings.anthropic_api_key is None:
        return Finding("note", "model", f"ANTHROPIC_API_KEY {banner.STANDIN}")
    return Finding("good", "model", f"ANTHROPIC_API_KEY {banner.masked(settings.anthropic_api_key.get_secret_value())}")


async def _desktops(settings: Settings) -> Finding:
    """Everything but desktops works without an engine."""
    socket, image = settings.docker_socket, settings.desktop_image
    if not socket.exists():
        return Finding("note", "desktops", f"no container engine: {socket} does not exist (apt-get install docker.io)")
    program = shutil.which("docker")
    if program is None:
        return Finding("note", "desktops", f"{socket} is there, the command docker to build the image with is not")
    code, _ = await run(Command((program, "--host", f"unix://{socket}", "image", "inspect", image)))
    if code != 0:
        return Finding("note", "desktops", f"the engine does not answer, or has no image {image}: make desktop-image")
    return Finding("good", "desktops", f"{socket}, image {image}")


async def _shell(settings: Settings) -> Finding:
    """Everything but the tool `shell` of sessions works without a fence."""
    if settings.shell != "fence":
        return Finding("note", "shell", f"sessions run commands without a fence, or not at all: {settings.shell}")
    program = shutil.which("bwrap")
    if program is None:
        return Finding("note", "shell", "no bubblewrap: sessions run no commands (apt-get install bubblewrap)")
    return Finding("good", "shell", f"{program} (the fence of commands in sessions)")


async def _browser(_settings: Settings) -> Finding:
    found = next(
        filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))),
        None,
    )
    if found is None:
        return Finding("note", "browser", "no Chromium: only the tests of pages need one (apt-get install chromium)")
    return Finding("good", "browser", f"{found} (for the tests of pages)")


CHECKS: tuple[Check, ...] = (
    *(_python, _postgresql, _temporal, _room, _files, _ports),
    *(_model, _desktops, _shell, _browser),
)
