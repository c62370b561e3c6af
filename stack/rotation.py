"""Keep log files small: every child appends to its own, and we copy and cut it when it is full."""

import shutil
from contextlib import suppress
from pathlib import Path

LIMIT_BYTES = 10 * 1024 * 1024
KEPT = 3


def rotate(folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Move what is full to `.1`, `.1` to `.2` and so on. Writers go on; lines of that very instant may be lost."""
    for log in folder.glob("*.log"):
        with suppress(OSError):
            if log.stat().st_size > limit_bytes:
                _rotate(log)


def _rotate(log: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.rename(log.with_name(f"{log.name}.{number + 1}"))
    newest = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, newest)
    except OSError:
        newest.unlink(missing_ok=True)  # no room for a copy: better no old lines than no new ones
    with log.open("r+b") as file:
        file.truncate(0)
