"""Hosts that a killed services worker had started and nobody had seen serve: none is left over, none takes a place."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from activities.adapters.processes import KEPT_LOGS, Logs
from stack import environment
from tests.activities.apart import kept_apart
from tests.activities.test_services import TRIVIAL, Mine, Site
from tests.activities.test_services_unwilling import began, gone, is_alive
from tests.core.records import Records
from tests.owner import eventually as until
from tests.parts import lifeline, short_folder
from windlass.core.database import Database

WAITING = f"""
import os, pathlib, time
with open("began", "a") as file:
    print(os.getpid(), file=file)
while not pathlib.Path("go").exists():
    time.sleep(0.01)
{TRIVIAL}
"""


@pytest.fixture
async def site(database: Database, records: Records) -> AsyncGenerator[Site]:
    await environment.ensure(environment.place())
    with short_folder() as folder, lifeline() as line:
        yield Site(database, records, folder, line)


async def serving(site: Site) -> list[int]:
    """Wait until somebody serves, and answer who."""

    async def is_there() -> bool:
        return await site.living() != []

    await until(is_there)
    return await site.living()


@pytest.mark.parametrize("is_there", [False, True], ids=["before it answers", "when it answers already"])
async def test_a_host_whose_worker_was_killed_meanwhile_is_ended_or_adopted(
    site: Site, database_url: str, is_there: bool
):
    await site.add(program=WAITING)
    async with kept_apart(site, database_url) as worker:
        pid = await began(site)
        worker.kill()
        await worker.wait()
    if is_there:
        await until(lambda: _goes_on(site))
    assert (is_alive(pid), await site.living()) == (True, [])

    async with site.keeping():
        if not is_there:
            await until(lambda: gone(pid))
            (site.project / "go").touch()
        (now,) = await serving(site)

    assert (now == pid, is_alive(pid)) == (is_there, is_there)
    # Who ends it and who finds it gone may be two; the end is told once, by whichever is first.
    assert await site.ends() in ([[]] if is_there else [["stopped"], ["lost"]])


async def _goes_on(site: Site) -> bool:
    (site.project / "go").touch()
    return any((site.project / "hosts").glob("*.sock"))


@pytest.mark.parametrize("change", ["update service set generation = generation + 1", "delete from service"])
async def test_a_host_left_behind_that_nobody_wants_any_more_goes(site: Site, change: str):
    await site.add()
    (service,) = await Mine(site.records).services()
    await site.records.wanted.record_start(service, boot_id := uuid4().hex, "here")
    host = await site.hosts.start(service, site.folders.python, boot_id)

    async with site.database.tenant(site.records.tenant_id) as connection:
        await connection.execute(change)
    async with site.keeping():
        await until(lambda: _is_told(site))

    assert not is_alive(host.pid)
    assert host.pid not in await site.living()


async def _is_told(site: Site) -> bool:
    return await site.ends() == ["stopped"]


async def test_the_log_of_the_host_that_serves_outlives_those_of_failed_replacements(site: Site):
    await site.add(program=f"print('I serve')\n{TRIVIAL}")
    async with site.keeping():
        await site.state("running")
        (serving,) = await asyncio.to_thread(lambda: [*site.folders.logs.iterdir()])

        logs = Logs(site.folders.logs, serving.stem[:-33])
        for _ in range(6):
            await asyncio.to_thread(logs.tidy)
            logs.fresh(uuid4().hex).close()

        kept = await asyncio.to_thread(lambda: [*site.folders.logs.iterdir()])
    assert serving in kept
    assert "I serve" in await asyncio.to_thread(serving.read_text)
    assert len(kept) == 1 + KEPT_LOGS + 1  # the living one, the last few, and the one just begun
