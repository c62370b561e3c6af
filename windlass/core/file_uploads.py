"""Files on their way to a run: announced, sent whole or in chunks, in any order and again, then taken by a run."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from windlass.contracts.files import CHUNK_BYTES, IN, MOST_FILES, SIZE_BYTES, checked_path, folders_of
from windlass.contracts.ids import TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from windlass.core.file_quota import FileQuota, Growing, require_room
from windlass.core.storage import Kept, Objects

LIFETIME = timedelta(hours=24)
MOST_OPEN = 1_000  # uploads of one person that no run has taken yet

OPEN = "insert into upload (id, tenant_id, created_by, expires_at) values ($1, $2, $3, clock_timestamp() + $4)"
COUNT = "select count(*) from upload where created_by = $1 and expires_at > clock_timestamp()"
ADD = """
insert into upload_file (id, tenant_id, upload_id, place, path, size_bytes, expected)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::bigint[], $7::text[])
"""
MINE = """
select id, expires_at, completed_at from upload where id = $1 and created_by = $2 and expires_at > clock_timestamp()
"""
FACTS = """f.upload_id, f.id, f.path, f.size_bytes, f.expected, f.digest, array(
  select c.n from upload_chunk c where c.file_id = f.id order by c.n) as received"""
SENT = """f.room_bytes, (
  select coalesce(sum(c.size_bytes), 0)::bigint from upload_chunk c where c.file_id = f.id) as sent"""
FILES = f"""
select {FACTS}
from upload_file f where f.upload_id = $1 order by f.place
"""  # noqa: S608 - column names are constants
FILE = f"""
select {FACTS}, {SENT}
from upload_file f join upload u on u.id = f.upload_id
where f.id = $1 and u.created_by = $2 and ($3::uuid is null or u.id = $3) and u.expires_at > clock_timestamp()
"""  # noqa: S608 - column names are constants
HOLD = "select id from upload where id = $1 and created_by = $2 and expires_at > clock_timestamp() for update"
HOLD_SAME = "select id from upload_file where upload_id = $1 and path = $2 for update"
BESIDE = """
select count(*) as files, coalesce(max(place) + 1, 0) as place,
  (array_agg(path) filter (where path = any ($2)))[1] as above,
  coalesce(bool_or(starts_with(path, $3::text || '/')), false) as is_folder
