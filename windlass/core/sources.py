"""Sources of services: a folder of the machine, an archive that was sent, or a commit of a git repository.

The `project` of a service says which: `/srv/agents/hello`, `archive:{sha256}`, or `git+https://host/repository@{commit}`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from windlass.contracts.ids import TenantId
from windlass.core.archives import LARGEST_BYTES, PIECE_BYTES, ArchiveRefused, examine
from windlass.core.callers import Caller
from windlass.core.errors import FieldError
from windlass.core.services import Service, ServiceChange, Services
from windlass.core.storage import Objects

ARCHIVE = re.compile(r"archive:([0-9a-f]{64})")
HTTPS = r"https://(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::[1-9][0-9]{0,4})?/[^\s@#?]*"  # names as git looks them up
GIT = re.compile(rf"git\+({HTTPS}|file://[^\s@#?]+)@([0-9a-f]{{40}})")
PROJECT = rf"(/.*|{ARCHIVE.pattern}|{GIT.pattern})"
FOLDER = "sources"


@dataclass(frozen=True, slots=True)
class Repository:
    """A commit of a git repository."""

    url: str
    commit: str


def repository_of(project: str) -> Repository | None:
    """The commit that a project means, if it is one."""
    found = GIT.fullmatch(project)
    return Repository(found[1], found[2]) if found else None


def digest_of(project: str) -> str | None:
    """The content of the archive that a project means, if it is one."""
    found = ARCHIVE.fullmatch(project)
    return found[1] if found else None


def key_of(tenant_id: TenantId, digest: str) -> str:
    """Where the bytes of an archive are kept."""
    return f"{tenant_id}/{FOLDER}/{digest}"


class Sources:
    """Takes the archives that programs of services come in."""

    def __init__(self, objects: Objects, services: Services) -> None:
        self._objects, self._services = objects, services

    async def take(self, caller: Caller, name: str, content: AsyncIterable[bytes]) -> Service:
        """Have a service served from an archive; its host is replaced and its runs go on.

        It is examined before it is kept, and kept before the service says so: whoever dies between leaves bytes that
        nobody asks for. Raises NotFound, ArchiveRefused.
        """
        await self._services.get(caller, name)
        with TemporaryDirectory(prefix="windlass-archive-") as folder:
            archive = Path(folder) / "archive"
            await _write(archive, content)
            await asyncio.to_thread(examine, archive)
            kept = await self._objects.keep(f"{caller.tenant_id}/{FOLDER}", _read(archive))
        return await self._services.change(caller, name, ServiceChange(project=f"archive:{kept.digest}"))


async def _write(archive: Path, content: AsyncIterable[bytes]) -> None:
    size = 0
    with await asyncio.to_thread(archive.open, "wb") as file:
        async for piece in content:
            size += len(piece)
            if size > LARGEST_BYTES:
                wrong = FieldError("archive", f"is larger than {LARGEST_BYTES >> 20} MiB")
                raise ArchiveRefused("The archive was not taken.", (wrong,))
            await asyncio.to_thread(file.write, piece)


async def _read(archive: Path) -> AsyncGenerator[bytes]:
    with await asyncio.to_thread(archive.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
