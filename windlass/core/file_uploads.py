"""Files on their way to a run: announced, sent whole or in chunks, in any order and again, then taken by a run."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.files import CHUNK_BYTES, MOST_FILES, SIZE_BYTES, checked_path, folders_of
from windlass.contracts.ids import TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from windlass.core.file_quota import FileQuota, require_room
from windlass.core.storage import Kept, Objects

LIFETIME = timedelta(hours=24)
MOST_OPEN = 1_000  # uploads of one person that no run has taken yet
UNKNOWN = "upload is unknown or incomplete"

OPEN = "insert into upload (id, tenant_id, created_by, expires_at) values ($1, $2, $3, clock_timestamp() + $4)"
COUNT = "select count(*) from upload where created_by = $1 and expires_at > clock_timestamp()"
ADD = """
insert into upload_file (id, tenant_id, upload_id, place, path, size_bytes, expected)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::bigint[], $7::text[])
"""
MINE = """
select id, expires_at, completed_at from upload where id = $1 and created_by = $2 and expires_at > clock_timestamp()
"""
FILES = """
select f.id, f.path, f.size_bytes, f.expected, f.digest, array(
  select c.n from upload_chunk c where c.file_id = f.id order by c.n) as received
from upload_file f where f.upload_id = $1 order by f.place
"""
CHUNKS = "select n, digest from upload_chunk where file_id = $1 order by n"
ADD_CHUNK = """
insert into upload_chunk (file_id, n, tenant_id, digest, size_bytes) values ($1, $2, $3, $4, $5) on conflict do nothing
"""
HOW_MANY = "select count(*) from upload_chunk where file_id = $1"
TOUCH = "select touch_file_content($1, $2, $3)"
WHOLE = "update upload_file set digest = $2 where id = $1"
FORGET_CHUNKS = "delete from upload_chunk where file_id = $1"
COMPLETE = "update upload set completed_at = coalesce(completed_at, clock_timestamp()) where id = $1"
DROP = "delete from upload where id = $1"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is announced: its path below `in/`, its size, and its hash if the sender knows it."""

    path: str
    size_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file of an upload: `digest` once it is whole, else the chunks that were received."""

    id: UUID
    path: str
    size_bytes: int
    expected: str | None
    digest: str | None
    received: tuple[int, ...] = ()

    @property
    def chunks(self) -> int:
        """In how many chunks it is sent."""
        return -(-self.size_bytes // CHUNK_BYTES)

    def size_of(self, n: int) -> int:
        """How many bytes a chunk has; only the last may have fewer. Raises NotFound."""
        if not 0 <= n < self.chunks:
            raise NotFound("chunk", n)
        return min(CHUNK_BYTES, self.size_bytes - n * CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class FileUpload:
    """Some files that somebody sends."""

    id: UUID
    expires_at: datetime
    is_complete: bool
    files: tuple[UploadFile, ...]

    def file(self, file_id: UUID) -> UploadFile:
        """One of them. Raises NotFound."""
        found = next((each for each in self.files if each.id == file_id), None)
        if found is None:
            raise NotFound("file of this upload", file_id)
        return found


@dataclass(frozen=True, slots=True)
class Taken:
    """Inputs with the names of files in place of uploads, and the uploads that the run takes."""

    inputs: Payload
    upload_ids: tuple[UUID, ...] = ()


class FileUploads:
    """The uploads of a tenant's people; nobody sees those of another one."""

    def __init__(self, database: Database, objects: Objects, quota: FileQuota) -> None:
        self._database, self._objects, self._quota = database, objects, quota

    async def begin(self, caller: Caller, files: Sequence[NewFile]) -> FileUpload:
        """Announce files. Raises Invalid (a path, a size), Conflict (the quota, or too many uploads are open)."""
        checked = _checked(files)
        upload_id, count, size_bytes = new_id(), len(checked), sum(each.size_bytes for each in checked)
        quota = await self._quota.bytes_of(caller.tenant_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await require_room(connection, caller.tenant_id, quota, size_bytes)
            if await connection.fetchval(COUNT, caller.person_id) >= MOST_OPEN:
                raise Conflict(f"At most {MOST_OPEN:,} uploads may wait for a run. Cancel some, or let them expire.")
            await connection.execute(OPEN, upload_id, caller.tenant_id, caller.person_id, LIFETIME)
            ids = [[new_id() for _ in checked], [caller.tenant_id] * count, [upload_id] * count, list(range(count))]
            facts = [[getattr(each, name) for each in checked] for name in ("path", "size_bytes", "sha256")]
            await connection.execute(ADD, *ids, *facts)
        return await self.get(caller, upload_id)

    async def get(self, caller: Caller, upload_id: UUID) -> FileUpload:
        """How far it is, for whoever goes on with it. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _find(connection, caller, upload_id)

    async def put(self, caller: Caller, upload_id: UUID, file_id: UUID, chunks: AsyncIterable[bytes]) -> UploadFile:
        """Keep a whole file. The second time it is the same one. Raises NotFound, Invalid (not what was announced)."""
        file = (await self.get(caller, upload_id)).file(file_id)
        await self._finish(caller.tenant_id, file, chunks)
        return (await self.get(caller, upload_id)).file(file_id)

    async def put_chunk(self, caller: Caller, upload_id: UUID, file_id: UUID, n: int, content: bytes) -> int:
        """Keep a chunk; one that is there already stays as it is. Says how many there are. Raises NotFound, Invalid."""
        file = (await self.get(caller, upload_id)).file(file_id)
        if file.digest is not None:
            return file.chunks
        if n in file.received:  # bytes of another content would be named by nothing
            return len(file.received)
        if len(content) != (size := file.size_of(n)):
            raise Invalid("The chunk was not kept.", (FieldError("body", f"must have {size} bytes"),))
        digest = hashlib.sha256(content).hexdigest()
        await self._objects.put(chunk_key(caller.tenant_id, file_id, n, digest), content)  # bytes first
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(ADD_CHUNK, file_id, n, caller.tenant_id, digest, len(content))
            return await connection.fetchval(HOW_MANY, file_id)

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
        arriving = self._quota.within(tenant_id, _no_more_than(file.size_bytes, chunks))
        kept = await self._objects.keep(folder_of(tenant_id), arriving)
        _check_kept(file, kept)
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute(TOUCH, tenant_id, kept.digest, kept.size_bytes)  # from here on nobody sweeps it
            if await self._objects.size(f"{folder_of(tenant_id)}/{kept.digest}") is None:  # swept in between
                raise Unavailable(f"{file.path} was not kept. Send it again.")
            await connection.execute(WHOLE, file.id, kept.digest)

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


async def taken_uploads(database: Database, caller: Caller, elements: Sequence[Payload], inputs: Payload) -> Taken:
    """The inputs of a form, with the names of files where an upload is named. Raises Invalid."""
    named = _named(elements, inputs)
    if not named:
        return Taken(inputs)
    async with database.tenant(caller.tenant_id) as connection:
        found = {each: await _files_of(connection, caller, each) for each in set(named.values())}
    wrong = [FieldError(f"inputs.{place}", UNKNOWN) for place, each in named.items() if found[each] is None]
    wrong += _clashes([path for paths in found.values() for path in paths or ()], "inputs")
    if wrong:
        raise Invalid("The files cannot be used; no run was started.", tuple(wrong))
    return Taken(_replaced(elements, inputs, found), tuple(found))


def names_upload(elements: Sequence[Payload], inputs: Mapping[str, Any]) -> bool:
    """Whether a field for files holds an upload."""
    return bool(_named(elements, dict(inputs)))


async def _find(connection: Connection, caller: Caller, upload_id: UUID) -> FileUpload:
    row = await connection.fetchrow(MINE, upload_id, caller.person_id)
    if row is None:
        raise NotFound("upload", upload_id)
    rows = await connection.fetch(FILES, upload_id)
    return FileUpload(row["id"], row["expires_at"], row["completed_at"] is not None, tuple(map(_file, rows)))


def _file(row: Row) -> UploadFile:
    facts: dict[str, Any] = {**row, "received": tuple(row["received"])}
    return UploadFile(**facts)


async def _files_of(connection: Connection, caller: Caller, upload_id: UUID) -> list[str] | None:
    """The paths of a complete upload; None: there is none of the caller's."""
    try:
        upload = await _find(connection, caller, upload_id)
    except NotFound:
        return None
    return [each.path for each in upload.files] if upload.is_complete else None


def _checked(files: Sequence[NewFile]) -> list[NewFile]:
    """The files with their paths as stored. Raises Invalid."""
    if not 1 <= len(files) <= MOST_FILES:
        raise Invalid("Nothing was begun.", (FieldError("files", f"must be 1 to {MOST_FILES:,}"),))
    checked, wrong = list[NewFile](), list[FieldError]()
    for place, each in enumerate(files):
        if not 0 <= each.size_bytes <= SIZE_BYTES:
            wrong.append(FieldError(f"files.{place}.size_bytes", f"must be at most {SIZE_BYTES} bytes"))
        try:
            checked.append(NewFile(checked_path(each.path), each.size_bytes, each.sha256))
        except ValueError as error:
            wrong.append(FieldError(f"files.{place}.path", str(error)))
    paths = [each.path for each in checked]
    wrong += _clashes(paths, "files")
    if wrong:
        raise Invalid("Nothing was begun.", tuple(wrong[:20]))
    return checked


def _clashes(paths: Sequence[str], field: str) -> list[FieldError]:
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
    if kept.size_bytes != file.size_bytes:
        wrong = FieldError("body", f"has {kept.size_bytes} bytes, {file.size_bytes} were announced")
        raise Invalid(f"{file.path} was not kept.", (wrong,))
    if file.expected is not None and kept.digest != file.expected:
        raise Invalid(f"{file.path} was not kept.", (FieldError("sha256", "is not the hash of what came"),))


def _named(elements: Sequence[Payload], inputs: Payload, within: str = "") -> dict[str, UUID]:
    """The uploads that inputs name, by the field; those in entries of groups too."""
    named: dict[str, UUID] = {}
    for element in elements:
        name = str(element.get("name") or "")
        value = inputs.get(name)
        if element.get("type") == "file" and (upload_id := _as_id(value)) is not None:
            named[within + name] = upload_id
        elif element.get("type") == "group":
            for place, entry in enumerate(_entries(value)):
                named |= _named(element.get("elements") or (), entry, f"{within}{name}.{place}.")
    return named


def _replaced(elements: Sequence[Payload], inputs: Payload, found: Mapping[UUID, list[str] | None]) -> Payload:
    """The same inputs with the names of files in place of uploads."""
    changed = dict(inputs)
    for element in elements:
        name = str(element.get("name") or "")
        value = inputs.get(name)
        if element.get("type") == "file" and (upload_id := _as_id(value)) is not None:
            changed[name] = sorted(found[upload_id] or ())
        elif element.get("type") == "group" and (entries := _entries(value)):
            changed[name] = [_replaced(element.get("elements") or (), each, found) for each in entries]
    return changed


def _entries(value: Any) -> list[Payload]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return cast("list[Payload]", listed) if all(isinstance(each, dict) for each in listed) else []


def _as_id(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
