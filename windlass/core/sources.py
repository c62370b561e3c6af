"""Sources of services: a folder of the machine, an archive that was sent, or a commit of a git repository.

The `project` of a service says which: `/srv/agents/hello`, `archive:{sha256}`, or `git+https://host/repository@{commit}`.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from windlass.contracts.ids import TenantId
from windlass.core.archives import LARGEST_BYTES, PIECE_BYTES, examine, refused
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.file_quota import FileQuota, require_room
from windlass.core.services import Service, ServiceChange, Services
from windlass.core.storage import Objects

ARCHIVE = re.compile(r"archive:([0-9a-f]{64})")
HTTPS = r"https://(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::[1-9][0-9]{0,4})?/[^\s@#?]*"  # names as git looks them up
GIT = re.compile(rf"git\+({HTTPS}|file://[^\s@#?]+)@([0-9a-f]{{40}})")
PROJECT = rf"(/.*|{ARCHIVE.pattern}|{GIT.pattern})"
FOLDER = "sources"
PROGRAMS = frozenset({".py", ".pyc", ".so"})
WANTED = frozenset({"requirements.txt", "pyproject.toml"})  # what they name may bring the program
BESIDE = "__MACOSX"  # what macOS packs with everything
PLACES = "PYTHONPATH"  # where it is set, a program may be elsewhere
INHERITED = "select true from service_defaults where env ? $1 or $1 = any(secret_names)"
PRIVATE = "Of what not everybody may read, send the files: `windlass service send NAME FOLDER`"
KNOWN = "update service_archive set touched_at = clock_timestamp() where digest = $1 and size_bytes = $2 returning true"
TAKE = """
insert into service_archive (tenant_id, digest, size_bytes) values ($1, $2, $3)
on conflict (tenant_id, digest) do update set size_bytes = excluded.size_bytes, touched_at = clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Repository:
    """A commit of a git repository."""

    url: str
    commit: str


def repository_of(project: str) -> Repository | None:
    """The commit that a project means, if it is one."""
    found = GIT.fullmatch(project)
    return Repository(found[1], found[2]) if found else None


def checked_project(project: str) -> str:
    """The same, where it says a source, or nothing. Raises ValueError with what is wrong, and what to write instead."""
    if re.fullmatch(f"({PROJECT})?", project):
        return project
    raise ValueError(_what_is_wrong(project))


def _what_is_wrong(project: str) -> str:
    address, at, commit = project.removeprefix("git+").rpartition("@")
    if project.startswith("archive:"):
        return "must be archive: and the 64 hex digits of what was sent; `windlass service send` sends one and says so"
    if not re.match(r"git\+|git@|[a-z]+://", project):
        return "must be a folder, from the root on, of the services worker's machine, or git+https://host/repository@COMMIT"
    if re.match(r"(git\+)?(ssh|git)://|git@", project):
        return f"must be git+https://\u2026@COMMIT: nothing is fetched over ssh, which has no key here. {PRIVATE}"
    if re.match(r"git\+https://[^/]*@", project):
        return f"must hold no user and no password, which everybody would read here. {PRIVATE}"
    if not project.startswith(("git+https://", "git+file://")):
        return "must be git+https://host/repository@COMMIT"
    if not at or not re.fullmatch("[0-9a-f]{40}", commit):
        asked = address if at else project.removeprefix("git+")
        return f"must end with @ and the 40 hex digits of a commit; what moves is told by `git ls-remote {asked}`"
    return "must be git+https://host/repository@COMMIT, without a query or spaces"


def digest_of(project: str) -> str | None:
    """The content of the archive that a project means, if it is one."""
    found = ARCHIVE.fullmatch(project)
    return found[1] if found else None


def key_of(tenant_id: TenantId, digest: str) -> str:
    """Where the bytes of an archive are kept."""
    return f"{tenant_id}/{FOLDER}/{digest}"


class Sources:
    """Takes the archives that programs of services come in; what no service names for a day goes at night."""

    def __init__(self, database: Database, objects: Objects, services: Services, quota: FileQuota) -> None:
        self._database, self._objects = database, objects
        self._services, self._quota = services, quota

    async def take(self, caller: Caller, name: str, content: AsyncIterable[bytes]) -> Service:
        """Have a service served from an archive; its host is replaced and its runs go on.

        It is kept before the service says so. Raises NotFound, ArchiveRefused, Conflict over the quota.
        """
        service = await self._services.get(caller, name)
        named = {*service.env, *service.secret_names}
        project = await self.keep(caller, content, module_of(service.import_path, named))
        return await self._services.change(caller, name, ServiceChange(project=project))

    async def keep(self, caller: Caller, content: AsyncIterable[bytes], module: str) -> str:
        """Keep an archive with that module in it, and answer the project that means it.

        It is examined before it is kept, and has its row before its bytes: whoever dies between, or never has a service
        say so, leaves what nobody names, for a day. Raises ArchiveRefused, Conflict over the quota.
        """
        with TemporaryDirectory(prefix="windlass-archive-") as folder:
            archive = Path(folder) / "archive"
            digest, size = await _write(archive, content)
            files = await asyncio.to_thread(examine, archive)
            _require_program(files, module if module and not await self._inherits_places(caller) else "")
            await self._make_room(caller.tenant_id, digest, size)
            await self._objects.keep(f"{caller.tenant_id}/{FOLDER}", _read(archive))
        return f"archive:{digest}"

    async def _inherits_places(self, caller: Caller) -> bool:
        async with self._database.tenant(caller.tenant_id) as connection:
            return bool(await connection.fetchval(INHERITED, PLACES))

    async def _make_room(self, tenant_id: TenantId, digest: str, size: int) -> None:
        """Record an archive that is about to be stored; whoever removes the same one now is waited for."""
        quota = await self._quota.bytes_of(tenant_id)
        async with self._database.tenant(tenant_id) as connection:
            if await connection.fetchval(KNOWN, digest, size) is None:
                await require_room(connection, tenant_id, quota, size)
                await connection.execute(TAKE, tenant_id, digest, size)


def module_of(import_path: str, named: Collection[str] = ()) -> str:
    """What of an app has to be at the top of its project, with variables of those names; empty: that is not known."""
    return "" if PLACES in named else import_path.partition(":")[0].partition(".")[0]


def _require_program(files: Collection[PurePosixPath], module: str) -> None:
    """Go on only where a program may be, and a module that is known not one level too deep. Raises ArchiveRefused."""
    tops = {path.parts[0] for path in files if path.parts[0] != BESIDE}
    if tops & WANTED:
        return
    if not any(path.suffix in PROGRAMS for path in files if path.parts[0] != BESIDE):
        raise refused("holds no Python file, and no requirements.txt or pyproject.toml that could bring one")
    (top, *others) = sorted(tops)
    below = {path.parts[1].partition(".")[0] for path in files if path.parts[0] == top and len(path.parts) > 1}
    if module and not others and top != module and module in below:
        raise refused(f"holds {module} in the folder {top!r}: pack what is in that folder, not the folder")


async def _write(archive: Path, content: AsyncIterable[bytes]) -> tuple[str, int]:
    size, total = 0, hashlib.sha256()
    with archive.open("wb") as file:
        async for piece in content:
            size += len(piece)
            if size > LARGEST_BYTES:
                raise refused(f"is larger than {LARGEST_BYTES >> 20} MiB")
            total.update(piece)
            await asyncio.to_thread(file.write, piece)
    return total.hexdigest(), size


async def _read(archive: Path) -> AsyncGenerator[bytes]:
    with archive.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
