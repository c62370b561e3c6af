"""What runs came to, by hour and by agent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.core.records import Records, records_of
from tests.core.test_dashboard import busy
from tests.owner import as_owner
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Invalid
from windlass.core.permissions import Role
from windlass.core.runs import Run
from windlass.core.statistics import RunStatistics, Statistics, Tally

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def last_day(database: Database, caller: Caller) -> RunStatistics:
    now = datetime.now(UTC)
    return await Statistics(database).of_runs(caller, now - DAY, now + HOUR)


async def pay(records: Records, run: Run, cost: str | None) -> None:
    attached = await records.attach(run)
    usage = {"input_tokens": 100, "output_tokens": 10, "cost_usd": cost}
    await records.say(attached, NewEvent(EventKind.USAGE, usage, "claude:1", 1))


async def move(url: str, run: Run, to: datetime) -> None:
    async with as_owner(url) as owner:
        await owner.execute("update run set ended_at = $2 where id = $1", run.id, to)


async def test_runs_count_in_the_hour_they_ended(database: Database, database_url: str, records: Records):
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours_ago, status in ((0, RunStatus.FINISHED), (3, RunStatus.FAILED), (3, RunStatus.CANCELLED)):
        run = await records.start()
        await records.end(run, status)
        await move(database_url, run, this_hour - hours_ago * HOUR + timedelta(seconds=1))

    found = await last_day(database, records.caller)

    assert [(each.hour, each.tally) for each in found.hours] == [
        (this_hour - 3 * HOUR, Tally(failed=1, cancelled=1)),
        (this_hour, Tally(finished=1)),
    ]
    assert found.total == Tally(finished=1, failed=1, cancelled=1)
    assert [(each.agent, each.tally) for each in found.agents] == [("claude", found.total)]


async def test_money_is_summed_and_unknown_stays_unknown(database: Database, jobs: Database, records: Records):
    paid, unknown = await records.start(), await records.start()
    await pay(records, paid, "0.25")
    await pay(records, unknown, None)
    await records.end(unknown, RunStatus.FINISHED)

    (hour,) = (await last_day(database, records.caller)).hours
    alone = records_of(database, jobs)
    await pay(alone, await alone.start(), None)

    assert (hour.tally.cost_usd, hour.tally.model_calls, hour.tally.input_tokens) == (Decimal("0.25"), 2, 200)
    assert (hour.tally.live, hour.tally.finished) == (1, 1)
    assert (await last_day(database, alone.caller)).total.cost_usd is None


async def test_what_was_deleted_was_paid_all_the_same(database: Database, records: Records):
    run = await records.start()
    await pay(records, run, "0.5")
    await records.end(run, RunStatus.FINISHED)
    await records.runs.archive(records.caller, run.id)

    assert (await last_day(database, records.caller)).total.cost_usd == Decimal("0.5")


async def test_everybody_counts_what_they_may_see(database: Database, jobs: Database, records: Records):
    operator, viewer = records.colleague(Role.OPERATOR), records.colleague(Role.VIEWER)
    await records.end(await records.start(caller=operator), RunStatus.FINISHED)
    await records.end(await records.start(), RunStatus.FINISHED)
    stranger = records_of(database, jobs)

    counts = [(await last_day(database, each)).total.finished for each in (operator, viewer, stranger.caller)]

    assert counts == [1, 2, 0]


@pytest.mark.parametrize("length", [timedelta(), -HOUR, timedelta(days=31, seconds=1)])
async def test_a_time_without_length_or_end_is_refused(database: Database, records: Records, length: timedelta):
    now = datetime.now(UTC)

    with pytest.raises(Invalid):
        await Statistics(database).of_runs(records.caller, now, now + length)


async def test_only_the_runs_of_the_time_are_read(database_url: str):
    """The index is used: of thousands of rows, those of other days and organisations are not looked at."""
    now = datetime.now(UTC)
    async with busy(database_url) as (connection, _):
        tenant_id = await connection.fetchval("select current_tenant()")
        looked = "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'run'"
        before = await connection.fetchrow(looked)
        query = "select count(*) from run_statistics($1, null, $2, $3)"
        counted = await connection.fetchval(query, tenant_id, now - DAY, now + HOUR)
        after = await connection.fetchrow(looked)

    assert before is not None
    assert after is not None
    assert counted > 0
    assert after["seq_scan"] == before["seq_scan"]
    assert after["idx_tup_fetch"] - before["idx_tup_fetch"] < 500


async def test_the_longest_silence_is_that_of_a_run_at_work(database: Database, records: Records):
    statistics = Statistics(database)
    ended, asleep, quiet, lively = [await records.start() for _ in range(4)]
    await records.end(ended, RunStatus.FINISHED)
    before = await statistics.silent_since(records.caller)
    now = datetime.now(UTC)
    sleep = {"key": "s", "name": "sleep", "state": "started", "until": (now + HOUR).isoformat()}
    await records.say(await records.attach(asleep), NewEvent(EventKind.STEP, sleep, "agent:0", 1))
    for run in (quiet, lively):
        await records.say(await records.attach(run), NewEvent(EventKind.DEBUG, {"text": "here"}, "out:0", 1))

    events = await records.events.read(records.tenant_id, quiet.id)

    assert before is None
    assert await statistics.silent_since(records.caller) == events[-1].at
    assert await statistics.silent_since(records.colleague(Role.OPERATOR)) is None


async def test_an_agent_is_known_by_its_last_30_days(database: Database, database_url: str, records: Records):
    now = datetime.now(UTC)
    statistics = Statistics(database)
    for days_ago, status, cost in (
        (0, RunStatus.FINISHED, "0.40"),
        (2, RunStatus.FAILED, None),
        (31, RunStatus.FINISHED, "9"),
    ):
        run = await records.start()
        await pay(records, run, cost)
        await records.end(run, status)
        await move(database_url, run, now - days_ago * DAY)

    record = (await statistics.of_agents(records.caller, now))["claude"]

    assert (record.ended, record.finished, record.cost_usd) == (2, 1, Decimal("0.40"))
    assert record.took_s is not None
    assert [place for place, count in enumerate(reversed(record.days)) if count] == [0, 2]
    assert await statistics.of_agents(records.colleague(Role.OPERATOR), now) == {}
