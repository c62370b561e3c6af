"""Many runs out of the lists at once: what lives stays and is named, whatever is not there too."""

import pytest

from tests.core.records import Records, somebody
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.core.audit import Audit, AuditFilter
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Invalid
from windlass.core.permissions import Role
from windlass.core.run_archive import MOST, RunArchive
from windlass.core.runs import RunFilter


async def listed(records: Records, caller: Caller | None = None) -> list[str]:
    return [run.title for run in await records.runs.newest(caller or records.caller, RunFilter())]


async def test_what_has_ended_goes_and_what_lives_is_refused_by_name(database: Database, records: Records):
    done, failed, live = [await records.start(title=title) for title in ("done", "failed", "live")]
    await records.end(done, RunStatus.FINISHED)
    await records.end(failed, RunStatus.FAILED)
    unknown = new_id()

    became = await RunArchive(database, records.runs).put(
        records.caller, [done.id, live.id, unknown, failed.id, done.id]
    )

    assert became.ids == (done.id, failed.id)
    assert [(each.id, each.title, each.reason) for each in became.refused] == [
        (live.id, "live", "It is queued: cancel it first."),
        (unknown, "", "There is no such run."),
    ]
    assert await listed(records) == ["live"]
    rows = await Audit(database).newest(records.caller, AuditFilter(action="run.delete"))
    assert [(row.subject, row.before) for row in rows] == [
        (f"run:{failed.id}", {"title": "failed"}),
        (f"run:{done.id}", {"title": "done"}),
    ]


async def test_nobody_archives_what_they_do_not_see(database: Database, records: Records):
    run = await records.start(title="mine")
    await records.end(run, RunStatus.FINISHED)
    archive = RunArchive(database, records.runs)

    for caller in (somebody(), records.colleague(Role.OPERATOR)):
        became = await archive.put(caller, [run.id])
        assert (became.ids, became.refused[0].reason) == ((), "There is no such run.")
        assert (await archive.put_all(caller, RunFilter())).ids == ()

    assert await listed(records) == ["mine"]


async def test_a_filter_takes_what_it_fits_and_names_what_lives(database: Database, records: Records):
    for title, tags, status in (("a", ("old",), "finished"), ("b", ("old",), ""), ("c", (), "finished")):
        run = await records.start(title=title, tags=tags)
        if status:
            await records.end(run, RunStatus(status))

    became = await RunArchive(database, records.runs).put_all(records.caller, RunFilter(tag="old"))

    assert (len(became.ids), [each.title for each in became.refused], became.is_more) == (1, ["b"], False)
    assert await listed(records) == ["c", "b"]
    none = await RunArchive(database, records.runs).put_all(records.caller, RunFilter(status=(RunStatus.QUEUED,)))
    assert (none.ids, [each.title for each in none.refused]) == ((), ["b"])


async def test_more_than_a_call_takes_is_said(database: Database, records: Records, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("windlass.core.run_archive.MOST", 1)
    for title in ("first", "second"):
        await records.end(await records.start(title=title), RunStatus.FINISHED)
    archive = RunArchive(database, records.runs)

    assert [(await archive.put_all(records.caller, RunFilter())).is_more for _ in range(2)] == [True, False]
    assert await listed(records) == []


@pytest.mark.parametrize("count", [0, MOST + 1])
async def test_none_and_too_many_are_refused(database: Database, records: Records, count: int):
    with pytest.raises(Invalid):
        await RunArchive(database, records.runs).put(records.caller, [new_id() for _ in range(count)])
