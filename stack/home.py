"""The home of a stack on disk: its folder, its lock, its secret, and what an earlier stack left behind."""

import asyncio
import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import IO

from stack.errors import StackError
from windlass.core import supervision
from windlass.core.supervision import ChildStatus

SECRET_BYTES = 48
LEFTOVER_S = 5.0


class HomeTaken(StackError):
    """Another supervisor works in this home."""


def create(home: Path) -> None:
    """Make the folder and what belongs into it; only folders we make get a mode from us."""
    # As root, PostgreSQL's account passes through: it may enter, not look around.
    _make(home, 0o711 if os.geteuid() == 0 else 0o700)
    for name in ("logs", "objects", "hosts"):
        _make(home / name, 0o700)


def lock(home: Path) -> IO[str]:
    """Take the home for this process until it ends, however it ends. Raises HomeTaken."""
    file = (home / "stack.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise HomeTaken(f"A stack is already running in {home}.") from None
    return file


def secret(home: Path) -> str:
    """The secret of this installation, made at its first start and readable by us alone."""
    path = home / "secret.key"
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    return path.read_text()


async def end_leftovers(home: Path) -> list[str]:
    """End what a killed supervisor left running here, known by pid and start time, and answer the names.

    Call it with the lock held: then the recorded supervisor is dead for sure.
    """
    status = supervision.read(home)
    left = [child for child in status.children if _lives(child)] if status else []
    for attempt in range(int(LEFTOVER_S / 0.05) * 2):
        living = [child for child in left if _lives(child)]
        if not living:
            break
        patience_is_over = attempt > LEFTOVER_S / 0.05
        if attempt == 0 or patience_is_over:
            for child in living:
                _end(child, SIGKILL if patience_is_over else child.death_signal)
        await asyncio.sleep(0.05)
    return [child.name for child in left]


def _lives(child: ChildStatus) -> bool:
    return child.process is not None and child.process.is_alive


def _end(child: ChildStatus, number: int) -> None:
    if child.process is not None:
        with suppress(ProcessLookupError):
            os.kill(child.process.pid, number)


def _make(folder: Path, mode: int) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(mode)
