"""Folders that are made under another name and renamed when they are whole: a half is never taken for the whole."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

HALF = ".half-"  # in the name of what is not whole: left by a killed worker, to be swept


def begin(whole: Path) -> Path:
    """A new folder beside what it is to become."""
    return Path(tempfile.mkdtemp(prefix=f"{whole.name}{HALF}", dir=whole.parent))


def remove(path: Path) -> None:
    """Remove a whole or a half; whoever is killed meanwhile, or may not remove all, leaves a half."""
    if HALF not in path.name:
        path = path.rename(begin(path))
    shutil.rmtree(path, ignore_errors=True)


def size_of(folder: Path) -> int:
    """The bytes of a folder; what vanishes meanwhile is nothing."""
    total = 0
    for parent, _folders, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total
