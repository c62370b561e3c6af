"""Signed addresses of files: whoever has one downloads that file until it expires."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import jwt

from windlass.contracts.ids import TenantId
from windlass.core.errors import NotFound
from windlass.core.file_uploads import folder_of
from windlass.core.identity.tokens import ALGORITHM, derive
from windlass.core.storage import Objects

TYPE = "file+jwt"
REQUIRED = ["tid", "name", "sha", "size", "exp"]


@dataclass(frozen=True, slots=True)
class FileLink:
    """What an address opens: some content under a name, until a moment."""

    tenant_id: TenantId
    name: str
    digest: str
    size_bytes: int
    expires_at: datetime


class FileLinks:
    """Makes and reads them. They are made when they are asked for and never stored."""

    def __init__(self, objects: Objects, secret: bytes, now: Callable[[], datetime]) -> None:
        self._objects, self._key, self._now = objects, derive(secret, "file-link"), now

    async def address(self, link: FileLink, lifetime: timedelta, gateway: str) -> str:
        """The address of the bucket; of the gateway where the store has none. Raises StoreAway."""
        key = f"{folder_of(link.tenant_id)}/{link.digest}"
        return await self._objects.link(key, lifetime, link.name) or f"{gateway}?token={quote(self._signed(link))}"

    def read(self, token: str) -> FileLink:
        """What a token opens. Raises NotFound: it is not ours, or has expired."""
        try:
            if jwt.get_unverified_header(token) != {"alg": ALGORITHM, "typ": TYPE}:
                raise NotFound("file", "behind this link")
            options: Any = {"require": REQUIRED, "verify_exp": False}
            said = jwt.decode(token, self._key, [ALGORITHM], options)
            expires_at = datetime.fromtimestamp(float(said["exp"]), UTC)
            found = FileLink(TenantId(UUID(said["tid"])), said["name"], said["sha"], int(said["size"]), expires_at)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise NotFound("file", "behind this link") from error
        if self._now() >= found.expires_at:
            raise NotFound("file", "behind this link any more")
        return found

    def _signed(self, link: FileLink) -> str:
        said = {"tid": str(link.tenant_id), "name": link.name, "sha": link.digest, "size": link.size_bytes}
        return jwt.encode({**said, "exp": link.expires_at}, self._key, ALGORITHM, headers={"typ": TYPE})
