"""Where a bucket is, as settings say it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from windlass.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is and what opens it; without keys the vendor's usual places are asked."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None  # None: where an endpoint is given
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)


def place_of(settings: Settings) -> Place:
    """The place that an `s3://` URL and the settings beside it mean."""
    parts = urlsplit(settings.storage_url)
    prefix = parts.path.strip("/")
    return Place(
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint=settings.s3_endpoint,
        public_endpoint=settings.s3_public_endpoint,
        region=settings.s3_region,
        path_style=settings.s3_path_style,
        access_key=_open(settings.s3_access_key),
        secret_key=_open(settings.s3_secret_key),
    )


def _open(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None
