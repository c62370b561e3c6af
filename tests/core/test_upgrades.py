"""An upgrade finds what is on record, also for an owner who is no superuser: policies hold for it too."""

from collections.abc import AsyncGenerator

import pytest

from tests.owner import as_owner
from tests.parts import Postgres, url_of
from windlass.contracts.ids import new_id
from windlass.core.migrations.schema import script

OWNER = """
create role plain_owner nosuperuser createrole;
grant windlass_app, windlass_jobs, windlass_identity to plain_owner with admin option;
"""  # other databases of this server have made the roles already; else this owner would
RUN = """
insert into run (id, tenant_id, agent, title, status, root_id, inputs)
values ($1, $2, 'a', 'run', 'finished', $1, '{"topic": "old times"}')
"""
SERVICE = """
insert into service (id, tenant_id, name, import_path, project)
values ($1, $2, 'a', 'a:app', 'archive:' || repeat('a', 64))
"""
FOUND = """
select (select count(*) from run_words where words @@ asked_words('old tim')), (select count(*) from service_archive),
  has_table_privilege('windlass_jobs', 'run_words', 'insert')
"""
INDEXES = """
select indexname from pg_indexes
where indexname ~ '^run_(status|of_agent)' and indexdef ~* 'include .*(created_by|cost_usd)' order by 1
"""


@pytest.fixture
async def url(postgres: Postgres) -> AsyncGenerator[str]:
    """An empty database of an owner who is no superuser."""
    async with as_owner(postgres.url) as superuser:
        await superuser.execute(OWNER)
        await superuser.execute("create database plain owner plain_owner")
        yield url_of(postgres, "plain")
        await superuser.execute("drop database plain with (force)")
        await superuser.execute("drop owned by plain_owner; drop role plain_owner")


async def test_an_upgrade_finds_the_runs_and_services_there_are_for_an_owner_without_superuser_rights(url: str):
    async with as_owner(url) as connection:
        await connection.execute("set session authorization plain_owner")
        await connection.execute(script(None, "0047"))
        await connection.execute("reset session authorization")
        for query in (RUN, SERVICE):
            await connection.execute(query, new_id(), new_id())
        await connection.execute("set session authorization plain_owner")
        async with as_owner(url) as reader, reader.transaction():
            await reader.fetch("select from run")
            await connection.execute("set lock_timeout = '10s'")
            await connection.execute(script("0047", "0050"))  # what takes long lets others read
        await connection.execute(script("0050"))
        await connection.execute("reset session authorization")

        assert [tuple(row) for row in await connection.fetch(FOUND)] == [(1, 1, False)]
        assert [row["indexname"] for row in await connection.fetch(INDEXES)] == ["run_of_agent", "run_status"]
