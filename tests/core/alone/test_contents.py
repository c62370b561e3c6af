"""What is kept under its hash goes when nothing names it any more, and never under the hands of who stores it again."""

import asyncio
import io
import signal
import sys
import zipfile
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.core.records import Records, records_of
from tests.core.shelves import Shelf, digest_of
from tests.owner import as_owner, eventually
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.attachments import Attachments, NewAttachment
from windlass.core.changes import Changed, Changes, compare
from windlass.core.contents import Contents
from windlass.core.database import Database, encode_json
from windlass.core.errors import Conflict
from windlass.core.file_quota import FileQuota
from windlass.core.leftovers import Leftovers
from windlass.core.maintenance import Maintenance, Occasion
from windlass.core.migrations.schema import script
from windlass.core.retention import Retention
from windlass.core.services import NewService
from windlass.core.sessions import BEGIN_WITH
from windlass.core.sources import Sources
from windlass.core.storage.local import LocalObjects
from windlass.core.tenant_settings import TenantSettings
from windlass.core.turns import Turns
from windlass.core.wakeup import PollOnly
from windlass.core.workspaces import Change, Workspaces

NIGHT = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
AGE = "update artifact set touched_at = touched_at - interval '25 hours'"
AGE_ARCHIVES = "update service_archive set touched_at = touched_at - interval '25 hours'"
BACK_UP = "insert into service_backup (id, tenant_id, document) values ($1, $2, $3)"
DELETE = "update session set deleted_at = now() - interval '31 days' where id = $1"
DELETE_RUN = "update run set archived_at = now() - interval '31 days' where id = $1"
LONG = "a long story " * 4000
QUOTA = 1 << 20
ROOT = Path(__file__).parents[3]
BEFORE = """
drop table artifact, artifact_use;
drop trigger uses on run;
drop function use_what_was_used, touch_artifact;
drop index session_file_digest, session_attachment_digest;
drop policy windlass_jobs_select on session_file;
drop policy windlass_jobs_select on session_attachment;
"""


class House:
    """One tenant's records and contents, and the nights over them."""

    def __init__(self, records: Records, database: Database, jobs: Database, shelf: Shelf) -> None:
        self.records, self.tenant_id, self.shelf = records, records.tenant_id, shelf
        self.database, self._jobs = database, jobs
        self.contents = Contents(database, shelf.objects)
        self.artifacts = Artifacts(self.contents)
        self.workspaces = Workspaces(database, self.contents)
        self.attachments = Attachments(database, self.contents)
        self.reports = Maintenance(jobs, "UTC")

    async def session(self) -> UUID:
        """An open session."""
        session, owner = new_id(), str(new_id())
        wish = {"id": str(session), "owner": owner, "owner_name": "Ada", "driver": "claude", "title": "t"}
        async with self.database.tenant(self.tenant_id) as connection:
            query = "select from open_session($1, $2)"
            await connection.execute(query, self.tenant_id, {**wish, "settings": {}, "metadata": {}})
        return session

    async def tool(self, session: UUID, place: int, *changes: Change) -> None:
        """A tool changes files."""
        event = NewEvent(EventKind.TOOL_RESULT, {"turn": 1, "text": "done"}, "hands", place)
        files = [{"path": each.path, "digest": each.digest, "size_bytes": each.size_bytes} for each in changes]
        await Turns(self.database, PollOnly()).record(self.tenant_id, session, event, files, QUOTA)

    async def execute(self, statement: str, *args: object) -> None:
        """Have something happen to the tenant's rows."""
        async with self.database.tenant(self.tenant_id) as connection:
            await connection.execute(statement, *args)

    async def occasion(self, days: int = 0, name: str = "cleanup") -> Occasion:
        """A night, with its report open."""
        occasion = self.reports.occasion(name, NIGHT + timedelta(days=days))
        await self.reports.begin(occasion)
        return occasion

    async def clean(self, days: int = 0) -> dict[str, int]:
        """A night's work; answers what it counts."""
        occasion, leftovers = await self.occasion(days), Leftovers(self._jobs, self.shelf.objects)
        while await leftovers.remove(occasion):
            pass
        return dict(await self.reports.end(occasion))

    def sources(self, quota_mib: int) -> Sources:
        """What takes archives, where so much may be kept."""
        settings = TenantSettings(self.database, {"files_quota_mib": quota_mib})
        return Sources(self.database, self.shelf.objects, self.records.services, FileQuota(self.database, settings))

    async def forget(self) -> None:
        """Forget what was deleted long ago."""
        occasion, retention = await self.occasion(name="retention"), Retention(self._jobs, self.database, 30)
        while await retention.forget(occasion):
            pass


