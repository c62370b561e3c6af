"""Throw the data of a stopped stack away."""

import shutil
import sys
from pathlib import Path

from stack import home, postgres
from stack.up import say
from windlass.core.settings import Settings


async def reset(settings: Settings, *, is_sure: bool) -> int:
    """Delete database, Temporal's file and objects of this home; the secret and the logs stay. Asks unless sure."""
    home.create(settings.home)
    with home.lock(settings.home):
        await home.end_leftovers(settings.home)
        doomed = _doomed(settings)
        if not doomed:
            say(f"There is no data in {settings.home}.")
            return 0
        say("This deletes for ever:\n  " + "\n  ".join(map(str, doomed)))
        if not is_sure and not _agreed():
            say("Nothing was deleted.")
            return 1
        for path in doomed:
            _delete(path)
    say("Deleted. The next `make up` starts from nothing.")
    return 0


def _doomed(settings: Settings) -> list[Path]:
    places = [*settings.home.glob("temporal.db*"), settings.home / "objects", settings.home / "hosts"]
    if settings.database_url is None:
        configured = settings.postgres_bin
        binaries = postgres.find_binaries(str(configured) if configured else None)
        places.append(postgres.lay_out(settings.home, binaries).data)
    return [path for path in places if path.is_file() or (path.is_dir() and any(path.iterdir()))]


def _agreed() -> bool:
    return sys.stdin.isatty() and input("Type yes to go on: ").strip() == "yes"


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
