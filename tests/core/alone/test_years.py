"""What a schedule asks again and again costs the same with years of runs behind it."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.core.planned import Planned, planned_of
from windlass.core.agenda import QUIET, STUCK
from windlass.core.database import Database
from windlass.core.decisions import OTHERS
from windlass.core.outbox import OPEN_RUNS
from windlass.core.schedules import Schedule
from windlass.core.tasks import previous

RUNS = 4_000
BEHIND = """
with made as materialized (select gen_random_uuid() as id, n from generate_series(1, $5::int) n),
added as (
  insert into run (id, tenant_id, agent, title, status, created_by, created_at, started_at, ended_at, root_id)
  select id, $1, 'claude', 'News', 'finished', $2, at, at, at, id from made, lateral (select now() - n * interval '1 hour' as at) m),
fired as (
  insert into firing (id, tenant_id, schedule_id, kind, scheduled_at, decided_at, decision, run_id)
  select gen_random_uuid(), $1, $3, 'due', now() - n * interval '1 hour', now(), 'started', id from made)
insert into task_run (root_id, tenant_id, task_id, version, schedule_id) select id, $1, $4, 1, $3 from made
"""  # noqa: E501


@pytest.fixture
async def planned(database: Database, jobs: Database) -> Planned:
    return await planned_of(database, jobs)


@pytest.fixture
async def owner(url: str) -> AsyncGenerator[Database]:
    pool = await Database.connect(url, role="none")
    yield pool
    await pool.close()


@pytest.fixture
async def schedule(planned: Planned, owner: Database) -> Schedule:
    """A schedule that has been firing for half a year."""
    made = await planned.schedule({"interval_s": 3600})
    async with owner.open() as connection:
        facts = (planned.caller.tenant_id, planned.caller.person_id, made.id, planned.task.id, RUNS)
        await connection.execute(BEHIND, *facts)
        await connection.execute("analyze run, task_run, firing, schedule")
    return made


async def pages(database: Database, planned: Planned, query: str, *facts: Any) -> int:
    """How many pages of the database a query looks at, once it is known how."""
    async with database.tenant(planned.caller.tenant_id) as connection:
        explained = f"explain (analyze, buffers, format json) {query}"
        _, said = [await connection.fetchval(explained, *facts) for _ in range(2)]
    plan: dict[str, Any] = (json.loads(said) if isinstance(said, str) else said)[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def test_what_is_open_of_a_schedule_is_found_among_what_is_open(planned: Planned, schedule: Schedule):
    asked = await pages(planned.database, planned, OTHERS, schedule.id, None)
    ended = await pages(planned.database, planned, "select release_held($1)", schedule.id)

    assert max(asked, ended) < 100


async def test_what_was_last_due_of_a_schedule_is_at_the_end_of_an_index(
    planned: Planned, schedule: Schedule, jobs: Database
):
    query = QUIET.replace("order by", "and s.id = $2 order by")

    assert await pages(jobs, planned, query, schedule.created_at, schedule.id) < 50


@pytest.mark.parametrize(("query", "facts"), [(OPEN_RUNS, (50,)), (STUCK, ())])
async def test_open_runs_are_read_from_their_own_index(jobs: Database, query: str, facts: tuple[int, ...]):
    async with jobs.open() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off")
        rows = await connection.fetch(f"explain {query}", *facts)

    assert "run_open" in "\n".join(row["QUERY PLAN"] for row in rows)


async def test_the_run_before_is_looked_for_only_where_a_task_names_it(planned: Planned, schedule: Schedule):
    plain, naming = {"prompt": "News of {{ now }}"}, {"prompt": "{{ previous.result }}"}

    async with planned.database.tenant(planned.caller.tenant_id) as connection:
        found = [await previous(connection, planned.caller, planned.task.id, each) for each in (plain, naming)]

    assert [bool(each) for each in found] == [False, True]
