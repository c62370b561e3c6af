"""What was committed reaches Temporal, whoever dies in between."""

from collections.abc import AsyncGenerator

import pytest

from tests.core.records import Records, records_of
from tests.parts import Postgres, another_database
from windlass.contracts.runs import RunStatus
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.outbox import Line, Outbox
from windlass.core.runs import Run


@pytest.fixture
def outbox(jobs: Database) -> Outbox:
    return Outbox(jobs)


async def waiting(outbox: Outbox, records: Records, older_than_s: float = 0) -> list[Line]:
    """The lines of this test's tenant."""
    return [line for line in await outbox.waiting(older_than_s, 1000) if line.tenant_id == records.tenant_id]


async def test_a_line_carries_all_that_its_message_needs(outbox: Outbox, records: Records):
    run = await records.start("hi", title="Hello", timeout_s=60, max_attempts=3, backoff_s=9)
    await records.runs.cancel(records.caller, run.id, "enough")

    start, cancel = await waiting(outbox, records)

    assert (start.message, start.run_id, start.agent, start.title) == ("start", run.id, "claude", "Hello")
    assert (start.created_by, start.max_attempts, start.timeout_s, start.backoff_s) == (
        records.caller.person_id,
        3,
        60,
        9,
    )
    assert (cancel.message, cancel.cancel_reason, cancel.is_over) == ("cancel", "enough", False)


async def test_a_young_line_is_left_to_the_request_that_wrote_it(outbox: Outbox, records: Records):
    await records.start()

    assert await waiting(outbox, records, older_than_s=60) == []


async def test_a_delivered_message_is_forgotten_and_no_other(outbox: Outbox, records: Records):
    first, second = await records.start(), await records.start()
    await records.runs.cancel(records.caller, first.id)

    await outbox.delivered([(first.id, "start")])

    assert [(line.run_id, line.message) for line in await waiting(outbox, records)] == [
        (second.id, "start"),
        (first.id, "cancel"),
    ]


async def test_a_run_that_has_ended_or_is_gone_needs_no_message(database: Database, outbox: Outbox, records: Records):
    over, gone = await records.finish(await records.start()), await records.start()
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute("delete from run where id = $1", gone.id)

    assert [line.is_over for line in await waiting(outbox, records)] == [True, True]
    assert over.status is RunStatus.FINISHED


async def test_a_run_can_be_started_again(outbox: Outbox, records: Records):
    run = await records.start()
    await outbox.delivered([(run.id, "start")])

    await outbox.start_again([(records.tenant_id, run.id)])

    assert [(line.run_id, line.message) for line in await waiting(outbox, records)] == [(run.id, "start")]


async def test_open_runs_are_those_that_should_have_a_workflow_by_now(
    database: Database, outbox: Outbox, records: Records
):
    old, over, _young = await records.start(), await records.finish(await records.start()), await records.start()
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(
            "update run set created_at = now() - interval '1 minute' where id = any ($1)", [old.id, over.id]
        )

    assert [run for tenant, run in await outbox.open_runs(1000) if tenant == records.tenant_id] == [old.id]


@pytest.fixture
async def installation(postgres: Postgres) -> AsyncGenerator[tuple[Records, Outbox]]:
    """A whole database for one test: what concerns every tenant at once."""
    async with another_database(postgres, "elsewhere") as url:
        database = await Database.connect(url, max_size=2)
        jobs = await Database.connect(url, role=JOBS_ROLE, max_size=2)
        yield records_of(database, jobs), Outbox(jobs)
        await jobs.close()
        await database.close()


async def test_another_temporal_than_the_last_starts_every_open_run_again(installation: tuple[Records, Outbox]):
    records, outbox = installation
    runs: list[Run] = [await records.start(), await records.start()]
    await records.finish(runs[1])
    await outbox.delivered([(run.id, "start") for run in runs])
    assert await outbox.age_s() == 0

    first, same, other = [await outbox.meet_engine(name) for name in ("one", "one", "two")]

    assert (first, same, other) == (False, False, True)
    assert [(line.run_id, line.message) for line in await waiting(outbox, records)] == [(runs[0].id, "start")]
    assert await outbox.age_s() > 0
