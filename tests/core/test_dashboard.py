"""The dashboard: figures of agents, slow runs and grouped errors, and that they are read from indexes."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.core.records import Records, somebody
from tests.owner import as_owner
from windlass.contracts.runs import RunStatus
from windlass.core import dashboard as queries
from windlass.core.callers import Caller
from windlass.core.dashboard import Dashboard, Dashboards, Span
from windlass.core.database import Connection, Database
from windlass.core.permissions import Role
from windlass.core.statistics import USUAL

NOW = datetime.now(UTC)
MADE = """
insert into run (id, tenant_id, agent, title, status, root_id, created_by, created_at, started_at, ended_at, error)
select id, $1, $2, 'run ' || i, $3, id, $4, at, at + i * interval '1 s', at + (1 + $5::float8) * i * interval '1 s', $6
from (select uuidv7() as id, i, $7::timestamptz as at from generate_series(1, $8::int) i) made
"""  # the i-th waited i seconds and ran $5 times as long


async def make(url: str, caller: Caller, count: int, **given: Any) -> None:
    """So many runs that have ended, an hour ago where nothing else is said."""
    wanted = {"agent": "reviewer", "status": "finished", "pace": 10.0, "error": None, "at": NOW - timedelta(hours=1)}
    wanted |= given
    named = [wanted[name] for name in ("agent", "status")], [wanted[name] for name in ("pace", "error", "at")]
    async with as_owner(url) as owner:
        await owner.execute(MADE, caller.tenant_id, *named[0], caller.person_id, *named[1], count)


async def look(database: Database, caller: Caller, span: Span = Span.DAY) -> Dashboard:
    return await Dashboards(database).of(caller, span, datetime.now(UTC))


async def test_an_agent_has_its_counts_and_the_percentiles_of_its_times(
    database: Database, database_url: str, records: Records
):
    await make(database_url, records.caller, 9)
    await make(database_url, records.caller, 1, status="failed")
    await make(database_url, records.caller, 2, status="cancelled", agent="writer")

    shown = await look(database, records.caller)

    reviewer, writer = shown.agents
    assert (reviewer.agent, reviewer.figures.ended, reviewer.figures.success_rate) == ("reviewer", 10, 0.9)
    assert (reviewer.figures.run.p50_s, reviewer.figures.run.p95_s) == (50.0, pytest.approx(86.0))
    assert reviewer.figures.queue.p50_s == 4.5  # 1, 1, 2 … 9: the failed one waited too
    assert (writer.figures.cancelled, writer.figures.success_rate, writer.figures.run.p50_s) == (2, None, None)
    assert (shown.total.finished, shown.total.failed, shown.total.cancelled) == (9, 1, 2)


@pytest.mark.parametrize(("span", "parts", "ended"), [(Span.DAY, 24, 1), (Span.WEEK, 28, 3), (Span.MONTH, 30, 6)])
async def test_a_span_holds_what_ended_in_it_part_by_part(
    database: Database, database_url: str, records: Records, span: Span, parts: int, ended: int
):
    for days, count in ((0.1, 1), (3, 2), (20, 3), (40, 4)):
        await make(database_url, records.caller, count, at=NOW - timedelta(days=days))

    shown = await look(database, records.caller, span)

    assert (len(shown.parts), shown.total.finished) == (parts, ended)
    assert sum(part.figures.finished for part in shown.parts) == ended
    assert shown.parts[0].at == shown.since
    assert shown.parts[-1].at <= datetime.now(UTC)


async def test_quarters_of_a_day_that_are_over_are_counted_once(
    database: Database, database_url: str, records: Records
):
    operator = records.colleague(Role.OPERATOR)
    for days, caller in ((0, records.caller), (1, operator), (2, records.caller), (8, operator), (50, operator)):
        await make(database_url, caller, 2, at=NOW - timedelta(days=days, minutes=1))
    counted = [(await look(database, records.caller, span)).total.finished for span in Span]
    async with as_owner(database_url) as owner:
        await owner.execute("update run set agent = 'nobody' where tenant_id = $1", records.tenant_id)

    both = [[(await look(database, each, span)).total.finished for span in Span] for each in (records.caller, operator)]
    agents = [each.agent for each in (await look(database, records.caller, Span.MONTH)).agents]

    assert (counted, both) == ([2, 6, 8], [[2, 6, 8], [0, 2, 4]])
    assert agents == ["reviewer", "nobody"]  # what was summed is not looked at again


async def test_what_was_summed_while_the_clock_was_ahead_is_summed_anew(
    database: Database, database_url: str, records: Records
):
    for days in (0, 2, 8):
        await make(database_url, records.caller, 2, at=NOW - timedelta(days=days, minutes=1))
    await look(database, records.caller, Span.MONTH)
    async with as_owner(database_url) as owner:
        await owner.execute(
            "update run_summed set until = now() + interval '9 d' where tenant_id = $1", records.tenant_id
        )
        await owner.execute("delete from run_part where tenant_id = $1", records.tenant_id)

        shown = await look(database, records.caller, Span.MONTH)

        until = await owner.fetchval("select until from run_summed where tenant_id = $1", records.tenant_id)
    assert shown.total.finished == 6
    assert until < NOW


async def test_failures_that_differ_in_numbers_and_names_are_one(
    database: Database, database_url: str, records: Records
):
    for number in (404, 503):
        said = f'the ERP said {number} to "{number}" for {UUID(int=number)}'
        error = {"type": "ToolError", "message": said}
        await records.end(await records.start(), RunStatus.FAILED, error=error)
    await make(database_url, records.caller, 1, status="failed", error={"type": "ValueError", "message": "no\nway"})

    shown = await look(database, records.caller)

    grouped = [(each.message, each.count) for each in shown.errors]
    assert grouped == [("ToolError: the ERP said … to … for …", 2), ("ValueError: no", 1)]
    assert shown.errors[0].run_id == shown.failed[0].id
    assert shown.failed[0].error.startswith("ToolError: the ERP said 503")


async def test_slow_is_far_beyond_what_the_agent_usually_takes(database: Database, database_url: str, records: Records):
    await make(database_url, records.caller, 50, pace=0.01)
    await make(database_url, records.caller, 1, pace=60.0)
    await make(database_url, records.caller, 4, pace=900.0, agent="too new to know")

    shown = await look(database, records.caller)

    assert [(run.agent, run.ran_s, run.usual_s, run.is_slow) for run in shown.slow] == [
        ("reviewer", 60.0, pytest.approx(0.26), True)
    ]


async def test_live_runs_come_the_oldest_first_and_say_whether_they_are_slow(
    database: Database, database_url: str, records: Records
):
    await make(database_url, records.caller, 5, agent="claude", pace=0.01)
    first, second = await records.start(), await records.start()
    await records.attach(second)
    async with as_owner(database_url) as owner:
        await owner.execute("update run set started_at = now() - interval '1 h' where id = $1", second.id)

    shown = await look(database, records.caller)

    assert [(run.id, run.is_slow) for run in shown.running] == [(first.id, False), (second.id, True)]
    assert shown.live == {RunStatus.QUEUED: 1, RunStatus.STARTING: 1}


async def test_everybody_sees_what_they_may(database: Database, database_url: str, records: Records):
    operator, viewer, stranger = records.colleague(Role.OPERATOR), records.colleague(Role.VIEWER), somebody()
    await make(database_url, operator, 1, status="failed")
    await make(database_url, records.caller, 2, status="failed")

    shown = [await look(database, each) for each in (operator, viewer, stranger)]

    assert [(each.total.failed, len(each.failed)) for each in shown] == [(1, 1), (3, 3), (0, 0)]
    assert [sum(group.count for group in each.errors) for each in shown] == [1, 3, 0]


async def test_no_figure_is_read_from_the_whole_table(database_url: str):
    """Of thousands of rows those of other tenants and times are not looked at: every query goes by an index."""
    since = NOW - timedelta(days=1)
    mine = (None, since, NOW)
    async with busy(database_url) as (connection, agents):
        plans = {
            name: await plan(connection, query, *arguments)
            for name, query, arguments in (
                ("run_ended", queries.COUNTS, (*mine, Span.DAY.part, queries.ORIGIN, since)),
                ("run_part_of_agent", queries.COUNTS, (*mine, Span.DAY.part, queries.ORIGIN, NOW)),
                ("run_of_agent", queries.OF_AGENTS, (*mine, agents, 500)),
                ("run_ended ", queries.OF_PARTS, (*mine, Span.DAY.part, 500, queries.ORIGIN)),
                ("run_of_agent ", queries.SLOWEST, (*mine, agents, [1.0] * 3, [2.0] * 3, 500, 10)),
                ("run_of_agent  ", USUAL, (None, since, agents, 100)),
                ("run_failures", queries.ERRORS, (*mine, 5000, 20)),
                ("run_failures ", queries.FAILED, (*mine, 10)),
                ("run_status", queries.LONGEST, (None, ["queued", "running"], 10)),
                ("run_status ", queries.LIVE_COUNTS, (None, ["queued", "running"])),
            )
        }

    assert {name: text for name, text in plans.items() if "Seq Scan on run" in text} == {}
    for name, text in plans.items():
        assert re.search(rf"Index.* Scan.* (using|on) {name.strip()}\b", text), text


@asynccontextmanager
async def busy(url: str) -> AsyncGenerator[tuple[Connection, Sequence[str]]]:
    """A tenant with a few runs of today among thousands of others, as its people ask; gone afterwards."""
    tenants = [somebody() for _ in range(10)]
    async with as_owner(url) as owner:
        transaction: Any = owner.transaction()
        await transaction.start()
        await owner.execute("set local session_replication_role = replica")  # their words are not looked for
        for caller in tenants:
            for agent, status in (("a", "finished"), ("b", "failed"), ("c", "running")):
                for days in (0.5, 10, 100):
                    at = NOW - timedelta(days=days)
                    given = (caller.tenant_id, agent, status, caller.person_id, 1.0, None, at, 60)
                    await owner.execute(MADE, *given)
        await owner.execute("update run set ended_at = null where status = 'running'")
        await owner.execute("analyze run")
        await owner.execute("set local role windlass_app")
        await owner.execute("select set_config('app.tenant', $1, true)", str(tenants[0].tenant_id))
        try:
            yield owner, ("a", "b", "c")
        finally:
            await transaction.rollback()


async def plan(connection: Connection, query: str, *arguments: Any) -> str:
    """How the database goes about a query."""
    return "\n".join(row["QUERY PLAN"] for row in await connection.fetch(f"explain {query}", *arguments))
