"""Which store a storage URL means."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from windlass.core.errors import Unavailable


def folder_of(url: str) -> Path:
    """The folder of a `file://` URL. Raises Unavailable for a store that is not supported."""
    parts = urlparse(url)
    if parts.scheme != "file":
        raise Unavailable(f"WINDLASS_STORAGE_URL: {parts.scheme}:// is not supported, file:// is.")
    return Path(unquote(parts.path))
