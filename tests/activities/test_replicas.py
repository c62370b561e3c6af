"""Several hosts of a service: added, adopted, told apart and taken away one by one."""

from collections.abc import AsyncGenerator

import pytest

from stack import environment
from tests.activities.test_services import TRIVIAL, Site
from tests.core.records import Records
from tests.owner import eventually as until
from tests.parts import lifeline, short_folder
from windlass.core.database import Database
from windlass.core.services import Replica, ServiceChange

ONE_BY_ONE = f"""
import os, time
open("starting", "x").close()
time.sleep(0.5)
{TRIVIAL}
os.remove("starting")
"""
ALONE = TRIVIAL.replace("app = ServeAPI()", "app = ServeAPI()\nopen(__file__ + '.lock', 'x')")


@pytest.fixture
async def site(database: Database, records: Records) -> AsyncGenerator[Site]:
    await environment.ensure(environment.place())
    with short_folder() as folder, lifeline() as line:
        yield Site(database, records, folder, line)


async def scale(site: Site, replicas: int) -> tuple[Replica, ...]:
    """Want another number, and wait until it is there."""
    records = site.records
    await records.services.change(records.caller, "texts", ServiceChange(replicas=replicas))

    async def is_so() -> bool:
        service = await records.services.get(records.caller, "texts")
        return service.up == len(service.hosts) == len(await site.living()) == replicas

    await until(is_so)
    return (await records.services.get(records.caller, "texts")).hosts


async def forget(site: Site) -> None:
    """Have the record say of no replica that it serves, until its keeper says so again."""
    async with site.database.tenant(site.records.tenant_id) as connection:
        await connection.execute("update replica set state = 'deploying'")


async def test_replicas_come_up_one_by_one_are_adopted_and_taken_away_while_the_others_stay(site: Site):
    await site.add(program=ONE_BY_ONE, replicas=2)
    async with site.keeping():
        first, second = await scale(site, 2)
    await forget(site)

    async with site.keeping():
        adopted = await scale(site, 2)
        (last,) = await scale(site, 1)

    assert [host.pid for host in adopted] == [first.pid, second.pid]
    assert (last.pid, last.state, last.reason) == (first.pid, "running", None)
    assert await site.ends() == ["stopped"]


async def test_a_replica_that_does_not_come_up_is_told_of_and_the_service_runs(site: Site):
    await site.add(program=ALONE, replicas=2)

    async def is_told() -> bool:
        told = await site.state("running")
        return "of 2: " in told and "It ended" in told  # from the third try on these words stand between

    async with site.keeping():
        await until(is_told)

    service = await site.records.services.get(site.records.caller, "texts")
    assert sorted(host.state for host in service.hosts) == ["running", "unhealthy"]
    assert service.up == len(await site.living()) == 1
