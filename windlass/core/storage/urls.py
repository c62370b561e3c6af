"""Which store the settings mean: the one place that looks at the scheme of a storage URL."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from windlass.core.settings import Settings
from windlass.core.storage import Objects
from windlass.core.storage.local import LocalObjects
from windlass.core.storage.places import place_of


def open_objects(settings: Settings) -> Objects:
    """The object store of an installation; nobody is asked yet."""
    folder = folder_of(settings)
    if folder is not None:
        return LocalObjects(folder)
    from windlass.core.storage.s3 import S3Objects  # noqa: PLC0415 - the vendor's client: only who has a bucket pays

    return S3Objects(place_of(settings))


def folder_of(settings: Settings) -> Path | None:
    """The folder of this machine that is the store; None when it is a bucket."""
    parts = urlsplit(settings.storage_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def described(settings: Settings) -> str:
    """Where the store is, in words that hold no key."""
    where = f" at {settings.s3_endpoint}" if settings.s3_endpoint and folder_of(settings) is None else ""
    return f"{settings.storage_url}{where}"