@pytest.fixture
async def house(database: Database, jobs: Database, shelf: Shelf) -> House:
    async with jobs.open() as connection:
        await connection.execute("delete from maintenance")
    return House(records_of(database, jobs), database, jobs, shelf)


async def test_what_a_session_was_made_of_goes_with_it_and_what_another_names_stays(house: House):
    mine, theirs = await house.session(), await house.session()
    for session in (mine, theirs):
        await house.artifacts.fold(house.tenant_id, session, {"text": LONG})
    await house.artifacts.fold(house.tenant_id, mine, {"text": LONG[1:]})
    await house.attachments.keep(house.tenant_id, mine, NewAttachment("a.txt", "text/plain", b"attached"))
    await house.tool(mine, 1, await house.workspaces.keep(house.tenant_id, "a", b"first"))
    first = (await house.workspaces.files(house.tenant_id, mine))["a"]
    await house.workspaces.save(house.tenant_id, mine, first)
    await house.tool(mine, 3, await house.workspaces.keep(house.tenant_id, "a", b"second"))
    await house.execute(AGE)

    assert await house.clean() == {}
    assert len(house.shelf.names()) == 5
    await house.execute(DELETE, mine)
    await house.forget()

    assert (await house.clean(1))["artifacts"] == 4
    assert house.shelf.names() == [f"{house.tenant_id}/{digest_of(encode_json(LONG).encode())}"]
    assert (await house.clean(2)) == {}


async def test_what_was_in_a_file_goes_a_day_after_it_was_written_over_or_removed(house: House):
    session = await house.session()
    for place, content in enumerate((b"first", b"second")):
        change = await house.workspaces.keep(house.tenant_id, "a", content)
        await house.execute(AGE)
        await house.tool(session, 2 * place + 1, change)

    assert await house.clean() == {}
    await house.execute(AGE)
    assert await house.clean(1) == {"artifacts": 1, "freed_bytes": 5}

    await house.tool(session, 5, Change("a", None))
    assert await house.clean(2) == {}
    await house.execute(AGE)
    assert await house.clean(3) == {"artifacts": 1, "freed_bytes": 6}
    assert house.shelf.names() == []


async def test_what_a_session_began_with_is_kept_and_told_beside_what_became_of_it(house: House):
    source, session, tenant = await house.session(), await house.session(), house.tenant_id
    began = {"plan": b"one\ntwo\nthree\n", "old": b"gone\n", "pixels": b"\x00\x01"}
    became = {"plan": b"one\n2\nthree\n", "new": b"hello\n", "pixels": b"\x00\x02", "passing": b"by"}
    await house.tool(source, 1, *[await house.workspaces.keep(tenant, *each) for each in began.items()])
    await house.execute(BEGIN_WITH, session, source)
    await house.tool(source, 3, *(Change(each, None) for each in began))
    await house.tool(session, 1, *[await house.workspaces.keep(tenant, *each) for each in became.items()])
    await house.tool(session, 3, Change("passing", None), Change("old", None))
    await house.execute(AGE)

    assert await house.clean() == {"artifacts": 1, "freed_bytes": 2}
    told = {each.file.path: each for each in await Changes(house.database, house.contents).compared(tenant, session)}
    assert {path: (each.file.kind, each.added, each.removed, each.problem) for path, each in told.items()} == {
        "new": ("added", 1, 0, ""),
        "old": ("removed", 0, 1, ""),
        "pixels": ("changed", 0, 0, "It is not a text."),
        "plan": ("changed", 1, 1, ""),
    }
    assert list(told["plan"].lines) == ["@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"]
    await house.execute(DELETE, session)
    await house.forget()
    assert (await house.clean(1))["artifacts"] == 6


