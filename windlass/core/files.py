"""Files of runs: what went in, what came out. The bytes are objects by content; here is which run calls them what."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts.files import IN, MOST_FILES, OUT, folders_of, rooted_path
from windlass.contracts.ids import TenantId
from windlass.core.audit import record
from windlass.core.callers import Caller, RunLife
from windlass.core.database import Connection, Database
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from windlass.core.file_quota import FileQuota
from windlass.core.file_uploads import folder_of
from windlass.core.runs import find_run
from windlass.core.storage import Kept, Objects
from windlass.core.wakeup import Wakeup


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of a run by its path, `in/a.txt`."""

    path: str
    digest: str
    size_bytes: int
    changed_at: datetime

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class FileQuery:
    """Which files a list shows: those below a path, after another one."""

    below: str = ""
    after: str = ""
    limit: int = 500


COLUMNS = ", ".join(each.name for each in fields(RunFile))
SEEN = "run_id = $1 and (removed_in is null or ($2::text <> '' and removed_in <> $2))"
LIST = f"""
select {COLUMNS} from run_file where {SEEN} and ($3 = '' or path = $3 or starts_with(path, $3 || '/'))
  and path collate "C" > $4 order by path collate "C" limit $5
"""  # noqa: S608 - constants
ONE = f"select {COLUMNS} from run_file where {SEEN} and path = $3"  # noqa: S608 - constants
KEEP = "select keep_run_file($1, $2, $3, $4, $5)"
BELOW = "(path = $3 or starts_with(path, $3 || '/'))"
PUT_ASIDE = f"update run_file set removed_in = $2 where {SEEN} and {BELOW} returning digest"  # noqa: S608 - constants
REMOVE = f"delete from run_file where {SEEN} and {BELOW} returning digest"  # noqa: S608 - constants
REFUSALS = {
    "full": f"A run has at most {MOST_FILES:,} files. Nothing was kept.",
    "ended": "The run has ended, or goes on elsewhere. Nothing was kept.",
    "folder": "There is a file where a folder must be, or a folder where the file must be. Nothing was kept.",
}


class Files:
    """The files of a tenant's runs. People see those of the runs they may see, a run sees its own."""

    def __init__(self, database: Database, objects: Objects, quota: FileQuota, wakeup: Wakeup) -> None:
        self._database, self._objects, self._quota, self._wakeup = database, objects, quota, wakeup

    async def list(self, caller: Caller, run_id: UUID, wanted: FileQuery) -> list[RunFile]:
        """The files by path, those of folders too. Raises NotFound (run), Invalid (path)."""
        below = _rooted(wanted.below) if wanted.below else ""
        async with self._database.tenant(caller.tenant_id) as connection:
            await _check(connection, caller, run_id)
            rows = await connection.fetch(LIST, run_id, _life(caller), below, wanted.after, wanted.limit)
        return [RunFile(**row) for row in rows]

    async def get(self, caller: Caller, run_id: UUID, path: str) -> RunFile:
        """One file. Raises NotFound (run, file), Invalid (path)."""
        rooted = _rooted(path)
        async with self._database.tenant(caller.tenant_id) as connection:
            await _check(connection, caller, run_id)
            row = await connection.fetchrow(ONE, run_id, _life(caller), rooted)
        if row is None:
            raise NotFound("file", rooted)
        return RunFile(**row)

    def pieces(
        self, tenant_id: TenantId, digest: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes]:
        """The bytes of a file from `start` up to `stop`. Raises NotFound, StoreAway."""
        return self._objects.read(f"{folder_of(tenant_id)}/{digest}", start, stop)

    async def keep(self, caller: Caller, run_id: UUID, path: str, chunks: AsyncIterable[bytes]) -> RunFile:
        """Make a stream a file below `out/` of the run that calls; told once, however often it is written.

        Bytes first, then the row: killed in between, nobody has heard of it and it is written again.
        Raises NotFound, Invalid, Conflict (the run has ended, a folder is in the way, the quota is used up, it is no
        run that calls).
        """
        life, rooted = await self._own_life(caller, run_id), _writable(path)
        arriving = self._quota.within(caller.tenant_id, chunks)
        kept = await self._objects.keep(folder_of(caller.tenant_id), arriving)
        await self._record(caller.tenant_id, life, rooted, kept)
        if await self._objects.size(f"{folder_of(caller.tenant_id)}/{kept.digest}") is None:  # swept in between
            raise Unavailable("The file was not kept. Send it again.")
        return await self.get(caller, run_id, rooted)

    async def remove(self, caller: Caller, run_id: UUID, path: str) -> int:
        """Remove a file, or a folder with all in it; says how many. Raises NotFound, Invalid.

        What a run removes of its own `in/` is there again for a life of it that comes after a crash and begins anew.
        """
        rooted, name = _rooted(path), _life(caller)
        is_aside = caller.life is not None and rooted.partition("/")[0] == IN
        async with self._database.tenant(caller.tenant_id) as connection:
            await _check(connection, caller, run_id)
            gone = await connection.fetch(PUT_ASIDE if is_aside else REMOVE, run_id, name, rooted)
            if caller.life is None and gone:
                what = {"path": rooted, "files": len(gone)}
                await record(connection, caller, "file.delete", f"run:{run_id}", before=what)
        if not gone and "/" in rooted:
            raise NotFound("file", rooted)
        return len(gone)

    async def _own_life(self, caller: Caller, run_id: UUID) -> RunLife:
        """The life of the run that writes its own files; nobody else does. Raises NotFound, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await _check(connection, caller, run_id)
        if caller.life is None:
            raise Conflict("Only the run itself writes what comes out of it. Send files with the inputs of a run.")
        return caller.life

    async def _record(self, tenant_id: TenantId, life: RunLife, path: str, kept: Kept) -> None:
        told = hashlib.sha256(f"{path}\0{kept.digest}".encode()).hexdigest()
        facts: dict[str, Any] = {"path": path, "digest": kept.digest, "size_bytes": kept.size_bytes}
        facts |= {"attempt": life.attempt, "boot": life.boot_id, "producer": f"file:{told[:32]}"}
        async with self._database.open() as connection:
            answer = await connection.fetchval(KEEP, tenant_id, life.run_id, facts, folders_of(path), MOST_FILES)
        if "refused" in answer:
            raise Conflict(REFUSALS[answer["refused"]])
        if answer["seq"] is not None:
            self._wakeup.poke(tenant_id, life.run_id, answer["seq"])


async def _check(connection: Connection, caller: Caller, run_id: UUID) -> None:
    """Go on only with a run that the caller may see: a run sees itself. Raises NotFound."""
    if caller.life is None:
        await find_run(connection, caller, run_id)
    elif caller.life.run_id != run_id:
        raise NotFound("run", run_id)


def _life(caller: Caller) -> str:
    """What the life that calls is known as; nothing for people, who see what was removed as removed."""
    return caller.life.name if caller.life is not None else ""


def _writable(path: str) -> str:
    rooted = _rooted(path)
    if not rooted.startswith(f"{OUT}/"):
        raise Invalid("Nothing was kept.", (FieldError("path", f"must be below {OUT}/"),))
    return rooted


def _rooted(path: str) -> str:
    """The path with its root, as stored. Raises Invalid."""
    try:
        return rooted_path(path)
    except ValueError as wrong:
        raise Invalid("There can be no such file.", (FieldError("path", str(wrong)),)) from None
