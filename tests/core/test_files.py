"""Files go into a run and come out of it: whole or not at all, told once, for those alone who may see the run."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.core.records import Records
from tests.core.shelves import Shelf, digest_of, stream
from windlass.contracts.events import EventKind
from windlass.contracts.files import CHUNK_BYTES
from windlass.core.callers import Caller, RunLife
from windlass.core.database import Database
from windlass.core.errors import Conflict, Invalid, NotFound, Unavailable
from windlass.core.file_inputs import Filled, taken_uploads
from windlass.core.file_quota import FileQuota
from windlass.core.file_uploads import FileUploads, NewFile
from windlass.core.files import FileQuery, Files
from windlass.core.permissions import OF_A_RUN
from windlass.core.runs import Run
from windlass.core.settings import Settings
from windlass.core.tenant_settings import FILES_QUOTA, TenantSettings, of_installation
from windlass.core.wakeup import PollOnly

FILE: dict[str, Any] = {"type": "file", "name": "docs", "multiple": True, "required": True}
GROUP: dict[str, Any] = {"type": "group", "name": "more", "elements": [FILE]}
LARGE = bytes(range(256)) * 10_000  # three chunks, the last one odd
HOST = "boot-1"


@pytest.fixture
def settings(database: Database) -> TenantSettings:
    return TenantSettings(database, {**of_installation(Settings.load()), FILES_QUOTA.name: 10})


@pytest.fixture
def quota(database: Database, settings: TenantSettings) -> FileQuota:
    return FileQuota(database, settings)


@pytest.fixture
def uploads(database: Database, shelf: Shelf, quota: FileQuota) -> FileUploads:
    return FileUploads(database, shelf.objects, quota)


@pytest.fixture
def files(database: Database, shelf: Shelf, quota: FileQuota) -> Files:
    return Files(database, shelf.objects, quota, PollOnly())


async def life_of(records: Records, database: Database, run: Run, name: str = "first") -> Caller:
    """The run, as it calls from its host."""
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute("update run set host_boot = $2, status = 'running' where id = $1", run.id, HOST)
    return replace(records.caller, permissions=OF_A_RUN, life=RunLife(run.id, 1, HOST, name))


async def sent(uploads: FileUploads, caller: Caller, **contents: bytes) -> UUID:
    """A complete upload of small files."""
    upload = await uploads.begin(caller, [NewFile(name, len(content)) for name, content in contents.items()])
    for file in upload.files:
        await uploads.put(caller, upload.id, file.id, stream(contents[file.path]))
    assert (await uploads.complete(caller, upload.id)).is_complete
    return upload.id


async def test_chunks_in_any_order_and_again_make_one_file(uploads: FileUploads, records: Records, shelf: Shelf):
    caller, digest = records.caller, digest_of(LARGE)
    upload = await uploads.begin(caller, [NewFile("a/large.bin", len(LARGE), digest), NewFile("empty", 0)])
    file = upload.files[0]
    chunks = {n: LARGE[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES] for n in range(file.chunks)}

    counts = [await uploads.put_chunk(caller, upload.id, file.id, n, chunks[n]) for n in (2, 0, 0)]
    with pytest.raises(Conflict, match="1 chunks are missing, the first is 1"):
        await uploads.complete(caller, upload.id)
    begun = (await uploads.get(caller, upload.id)).files[0].received
    await uploads.put_chunk(caller, upload.id, file.id, 1, chunks[1])
    first, second = await uploads.complete(caller, upload.id), await uploads.complete(caller, upload.id)

    assert (counts, begun) == ([1, 2, 2], (0, 2))
    assert first == second
    assert [each.digest for each in first.files] == [digest, digest_of(b"")]
    assert shelf.names() == sorted(f"{records.tenant_id}/files/{each}" for each in (digest, digest_of(b"")))
    assert shelf.unfinished() == []


async def test_a_chunk_that_is_there_is_not_kept_once_more(uploads: FileUploads, records: Records, shelf: Shelf):
    caller = records.caller
    upload = await uploads.begin(caller, [NewFile("a", 3)])
    file = upload.files[0]

    counts = [await uploads.put_chunk(caller, upload.id, file.id, 0, content) for content in (b"abc", b"xyz")]

    assert (counts, len(shelf.names())) == ([1, 1], 1)
    await uploads.cancel(caller, upload.id)
    assert shelf.names() == []


async def test_a_file_that_is_swept_while_it_is_told_is_not_said_to_be_whole(
    uploads: FileUploads, records: Records, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    caller = records.caller
    upload = await uploads.begin(caller, [NewFile("a", 3)])
    file = upload.files[0]
    await uploads.put_chunk(caller, upload.id, file.id, 0, b"abc")

    size = shelf.objects.size

    async def gone(key: str) -> int | None:
        """Somebody has swept whole files."""
        return None if "/files/" in key else await size(key)

    with monkeypatch.context() as swept:
        swept.setattr(shelf.objects, "size", gone)
        with pytest.raises(Unavailable):
            await uploads.complete(caller, upload.id)

    assert (await uploads.get(caller, upload.id)).files[0].digest is None
    assert (await uploads.complete(caller, upload.id)).files[0].digest == digest_of(b"abc")


async def test_what_is_not_what_was_announced_is_not_kept(uploads: FileUploads, records: Records, shelf: Shelf):
    caller = records.caller
    upload = await uploads.begin(caller, [NewFile("a", 3, digest_of(b"abc"))])
    file = upload.files[0]

    for content in (b"abcd", b"ab", b"abd"):
        with pytest.raises(Invalid):
            await uploads.put(caller, upload.id, file.id, stream(content))
    with pytest.raises(Invalid, match="not kept"):
        await uploads.put_chunk(caller, upload.id, file.id, 0, b"ab")
    with pytest.raises(NotFound):
        await uploads.put_chunk(caller, upload.id, file.id, 1, b"ab")

    assert (await uploads.get(caller, upload.id)).files[0].digest is None
    with pytest.raises(Invalid):
        await uploads.begin(caller, [NewFile("a", 1), NewFile("a", 1), NewFile("b", 1), NewFile("b/c", 1)])


async def test_an_upload_is_its_senders_alone(uploads: FileUploads, records: Records, database: Database):
    upload_id = await sent(uploads, records.caller, a=b"abc")
    colleague = replace(records.caller, person_id=UUID(int=7))

    with pytest.raises(NotFound):
        await uploads.get(colleague, upload_id)
    for file in (await uploads.get(records.caller, upload_id)).files:
        with pytest.raises(NotFound):
            await uploads.drop(colleague, file.id)
    with pytest.raises(Invalid) as refused:
        await taken_uploads(database, colleague, Filled([FILE], {"docs": str(upload_id)}))
    assert refused.value.errors[0].message == "upload is unknown or incomplete"
    await uploads.cancel(records.caller, upload_id)
    with pytest.raises(NotFound):
        await uploads.get(records.caller, upload_id)


async def test_inputs_name_files_in_place_of_uploads(uploads: FileUploads, records: Records, database: Database):
    caller = records.caller
    first, second = await sent(uploads, caller, b=b"1", a=b"2"), await sent(uploads, caller, a=b"2")
    half = (await uploads.begin(caller, [NewFile("c", 1)])).id
    inputs = {"docs": str(first), "more": [{"docs": str(second)}, {"docs": "https://example.org/x"}], "else": 1}

    with pytest.raises(Invalid, match="no run was started") as refused:
        await taken_uploads(database, caller, Filled([FILE, GROUP], {**inputs, "docs": str(half)}))
    with pytest.raises(Invalid) as clash:
        await taken_uploads(database, caller, Filled([FILE, GROUP], inputs))
    taken = await taken_uploads(database, caller, Filled([GROUP], {"more": [{"docs": str(first)}, {"docs": ["x"]}]}))

    assert [each.field for each in refused.value.errors] == ["inputs.docs"]
    assert [each.message for each in clash.value.errors] == ["two files are called a"]
    assert (taken.inputs, taken.upload_ids) == ({"more": [{"docs": ["a", "b"]}, {"docs": ["x"]}]}, (first,))


async def test_what_a_run_writes_is_there_and_told_once(
    files: Files, records: Records, database: Database, shelf: Shelf
):
    run = await records.start()
    life = await life_of(records, database, run)

    for name, content in (("out/a.txt", LARGE), ("out/a.txt", LARGE), ("out/b/c.txt", b"c"), ("out/a.txt", b"new")):
        kept = await files.keep(life, run.id, name, stream(content))
        assert (kept.path, kept.digest) == (name, digest_of(content))
    told = await records.events.read(records.tenant_id, run.id, kinds=[EventKind.ARTIFACT])
    listed = await files.list(records.caller, run.id, FileQuery())
    whole = b"".join([piece async for piece in files.pieces(records.tenant_id, digest_of(LARGE), 5, 2_000_000)])

    assert [(each.payload["path"], each.payload["sha256"]) for each in told] == [
        ("out/a.txt", digest_of(LARGE)),
        ("out/b/c.txt", digest_of(b"c")),
        ("out/a.txt", digest_of(b"new")),
    ]
    assert [(each.path, each.size_bytes) for each in listed] == [("out/a.txt", 3), ("out/b/c.txt", 1)]
    assert await files.list(records.caller, run.id, FileQuery("out", "out/a.txt")) == listed[1:]
    assert whole == LARGE[5:2_000_000]
    assert shelf.unfinished() == []


async def test_a_life_that_lost_the_run_writes_nothing(files: Files, records: Records, database: Database):
    run, other = await records.start(), await records.start()
    life = await life_of(records, database, run)
    assert life.life is not None
    await files.keep(life, run.id, "out/a", stream(b"a"))

    for wrong in (replace(life.life, attempt=2), replace(life.life, boot_id="another")):
        with pytest.raises(Conflict):
            await files.keep(replace(life, life=wrong), run.id, "out/b", stream(b"b"))
    for path in ("out/a/b", "in/b", "out"):
        with pytest.raises((Conflict, Invalid)):
            await files.keep(life, run.id, path, stream(b"b"))
    with pytest.raises(Conflict, match="Only the run itself"):
        await files.keep(records.caller, run.id, "out/b", stream(b"b"))
    for call in (files.get(life, other.id, "out/a"), files.remove(life, other.id, "out")):
        with pytest.raises(NotFound):
            await call
    await records.finish(run)
    with pytest.raises(Conflict, match="has ended"):
        await files.keep(life, run.id, "out/b", stream(b"b"))
    assert [each.path for each in await files.list(records.caller, run.id, FileQuery())] == ["out/a"]


async def test_what_a_life_removed_of_its_inputs_is_there_for_the_next(
    files: Files, records: Records, database: Database
):
    """Begun anew after a crash, the code sees what it saw the first time; people see what is left."""
    run = await records.start()
    life = await life_of(records, database, run)
    assert life.life is not None
    later = replace(life, life=replace(life.life, name="second"))
    add = "insert into run_file (run_id, path, tenant_id, digest, size_bytes) values ($1, $2, $3, 'd', 1)"
    async with database.tenant(records.tenant_id) as connection:
        for path in ("in/a", "in/d/b", "in/d/c"):
            await connection.execute(add, run.id, path, records.tenant_id)

    async def seen(caller: Caller) -> list[str]:
        return [each.path for each in await files.list(caller, run.id, FileQuery("in"))]

    assert await files.remove(life, run.id, "in/d") == 2
    with pytest.raises(NotFound):
        await files.remove(life, run.id, "in/d")
    with pytest.raises(NotFound):
        await files.get(life, run.id, "in/d/b")
    assert [await seen(each) for each in (life, records.caller, later)] == [
        ["in/a"],
        ["in/a"],
        ["in/a", "in/d/b", "in/d/c"],
    ]
    assert await files.remove(records.caller, run.id, "in/a") == 1
    assert await seen(later) == ["in/d/b", "in/d/c"]


async def test_a_retry_begins_with_the_files_of_the_try_before_it(files: Files, records: Records, database: Database):
    run = await records.start()
    life = await life_of(records, database, run)
    await files.keep(life, run.id, "out/b", stream(b"b"))
    columns = "run_id, path, tenant_id, digest, size_bytes, removed_in"
    add = f"insert into run_file ({columns}) values ($1, 'in/a', $2, 'd', 1, 'x')"  # noqa: S608 - constants
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(add, run.id, records.tenant_id)
    await records.finish(run)

    again = await records.runs.retry(records.caller, run.id, "start")
    attached = await records.attach(again)

    assert [each.path for each in await files.list(records.caller, again.id, FileQuery())] == ["in/a"]
    assert [(each["path"], each["size"]) for each in attached.record["uploads"]] == [("in/a", 1)]


async def test_what_does_not_fit_into_the_quota_is_refused_before_and_while_it_comes(
    uploads: FileUploads, files: Files, settings: TenantSettings, records: Records, shelf: Shelf, database: Database
):
    caller = records.caller
    await settings.put(caller, FILES_QUOTA.name, 1)
    run = await life_of(records, database, await records.start("files"))
    assert run.life is not None
    await files.keep(run, run.life.run_id, "out/half", stream(bytes(600_000)))

    await files.keep(run, run.life.run_id, "out/the-same", stream(b"x" * 400_000))
    with pytest.raises(Conflict, match=r"1 MiB in the organisation, and 1\.0 MiB of that"):
        await files.keep(run, run.life.run_id, "out/more", stream(b"y" * 100_000))
    with pytest.raises(Conflict, match="Nothing was kept"):
        await uploads.begin(caller, [NewFile("a", 100_000)])

    assert [each.name for each in await files.list(caller, run.life.run_id, FileQuery())] == ["half", "the-same"]
    assert len(shelf.names()) == 2
    assert shelf.unfinished() == []


async def test_files_are_announced_one_by_one_and_bounded_as_they_come(
    uploads: FileUploads, records: Records, shelf: Shelf, database: Database
):
    """Of none of them it is known how large it will be; the quota is 10 MiB."""
    caller, piece = records.caller, bytes(CHUNK_BYTES)
    batch = await uploads.open(caller)
    first, other = [await uploads.add(caller, batch, NewFile(path, None)) for path in ("a", "b")]

    counts = [await uploads.put_chunk(caller, batch, first.id, n, content) for n, content in ((1, b"cd"), (0, b"ab"))]
    done = [await uploads.finish(caller, batch, first.id) for _ in range(2)]
    for n in range(9):
        await uploads.put_chunk(caller, batch, other.id, n, piece)
    with pytest.raises(Conflict, match=r"9\.0 MiB of that"):
        await uploads.put_chunk(caller, batch, other.id, 9, piece)
    with pytest.raises(NotFound):
        await uploads.put_chunk(caller, batch, other.id, 5 << 10, b"beyond what a file may have")
    deep = await uploads.add(caller, batch, NewFile("c/d", None))
    for path in ("a/b", "c"):
        with pytest.raises(Invalid) as clash:
            await uploads.add(caller, batch, NewFile(path, None))
        assert [each.message for each in clash.value.errors] == [f"{path[0]} is a file and a folder"]
    await uploads.drop(caller, deep.id)
    with pytest.raises(Conflict, match=r" 0\.0 MiB of that"):
        await uploads.add(caller, batch, NewFile("b", 11 << 20))
    assert await uploads.put_chunk(caller, batch, other.id, 8, piece) == 9  # a refusal loses nothing
    anew = await uploads.add(caller, batch, NewFile("b", None))
    with pytest.raises(Conflict, match="nothing of it has come"):
        await uploads.complete(caller, batch)
    await uploads.drop(caller, anew.id)

    assert (counts, done[0].size_bytes, done[0].digest) == ([1, 2], 4, digest_of(b"abcd"))
    assert done[0] == done[1]
    assert (await uploads.complete(caller, batch)).files == (done[1],)
    assert shelf.names() == [f"{records.tenant_id}/files/{digest_of(b'abcd')}"]
    with pytest.raises(Invalid, match="cannot be used"):
        await taken_uploads(database, caller, Filled([], {}, (anew.id,)))
    assert (await taken_uploads(database, caller, Filled([], {}, (batch,)))).upload_ids == (batch,)


async def test_for_a_file_of_unknown_size_room_is_asked_for_seldom(uploads: FileUploads, records: Records):
    """All that is there is summed for it: were every chunk to ask, a large file took the square of its time."""
    caller, batch = records.caller, await uploads.open(records.caller)
    file, rooms = await uploads.add(caller, batch, NewFile("a", None)), list[int]()

    for n in range(33):
        await uploads.put_chunk(caller, batch, file.id, n, b"x")
        rooms.append((await uploads.file(caller, file.id)).room_bytes)

    assert sorted({*rooms}) == [1, 3, 7, 15, 31, 63]
    assert all(room > n for n, room in enumerate(rooms))


async def test_chunks_of_a_file_of_unknown_size_that_come_at_once_ask_for_room_together(
    uploads: FileUploads, records: Records
):
    caller, batch = records.caller, await uploads.open(records.caller)
    file, piece = await uploads.add(caller, batch, NewFile("a", None)), b"x" * (1 << 20)

    many = [uploads.put_chunk(caller, batch, file.id, n, piece) for n in range(8)]
    await asyncio.gather(*many)

    assert (await uploads.file(caller, file.id)).sent == 8 << 20
    with pytest.raises(Conflict, match="are in use or on their way"):
        await uploads.begin(caller, [NewFile("b", 3 << 20)])


async def test_what_is_announced_counts_until_it_expires(uploads: FileUploads, records: Records, database: Database):
    caller = records.caller
    upload = await uploads.begin(caller, [NewFile("a", 8 << 20)])

    many = [uploads.begin(caller, [NewFile("c", 1 << 20)]) for _ in range(8)]
    begun = [each for each in await asyncio.gather(*many, return_exceptions=True) if not isinstance(each, Conflict)]
    assert len(begun) == 2
    with pytest.raises(Conflict, match=r"10\.0 MiB of that"):
        await uploads.begin(caller, [NewFile("b", 3 << 20)])
    async with database.tenant(caller.tenant_id) as connection:
        await connection.execute("update upload set expires_at = now() where id = $1", upload.id)

    assert await uploads.begin(caller, [NewFile("b", 3 << 20)])
