"""Where the SDK's tests put things: nothing here needs more than Python."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_folder() -> Generator[Path]:
    """A folder with a short path that other accounts can pass through, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="wl-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