def test_texts_that_differ_in_too_many_lines_are_not_compared():
    file, many = Changed("a", "was", "now", 1, 1), [str(n) for n in range(1_001)]

    assert compare(file, many, many[::-1]).problem == "More than 1000 lines differ."
    assert compare(file, ["0", *many], ["1", *many]).added == 1


def test_where_two_texts_are_the_same_nothing_is_looked_for_and_lines_keep_their_numbers():
    file, same = Changed("a", "1", "2", 1, 1), [str(n % 9) for n in range(2_000)]
    was, now = [*same, "old", *same], [*same, "new", "more" * 200, *same]

    told = compare(file, was, now)

    assert told.lines[0] == "@@ -1998,7 +1998,8 @@"
    assert told.lines[1:6] == [" 8", " 0", " 1", "-old", "+new"]
    assert (told.added, told.removed, max(map(len, told.lines))) == (2, 1, 502)


async def test_what_a_new_try_took_over_stays_when_the_old_one_is_forgotten(house: House):
    records = house.records
    run = await records.start()
    folded = await house.artifacts.fold(house.tenant_id, run.id, {"str": LONG})
    await records.end(run, RunStatus.CANCELLED)
    await records.runs.retry(records.caller, run.id)
    await house.execute(DELETE_RUN, run.id)
    await house.execute(AGE)

    await house.forget()

    assert await house.clean() == {}
    assert await house.artifacts.unfold(house.tenant_id, folded["str"]) == LONG


class Slow(LocalObjects):
    """A store in which removing begins and goes on when it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def delete(self, keys: Sequence[str]) -> None:
        """Wait, then remove."""
        if keys:
            self.begun.set()
            await self.go.wait()
        await super().delete(keys)


async def test_who_stores_again_what_is_just_being_removed_has_it_afterwards(
    house: House, jobs: Database, tmp_path: Path
):
    slow = Slow(tmp_path / "slow")
    contents, session = Contents(house.database, slow), await house.session()
    await contents.put(house.tenant_id, digest_of(b"again"), b"again")
    await house.execute(AGE)
    cleaning = asyncio.create_task(Leftovers(jobs, slow).remove(await house.occasion()))
    await slow.begun.wait()
    putting = asyncio.create_task(contents.put(house.tenant_id, digest_of(b"again"), b"again", session))

    async def somebody_waits() -> bool:
        async with jobs.open() as connection:
            return await connection.fetchval("select exists (select from pg_locks where not granted)")

    await eventually(somebody_waits)
    slow.go.set()
    await asyncio.gather(cleaning, putting)

    assert await contents.get(house.tenant_id, digest_of(b"again")) == b"again"
    assert await house.clean(1) == {}


async def test_a_cleaner_killed_between_the_bytes_and_their_rows_is_gone_on_for_and_counted_once(
    house: House, url: str, jobs: Database, tmp_path: Path
):
    root = tmp_path / "killed"
    objects = LocalObjects(root)
    for content in (b"one", b"two"):
        await Contents(house.database, objects).put(house.tenant_id, digest_of(content), content)
    await house.execute(AGE)
    occasion = await house.occasion()
    words = (sys.executable, "-m", "tests.core.sweeper", url, str(root), occasion.due_at.isoformat())
    cleaner = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert cleaner.stdout is not None
    assert await cleaner.stdout.readline() == b"removed\n"
    cleaner.send_signal(signal.SIGKILL)
    await cleaner.wait()
    assert list((root / str(house.tenant_id)).iterdir()) == []

    async def is_done() -> bool:
        return not await Leftovers(jobs, objects).remove(occasion) and bool(await house.reports.end(occasion))

    await eventually(is_done)  # the lock of the dead goes with its connection

    assert dict(await house.reports.end(occasion)) == {"artifacts": 2, "freed_bytes": 6}


async def test_an_archive_stays_while_a_service_or_a_backup_names_it_and_goes_a_day_later(house: House, url: str):
    sources = house.sources(1)
    await house.records.services.add(house.records.caller, NewService("sent", import_path="app:app"))
    first = (await sources.take(house.records.caller, "sent", zipped("first"))).project
    second = (await sources.take(house.records.caller, "sent", zipped("second"))).project
    async with as_owner(url) as owner:
        await owner.execute("insert into tenant (id, name) values ($1, 'Archives')", house.tenant_id)
    counts = [await house.clean()]  # a day has not passed since the first one ceased to be named
    await house.execute(BACK_UP, new_id(), house.tenant_id, [{"name": "sent", "project": first}])
    await house.execute(AGE_ARCHIVES)

    counts.append(await house.clean(1))
    await house.execute("delete from service_backup")
    counts.append(await house.clean(2))

    assert [each.get("archives", 0) for each in counts] == [0, 0, 1]
    assert house.shelf.names() == [f"{house.tenant_id}/sources/{second.removeprefix('archive:')}"]


async def test_archives_count_in_the_quota_of_the_organisation_each_content_once(house: House):
    sources = house.sources(1)
    await house.records.services.add(house.records.caller, NewService("sent", import_path="app:app"))
    large = await sources.take(house.records.caller, "sent", zipped("large", 700_000))

    with pytest.raises(Conflict, match=r"may take 1 MiB in the organisation, and 0\.7 MiB of that"):
        await sources.take(house.records.caller, "sent", zipped("larger", 700_000))
    again = await sources.take(house.records.caller, "sent", zipped("large", 700_000))

    assert again.project == large.project
    assert len(house.shelf.names()) == 1


async def zipped(name: str, size: int = 10) -> AsyncGenerator[bytes]:
    """A program that weighs so much."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}.py"), "#" * size)  # of no date: the same bytes each time
    yield output.getvalue()