from upload_file where upload_id = $1
"""
ADD_ONE = """
insert into upload_file (id, tenant_id, upload_id, place, path, size_bytes, expected)
values ($1, $2, $3, $4, $5, $6, $7)
"""
REOPEN = "update upload set completed_at = null where id = $1"
DROP_FILE = "delete from upload_file where id = $1"
CHUNKS = "select n, digest from upload_chunk where file_id = $1 order by n"
ADD_CHUNK = """
insert into upload_chunk (file_id, n, tenant_id, digest, size_bytes)
select id, $2, $3, $4, $5 from upload_file where id = $1 for key share on conflict do nothing
"""
HOW_MANY = "select count(*) from upload_chunk where file_id = $1"
TOUCH = "select touch_file_content($1, $2, $3)"
WHOLE = "update upload_file set digest = $2, size_bytes = $3 where id = $1"
FORGET_CHUNKS = "delete from upload_chunk where file_id = $1"
COMPLETE = "update upload set completed_at = coalesce(completed_at, clock_timestamp()) where id = $1"
DROP = "delete from upload where id = $1"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is announced: its path below `in/`, its size and its hash if the sender knows them."""

    path: str
    size_bytes: int | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file of an upload: `digest` once it is whole, else the chunks that were received; its size as far as known."""

    upload_id: UUID
    id: UUID
    path: str
    size_bytes: int | None
    expected: str | None
    digest: str | None
    received: tuple[int, ...] = ()
    room_bytes: int = field(default=0, compare=False)  # for one of unknown size: how much was asked for
    sent: int = field(default=0, compare=False)  # bytes in chunks

    @property
    def chunks(self) -> int:
        """In how many chunks it is sent; while its size is unknown, in how many at least."""
        if self.size_bytes is None:
            return max(self.received, default=-1) + 1
        return -(-self.size_bytes // CHUNK_BYTES)

    def check_chunk(self, n: int, size_bytes: int) -> None:
        """Go on only with a chunk that can be: all but the last are full, where the size is known. Raises NotFound."""
        most = SIZE_BYTES // CHUNK_BYTES if self.size_bytes is None else self.chunks
        if not 0 <= n < most:
            raise NotFound("chunk", n)
        wanted = None if self.size_bytes is None else min(CHUNK_BYTES, self.size_bytes - n * CHUNK_BYTES)
        if size_bytes > CHUNK_BYTES or wanted not in (None, size_bytes):
            words = f"must have {wanted} bytes" if wanted is not None else f"must have at most {CHUNK_BYTES} bytes"
            raise Invalid("The chunk was not kept.", (FieldError("body", words),))


@dataclass(frozen=True, slots=True)
class FileUpload:
    """Some files that somebody sends."""

    id: UUID
    expires_at: datetime
    is_complete: bool
    files: tuple[UploadFile, ...]


class FileUploads:
    """The uploads of a tenant's people; nobody sees those of another one."""

    def __init__(self, database: Database, objects: Objects, quota: FileQuota) -> None:
        self._database, self._objects, self._quota = database, objects, quota

    async def begin(self, caller: Caller, files: Sequence[NewFile]) -> FileUpload:
        """Announce files. Raises Invalid (a path, a size), Conflict (the quota, or too many uploads are open)."""
        checked = _checked(files)
        count, size_bytes = len(checked), sum(each.size_bytes or 0 for each in checked)
        quota = await self._quota.bytes_of(caller.tenant_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await require_room(connection, caller.tenant_id, quota, size_bytes)
            upload_id = await _opened(connection, caller)
            ids = [[new_id() for _ in checked], [caller.tenant_id] * count, [upload_id] * count, list(range(count))]
            facts = [[getattr(each, name) for each in checked] for name in ("path", "size_bytes", "sha256")]
            await connection.execute(ADD, *ids, *facts)
        return await self.get(caller, upload_id)

    async def open(self, caller: Caller) -> UUID:
        """Begin an upload whose files are announced later. Raises Conflict (too many uploads are open)."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _opened(connection, caller)

    async def add(self, caller: Caller, upload_id: UUID, file: NewFile) -> UploadFile:
        """Announce one more file; one of the same path that is there begins anew.

        Raises NotFound, Invalid (the path, too many files), Conflict (the quota).
        """
        (checked,) = _checked([file])
        file_id, quota = new_id(), await self._quota.bytes_of(caller.tenant_id)
        facts = (checked.path, checked.size_bytes, checked.sha256)
        async with self._database.tenant(caller.tenant_id) as connection:
            if await connection.fetchval(HOLD, upload_id, caller.person_id) is None:  # several at once see each other
                raise NotFound("upload", upload_id)
            gone = await _made_way(connection, caller.tenant_id, upload_id, checked.path)
            await require_room(connection, caller.tenant_id, quota, checked.size_bytes or 0)
            place = await _place(connection, upload_id, checked.path)
            await connection.execute(ADD_ONE, file_id, caller.tenant_id, upload_id, place, *facts)
            await connection.execute(REOPEN, upload_id)
            await self._objects.delete(gone)  # last of all: a refusal loses nothing
        return UploadFile(upload_id, file_id, *facts, digest=None)

    async def file(self, caller: Caller, file_id: UUID, upload_id: UUID | None = None) -> UploadFile:
        """One file, of that upload or of whichever, without reading the others. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(FILE, file_id, caller.person_id, upload_id)
        if row is None:
            raise NotFound("file of an upload", file_id)
        return _file(row)

    async def drop(self, caller: Caller, file_id: UUID) -> None:
        """Forget one file of an upload; runs that took it keep it. Raises NotFound."""
        await self.file(caller, file_id)
        await self._drop_chunks(caller.tenant_id, file_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(DROP_FILE, file_id)

    async def get(self, caller: Caller, upload_id: UUID) -> FileUpload:
        """How far it is, for whoever goes on with it. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await find_upload(connection, caller, upload_id)

    async def put(self, caller: Caller, upload_id: UUID, file_id: UUID, chunks: AsyncIterable[bytes]) -> UploadFile:
        """Keep a whole file. The second time it is the same one. Raises NotFound, Invalid (not what was announced)."""
        file = await self.file(caller, file_id, upload_id)
        await self._finish(caller.tenant_id, file, chunks)
        return await self.file(caller, file_id, upload_id)

    async def put_chunk(self, caller: Caller, upload_id: UUID, file_id: UUID, n: int, content: bytes) -> int:
        """Keep a chunk; one that is there already stays as it is. Says how many there are. Raises NotFound, Invalid."""
        file = await self.file(caller, file_id, upload_id)
        if file.digest is not None:
            return file.chunks
        if n in file.received:  # bytes of another content would be named by nothing
            return len(file.received)
        file.check_chunk(n, len(content))
        growing = Growing(file_id, file.sent, file.room_bytes, len(content))
        if file.size_bytes is None and growing.needs_room:
            await self._quota.grow(caller.tenant_id, growing)
        digest = hashlib.sha256(content).hexdigest()
        key = chunk_key(caller.tenant_id, file_id, n, digest)
        await self._objects.put(key, content)  # bytes first
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(ADD_CHUNK, file_id, n, caller.tenant_id, digest, len(content))
            count: int = await connection.fetchval(HOW_MANY, file_id)
        if count == 0:  # it was cancelled meanwhile
            await self._objects.delete([key])
            raise NotFound("file of this upload", file_id)
        return count

    async def complete(self, caller: Caller, upload_id: UUID) -> FileUpload:
        """Make files of their chunks; killed in between, it goes on with the next. The second time nothing changes.

        Raises NotFound, Conflict (a chunk is missing), Invalid (not what was announced).
        """
        for file in (await self.get(caller, upload_id)).files:
            if file.digest is None:
                await self._assemble(caller.tenant_id, file)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(COMPLETE, upload_id)
        return await self.get(caller, upload_id)

    async def finish(self, caller: Caller, upload_id: UUID, file_id: UUID) -> UploadFile:
        """Make a file of the chunks of one alone. The second time nothing changes. Raises as `complete` does."""
        file = await self.file(caller, file_id, upload_id)
        if file.digest is None:
            await self._assemble(caller.tenant_id, file)
        return await self.file(caller, file_id, upload_id)

    async def cancel(self, caller: Caller, upload_id: UUID) -> None:
        """Forget an upload; runs that took it keep their files. Raises NotFound."""
        upload = await self.get(caller, upload_id)
        for file in upload.files:
            await self._drop_chunks(caller.tenant_id, file.id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(DROP, upload_id)

    async def _assemble(self, tenant_id: TenantId, file: UploadFile) -> None:
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(CHUNKS, file.id)
        have = {row["n"] for row in rows}
        if file.size_bytes is None and not have:
            raise Conflict(f"{file.path} is not complete: nothing of it has come.")
        if missing := [n for n in range(file.chunks) if n not in have]:
            raise Conflict(
                f"{file.path} is not complete: {len(missing)} chunks are missing, the first is {missing[0]}."
            )
        keys = [chunk_key(tenant_id, file.id, row["n"], row["digest"]) for row in rows]
        await self._finish(tenant_id, file, self._joined(keys))
        await self._drop_chunks(tenant_id, file.id)

    async def _joined(self, keys: Sequence[str]) -> AsyncGenerator[bytes]:
        for key in keys:
            async with aclosing(self._objects.read(key)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _finish(self, tenant_id: TenantId, file: UploadFile, chunks: AsyncIterable[bytes]) -> None:
        """Keep the bytes, then say so: a file that is said to be whole has its bytes."""
        arriving = self._quota.within(
            tenant_id, _no_more_than(SIZE_BYTES if file.size_bytes is None else file.size_bytes, chunks)
        )
        kept = await self._objects.keep(folder_of(tenant_id), arriving)
        _check_kept(file, kept)
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(TOUCH, tenant_id, kept.digest, kept.size_bytes)  # from here on nobody sweeps it
            if await self._objects.size(f"{folder_of(tenant_id)}/{kept.digest}") is None:  # swept in between
                raise Unavailable(f"{file.path} was not kept. Send it again.")
            await connection.execute(WHOLE, file.id, kept.digest, kept.size_bytes)

    async def _drop_chunks(self, tenant_id: TenantId, file_id: UUID) -> None:
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(CHUNKS, file_id)
        await self._objects.delete([chunk_key(tenant_id, file_id, row["n"], row["digest"]) for row in rows])
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(FORGET_CHUNKS, file_id)


def folder_of(tenant_id: TenantId) -> str:
    """Where the bytes of a tenant's files are, by content; nothing else is there, so what no row names may go."""
    return f"{tenant_id}/files"


def chunk_key(tenant_id: TenantId, file_id: UUID, n: int, digest: str) -> str:
    """Where a chunk is until its file is whole."""
    return f"{tenant_id}/chunks/{file_id}/{n}-{digest}"


async def _opened(connection: Connection, caller: Caller) -> UUID:
    """A new upload without files. Raises Conflict."""
    if await connection.fetchval(COUNT, caller.person_id) >= MOST_OPEN:
        raise Conflict(f"At most {MOST_OPEN:,} uploads may wait for a run. Cancel some, or let them expire.")
    upload_id = new_id()
    await connection.execute(OPEN, upload_id, caller.tenant_id, caller.person_id, LIFETIME)
    return upload_id


async def _made_way(connection: Connection, tenant_id: TenantId, upload_id: UUID, path: str) -> Sequence[str]:
    """Forget the file of that path, if there is one, and say under which keys its chunks are."""
    # A chunk of it that arrives now waits, and then finds it gone.
    same: UUID | None = await connection.fetchval(HOLD_SAME, upload_id, path)
    if same is None:
        return ()
    rows = await connection.fetch(CHUNKS, same)
    await connection.execute(DROP_FILE, same)
    return [chunk_key(tenant_id, same, row["n"], row["digest"]) for row in rows]


async def _place(connection: Connection, upload_id: UUID, path: str) -> int:
    """Where a file of that path stands among the others, which are not read one by one. Raises Invalid."""
    folders = [folder.partition("/")[2] for folder in folders_of(f"{IN}/{path}")]
    row = await connection.fetchrow(BESIDE, upload_id, folders, path)
    assert row is not None  # noqa: S101 - an aggregate has a row
    if row["files"] >= MOST_FILES:
        raise Invalid("Nothing was begun.", (FieldError("files", f"must be 1 to {MOST_FILES:,}"),))
    if wrong := row["above"] or (path if row["is_folder"] else None):
        raise Invalid("Nothing was begun.", (FieldError("path", f"{wrong} is a file and a folder"),))
    return row["place"]


async def find_upload(connection: Connection, caller: Caller, upload_id: UUID) -> FileUpload:
    """An upload of the caller's. Raises NotFound."""
    row = await connection.fetchrow(MINE, upload_id, caller.person_id)
    if row is None:
        raise NotFound("upload", upload_id)
    rows = await connection.fetch(FILES, upload_id)
    return FileUpload(row["id"], row["expires_at"], row["completed_at"] is not None, tuple(map(_file, rows)))


def _file(row: Row) -> UploadFile:
    facts: dict[str, Any] = {**row, "received": tuple(row["received"])}
    return UploadFile(**facts)


def _checked(files: Sequence[NewFile]) -> list[NewFile]:
    """The files with their paths as stored. Raises Invalid."""
    if not 1 <= len(files) <= MOST_FILES:
        raise Invalid("Nothing was begun.", (FieldError("files", f"must be 1 to {MOST_FILES:,}"),))
    checked, wrong = list[NewFile](), list[FieldError]()
    for place, each in enumerate(files):
        if not 0 <= (each.size_bytes or 0) <= SIZE_BYTES:
            wrong.append(FieldError(f"files.{place}.size_bytes", f"must be at most {SIZE_BYTES} bytes"))
        try:
            checked.append(NewFile(checked_path(each.path), each.size_bytes, each.sha256))
        except ValueError as error:
            wrong.append(FieldError(f"files.{place}.path", str(error)))
    paths = [each.path for each in checked]
    wrong += clashes(paths, "files")
    if wrong:
        raise Invalid("Nothing was begun.", tuple(wrong[:20]))
    return checked


def clashes(paths: Sequence[str], field: str) -> list[FieldError]:
    """What cannot stand side by side in one folder."""
    folders = {folder.partition("/")[2] for path in paths for folder in folders_of(f"in/{path}")}
    twice = sorted(path for path, count in Counter(paths).items() if count > 1)
    return [
        *(FieldError(field, f"two files are called {path}") for path in twice),
        *(FieldError(field, f"{path} is a file and a folder") for path in sorted(folders.intersection(paths))),
    ]


async def _no_more_than(size_bytes: int, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > size_bytes:
            raise Invalid("The file was not kept.", (FieldError("body", f"has more than {size_bytes} bytes"),))
        yield chunk


def _check_kept(file: UploadFile, kept: Kept) -> None:
    """Raises Invalid: what came is not what was announced."""
    if file.size_bytes not in (None, kept.size_bytes):
        wrong = FieldError("body", f"has {kept.size_bytes} bytes, {file.size_bytes} were announced")
        raise Invalid(f"{file.path} was not kept.", (wrong,))
    if file.expected is not None and kept.digest != file.expected:
        raise Invalid(f"{file.path} was not kept.", (FieldError("sha256", "is not the hash of what came"),))
