"""What is examined: a line for each worker role with what waits for it, and the services that do not come up."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from tests.core.records import Records
from windlass.core.database import Database
from windlass.core.health import Finding, Grade
from windlass.core.probes import CREWS, QUEUED, Crew, services_part, worker_parts

ADD = """
insert into worker (slot, role, node, pid, started_at, seen_at)
values ($1, $2, 'n', 1, now(), now() - $3 * interval '1 second')
"""


@pytest.fixture
async def crew(database: Database) -> AsyncGenerator[Crew]:
    """A role of this test alone, for which every queued run waits."""
    role = uuid4().hex
    yield Crew(role, QUEUED, "run", "without it nothing goes on")
    async with database.open() as connection:
        await connection.execute("delete from worker where role = $1", role)


async def test_a_role_is_served_ailing_or_deserted(database: Database, jobs: Database, records: Records, crew: Crew):
    (part,) = worker_parts(jobs, [crew])
    await records.start()

    async def found(*ages: float) -> Finding:
        async with database.open() as connection:
            for age in ages:
                await connection.execute(ADD, uuid4().hex, crew.role, age)
        return await part.probe()

    nobody, dead, one, stale = await found(), await found(60), await found(0), await found(86_500)

    assert [each.grade for each in (nobody, dead, one, stale)] == [Grade.FAIL, Grade.FAIL, Grade.WARN, Grade.WARN]
    assert (nobody.figure, one.figure) == ("0 up", "1 up")
    assert nobody.detail.startswith(f"no worker serves {crew.role}; ")
    assert one.detail.startswith("1 of 2 does not answer, others do their work; ")
    assert ", the oldest for " in one.detail


async def test_a_service_that_does_not_come_up_is_counted(database: Database, jobs: Database, records: Records):
    part = services_part(jobs)
    before = await part.probe()
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute(
            "insert into service (id, tenant_id, name, project, import_path, state) "
            "values (gen_random_uuid(), $1, 'broken', '/', 'a:b', 'unhealthy')",
            records.tenant_id,
        )
    ailing = await part.probe()
    async with database.tenant(records.tenant_id) as connection:
        await connection.execute("delete from service where name = 'broken'")

    assert ailing.grade is Grade.WARN
    assert "not come up" in ailing.detail
    assert ailing.figure == before.figure


async def test_every_role_that_serves_everybody_has_its_line(jobs: Database):
    parts = worker_parts(jobs)

    assert [part.name for part in parts] == ["runs worker", "services worker"]
    assert all(" wait" in each.detail for each in [await part.probe() for part in parts])
    assert [crew.role for crew in CREWS] == ["runs", "services"]
