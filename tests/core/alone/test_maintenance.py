"""What the installation does by itself: its reports, and what people deleted is forgotten after a while."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.core.records import Records, records_of, somebody
from tests.core.shelves import Shelf, digest_of, stream
from windlass.contracts.events import EventKind
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Forbidden, NotFound
from windlass.core.file_quota import FileQuota
from windlass.core.file_uploads import FileUploads, NewFile
from windlass.core.leftovers import Leftovers
from windlass.core.maintenance import SYSTEM, Maintenance
from windlass.core.permissions import OPERATOR_OF_PLATFORM
from windlass.core.retention import Retention
from windlass.core.tenant_settings import FILES_QUOTA, TenantSettings

NIGHT = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
RUN_FILE = (
    "insert into run_file (run_id, path, tenant_id, digest, size_bytes) values ($1, 'out/a', $2, repeat('0', 64), 1)"
)
FILE = (
    "insert into session_file (session_id, path, tenant_id, digest, size_bytes, turn) values ($1, 'a', $2, 'b', 1, 1)"
)
DESKTOP = """
insert into desktop (id, tenant_id, owner, name, template, removed_at) values ($1, $2, $1, 'd', 'standard', now())
"""
TAKE = "insert into run_file (run_id, path, tenant_id, digest, size_bytes) values ($1, 'in/a', $2, $3, 3)"
EXPIRE = """
with aged as (update file_content set touched_at = now() - interval '25 hours')
update upload set expires_at = now() - interval '2 hours' where id <> $1
"""
OLD = "update run set archived_at = archived_at - $2::text::interval where id = $1"


@pytest.fixture
def reports(jobs: Database) -> Maintenance:
    return Maintenance(jobs, "Pacific/Auckland")


@pytest.fixture
def operator() -> Caller:
    caller = somebody()
    return replace(caller, permissions=caller.permissions | OPERATOR_OF_PLATFORM)


async def deleted(records: Records, database: Database, ago: str) -> RunId:
    """A run that has ended and was deleted so long ago."""
    run = await records.start("a secret")
    await records.end(run, RunStatus.CANCELLED)
    await records.runs.archive(records.caller, run.id)
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(OLD, run.id, ago)
    return run.id


async def test_what_was_deleted_long_ago_is_forgotten_once_and_counted(
    database: Database, jobs: Database, reports: Maintenance
):
    records = records_of(database, jobs)
    old, young = await deleted(records, database, "31 days"), await deleted(records, database, "29 days")
    kept = await records.start()
    logs = {each: len(await records.events.read(records.tenant_id, each)) for each in (old, young, kept.id)}
    async with database.tenant(records.tenant_id) as connection:
        for each in logs:
            await connection.execute(RUN_FILE, each, records.tenant_id)
    occasion, retention = reports.occasion("retention", NIGHT), Retention(jobs, database, 30)
    await reports.begin(occasion)

    while await retention.forget(occasion):
        pass
    await retention.forget(occasion)

    assert dict(await reports.end(occasion)) == {"runs": 1, "events": logs[old]}
    left = {each: len(await records.events.read(records.tenant_id, each)) for each in logs}
    assert left == {**logs, old: 0}
    async with database.tenant(records.tenant_id) as connection:
        row = await connection.fetchrow("select inputs, title, status, ended_at from run where id = $1", old)
        steps = await connection.fetchval("select count(*) from step where run_id = $1", old)
        stored = await connection.fetchval("select inputs from run where id = $1", young)
        having = {row["run_id"] for row in await connection.fetch("select run_id from run_file")}
    assert row is not None
    assert (row["inputs"], row["title"], row["status"], steps) == ({}, "claude", "cancelled", 0)
    assert stored["prompt"] == "a secret"
    assert having == {young, kept.id}
    assert (await records.events.read(records.tenant_id, kept.id))[0].kind is EventKind.STATUS


async def test_sessions_and_desktops_that_were_deleted_are_forgotten_with_all_that_was_said(
    database: Database, jobs: Database, reports: Maintenance
):
    tenant, session, desktop = TenantId(new_id()), new_id(), new_id()
    wish = {"id": str(session), "owner": str(new_id()), "owner_name": "Ada", "driver": "claude", "title": "a secret"}
    wish |= {"settings": {"system": "a secret"}, "metadata": {}}
    async with database.tenant(tenant) as connection:
        await connection.execute("select from open_session($1, $2)", tenant, wish)
        await connection.execute(FILE, session, tenant)
        await connection.execute(DESKTOP, desktop, tenant)
        await connection.execute("select from open_stream($1, $2, 'desktop')", tenant, desktop)
        await connection.execute("update session set deleted_at = now() - interval '31 days'")
        await connection.execute("update desktop set deleted_at = now() - interval '31 days'")
    occasion, retention = reports.occasion("retention", NIGHT + timedelta(days=1)), Retention(jobs, database, 30)
    await reports.begin(occasion)

    while await retention.forget(occasion):
        pass

    assert dict(await reports.end(occasion)) == {"sessions": 1, "desktops": 1, "events": 1}
    async with database.tenant(tenant) as connection:
        row = await connection.fetchrow("select title, settings from session where id = $1", session)
        files = await connection.fetchval("select count(*) from session_file where session_id = $1", session)
    assert row is not None
    assert (row["title"], row["settings"], files) == ("deleted", {}, 0)


async def test_at_night_uploads_that_no_run_took_go_and_contents_that_nothing_names(
    database: Database, jobs: Database, reports: Maintenance, shelf: Shelf
):
    records = records_of(database, jobs)
    uploads = FileUploads(
        database, shelf.objects, FileQuota(database, TenantSettings(database, {FILES_QUOTA.name: 10}))
    )
    whole, taken, half = [await uploads.begin(records.caller, [NewFile("a", 3)]) for _ in range(3)]
    for upload, content in ((whole, b"old"), (taken, b"new")):
        await uploads.put(records.caller, upload.id, upload.files[0].id, stream(content))
    await uploads.put_chunk(records.caller, half.id, half.files[0].id, 0, b"abc")
    young = await uploads.begin(records.caller, [NewFile("a", 3)])
    run = await records.start()
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(TAKE, run.id, records.tenant_id, digest_of(b"new"))
        await connection.execute(EXPIRE, young.id)
    occasion, leftovers = reports.occasion("retention", datetime.now(UTC)), Leftovers(jobs, shelf.objects)
    await reports.begin(occasion)

    while await leftovers.remove(occasion):
        pass

    assert dict(await reports.end(occasion)) == {"uploads": 3, "files": 1, "freed_bytes": 3}
    assert shelf.names() == [f"{records.tenant_id}/files/{digest_of(b'new')}"]
    assert await uploads.get(records.caller, young.id)
    with pytest.raises(NotFound):
        await uploads.get(records.caller, half.id)


async def test_a_content_that_has_just_come_stays_for_who_is_about_to_name_it(
    database: Database, jobs: Database, reports: Maintenance, shelf: Shelf
):
    records = records_of(database, jobs)
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute("select touch_file_content($1, $2, 3)", records.tenant_id, digest_of(b"abc"))
    await shelf.objects.put(f"{records.tenant_id}/files/{digest_of(b'abc')}", b"abc")
    occasion = reports.occasion("retention", datetime.now(UTC))

    assert not await Leftovers(jobs, shelf.objects).remove(occasion)

    assert shelf.names() == [f"{records.tenant_id}/files/{digest_of(b'abc')}"]


async def test_a_report_says_what_failed_until_it_is_done(reports: Maintenance, operator: Caller):
    occasion = reports.occasion("cleanup", NIGHT)
    await reports.begin(occasion)
    await reports.fail(occasion, "StoreAway: the store does not answer")
    (broken,) = await reports.reports(operator, "cleanup")
    await reports.count(occasion, {"screenshots": 3, "freed_bytes": 3 << 20, "uploads": 0})

    await reports.end(occasion)
    (done,) = await reports.reports(operator, "cleanup")

    assert (broken.ended_at, broken.words) == (None, "not finished: StoreAway: the store does not answer")
    assert (done.problem, done.words) == ("", "3.0 MiB freed, 3 screenshots")
    assert occasion.day.isoformat() == "2026-03-04"  # 16:00 of that day in Auckland


async def test_of_what_is_due_every_minute_only_reports_of_something_done_are_kept(
    reports: Maintenance, operator: Caller
):
    for minute, counts in enumerate(({}, {"removed": 1}, {}, {})):
        occasion = reports.occasion("reconciliation", NIGHT + timedelta(minutes=minute))
        await reports.begin(occasion)
        await reports.count(occasion, counts)
        await reports.end(occasion)

    found = await reports.reports(operator, "reconciliation")

    assert [(each.due_at.minute, each.words) for each in found] == [(3, "nothing was to do"), (1, "1 removed")]
    assert await reports.reports(operator, "reconciliation", limit=1, after=found[0].due_at) == found[1:]


async def test_they_are_for_the_operator_of_the_platform(reports: Maintenance, operator: Caller):
    standing = await reports.schedules(operator, NIGHT)

    assert [each.name for each in standing] == [each.name for each in SYSTEM]
    assert (standing[0].when, standing[0].time_zone) == ("At 03:00 every day", "Pacific/Auckland")
    assert standing[0].next_at == datetime(2026, 3, 4, 14, 0, tzinfo=UTC)
    with pytest.raises(Forbidden):
        await reports.schedules(somebody(), NIGHT)
    with pytest.raises(Forbidden):
        await reports.reports(somebody(), "cleanup")
    with pytest.raises(NotFound):
        await reports.reports(operator, "nothing")
