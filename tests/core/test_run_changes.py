"""What has changed in the list of runs: each change once, none passed over, and of whom one may see."""

from tests.core.records import Records, somebody
from windlass.contracts.runs import RunStatus
from windlass.core.database import Database
from windlass.core.permissions import Role
from windlass.core.run_changes import ChangedRuns, RunChanges


def told(found: ChangedRuns) -> list[str]:
    return [f"{run.title} {run.status}" for run in found.runs]


async def test_every_change_is_told_once_the_oldest_first_in_as_many_answers_as_are_asked_for(
    database: Database, records: Records
):
    changes, caller = RunChanges(database), records.caller
    await records.start(title="before")
    mark = await changes.now(caller)
    tea, milk = await records.start(title="tea"), await records.start(title="milk")
    await records.end(tea, RunStatus.FAILED)

    first = await changes.since(caller, mark, limit=1)
    await records.runs.archive(caller, tea.id)
    rest = await changes.since(caller, first.mark, limit=1)
    last = await changes.since(caller, rest.mark)

    assert (told(first), first.is_more) == (["milk queued"], True)
    assert (told(rest), rest.gone, rest.is_more) == ([], [], False)  # it has changed since: the next answer's
    assert (told(last), last.gone) == ([], [tea.id])
    assert milk.id not in last.gone
    assert told(await changes.since(caller, last.mark)) == []


async def test_what_commits_after_somebody_looked_is_told_however_early_it_happened(
    database: Database, records: Records
):
    changes, caller = RunChanges(database), records.caller
    run = await records.start(title="late")
    async with database.tenant(caller.tenant_id) as connection:
        await connection.execute("update run set status = 'running' where id = $1", run.id)
        mark = await changes.now(caller)
        meanwhile = await changes.since(caller, mark)

    afterwards = await changes.since(caller, meanwhile.mark)

    assert (told(meanwhile), told(afterwards)) == ([], ["late running"])


async def test_everybody_is_told_of_the_runs_they_may_see(database: Database, records: Records):
    changes, operator = RunChanges(database), records.colleague(Role.OPERATOR)
    mark = await changes.now(records.caller)
    mine, other = await records.start(title="mine", caller=operator), await records.start(title="other")
    await records.end(other, RunStatus.FINISHED)
    await records.runs.archive(records.caller, other.id)

    by_operator, by_viewer, by_stranger = [
        await changes.since(each, mark) for each in (operator, records.colleague(Role.VIEWER), somebody())
    ]

    assert (told(by_operator), by_operator.gone) == (["mine queued"], [])
    assert ([run.id for run in by_viewer.runs], by_viewer.gone) == ([mine.id], [other.id])
    assert (told(by_stranger), by_stranger.gone) == ([], [])
