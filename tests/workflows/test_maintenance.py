"""System schedules on a real Temporal server: nothing removes them, and a killed worker's work goes on."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from temporalio.client import ScheduleHandle
from temporalio.service import RPCError

from stack.forks import Forks
from stack.temporal import Server
from tests.core.records import somebody
from tests.owner import as_owner
from tests.parts import Postgres, another_database, short_folder
from tests.workflows.apart import Apart
from tests.workflows.engines import Engine, running_engine, settings_of, until
from windlass.core.callers import Caller
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.maintenance import SYSTEM, Maintenance, Report
from windlass.core.permissions import OPERATOR_OF_PLATFORM
from workers.maintenance import SystemSchedules, schedule_name

MANY = 1500
DELETED = """
with made as (
  insert into run (id, tenant_id, agent, title, root_id, status, archived_at)
  select id, $1, 'a', 'a secret', id, 'finished', now() - interval '31 days'
  from (select gen_random_uuid() as id from generate_series(1, $2)) fresh returning id)
insert into stream (id, tenant_id, kind) select id, $1, 'run' from made
"""


@pytest.fixture(scope="module")
async def database_url(postgres: Postgres) -> AsyncGenerator[str]:
    async with another_database(postgres, "upkeep") as url:
        yield url


@pytest.fixture(scope="module")
async def served(forks: Forks, database_url: str, temporal: Server) -> AsyncGenerator[tuple[Engine, Apart]]:
    """A worker in a process of its own; afterwards no other test is maintained."""
    with short_folder() as folder:
        settings = settings_of(folder, database_url, temporal)
        worker = Apart(forks, settings, "runs")
        async with worker.running(), running_engine(settings, works=False) as engine:
            yield engine, worker
            await worker.kill()
            for each in SYSTEM:
                await handle(engine, each.name).delete()


@pytest.fixture
async def reports(database_url: str) -> AsyncGenerator[Maintenance]:
    jobs = await Database.connect(database_url, role=JOBS_ROLE, max_size=1)
    yield Maintenance(jobs, "UTC")
    await jobs.close()


@pytest.fixture
def operator() -> Caller:
    return replace(somebody(), permissions=OPERATOR_OF_PLATFORM)


def handle(engine: Engine, name: str) -> ScheduleHandle:
    return engine.client.get_schedule_handle(schedule_name(next(each for each in SYSTEM if each.name == name)))


async def kept(engine: Engine) -> Sequence[str]:
    """The system schedules that Temporal has, and that are not paused."""
    found: list[str] = []
    for each in SYSTEM:
        try:
            described = await handle(engine, each.name).describe()
        except RPCError:
            continue
        if not described.schedule.state.paused:
            found.append(each.name)
    return found


async def test_a_worker_that_starts_writes_them_and_the_first_comparison_is_reported(
    served: tuple[Engine, Apart], reports: Maintenance, operator: Caller
):
    engine, _ = served

    async def is_reported() -> bool:
        found = await reports.reports(operator, "reconciliation")
        return any(each.ended_at for each in found)

    await until(is_reported)
    assert await kept(engine) == [each.name for each in SYSTEM]


async def test_what_was_deleted_or_paused_in_temporal_comes_back(served: tuple[Engine, Apart]):
    engine, _ = served
    keeper = SystemSchedules(engine.client, "Europe/Berlin")
    await keeper.keep()
    await handle(engine, "cleanup").delete()
    await handle(engine, "retention").pause()

    async def are_back() -> bool:
        await keeper.keep()
        return await kept(engine) == [each.name for each in SYSTEM]

    await until(are_back)
    described = await handle(engine, "cleanup").describe()
    assert described.schedule.spec.time_zone_name == "Europe/Berlin"


async def test_what_a_killed_worker_had_begun_is_gone_on_with_and_counted_once(
    served: tuple[Engine, Apart], reports: Maintenance, operator: Caller, database_url: str
):
    engine, worker = served
    async with as_owner(database_url) as owner:
        await owner.execute(DELETED, UUID(str(engine.caller.tenant_id)), MANY)

    async def look() -> Report | None:
        return next(iter(await reports.reports(operator, "retention")), None)

    async def has_begun() -> bool:
        report = await look()
        return report is not None and report.counts.get("runs", 0) > 0

    async def is_done() -> bool:
        report = await look()
        return report is not None and report.ended_at is not None

    await handle(engine, "retention").trigger()
    await until(has_begun)
    await worker.kill()
    await worker.start()
    await until(is_done)

    report = await look()
    assert report is not None
    assert report.counts == {"runs": MANY}