async def test_what_was_named_before_there_were_rows_for_it_stays_after_the_upgrade(house: House, url: str):
    session, run = await house.session(), await house.records.start()
    for stream in (session, run.id):
        folded = await house.artifacts.fold(house.tenant_id, stream, {"text": LONG + str(stream)})
        await Turns(house.database, PollOnly()).append(
            house.tenant_id, session, [NewEvent(EventKind.LOG, {"level": "info", **folded}, f"test:{stream}", 1)]
        )
    await house.tool(session, 1, await house.workspaces.keep(house.tenant_id, "a", b"a file"))
    await house.attachments.keep(house.tenant_id, session, NewAttachment("a.txt", "text/plain", b"attached"))
    async with as_owner(url) as owner:
        await owner.execute(BEFORE)
        await owner.execute(script("0042", "0043"))
    await house.execute(AGE)

    assert await house.clean() == {}
    assert len(house.shelf.names()) == 4
    await house.execute(DELETE, session)
    await house.forget()
    assert (await house.clean(1))["artifacts"] == 4


async def test_processes_that_ended_long_ago_are_forgotten_but_for_the_last_one_of_a_service(house: House):
    service = new_id()
    for boot, days in (("a", 90), ("b", 60), ("c", 3), ("d", 0)):
        await house.execute(
            "insert into host (boot_id, tenant_id, service_id, node, generation, started_at, ended_at) "
            "select $1::text, $2::uuid, $3::uuid, 'here', 1, now() - make_interval(days => $4::int), "
            "case when $4 > 0 then now() - make_interval(days => $4) end",
            *(f"{service}-{boot}", house.tenant_id, service, days),
        )
    other = new_id()
    await house.execute(
        "insert into host (boot_id, tenant_id, service_id, node, generation, started_at, ended_at) "
        "values ($1, $2, $3, 'here', 1, now() - interval '90 days', now() - interval '90 days')",
        *(f"{other}-last", house.tenant_id, other),
    )

    assert await house.clean() == {"processes": 2}
    async with house.database.tenant(house.tenant_id) as connection:
        kept = await connection.fetch("select right(boot_id, 4) as name from host order by started_at")
    assert sorted(row["name"] for row in kept) == sorted(["last", f"{str(service)[-2:]}-c", f"{str(service)[-2:]}-d"])
