"""The shared parts other tests stand on."""

from temporalio.client import Client

from stack.attributes import create
from stack.temporal import ATTRIBUTES, Server
from tests.blueprints import BLUEPRINT
from tests.owner import as_owner
from tests.parts import Postgres, another_database, url_of
from windlass.core.database import Database
from windlass.core.migrations import newest
from windlass.core.migrations.schema import current


async def test_the_pool_acts_as_the_application_role(database: Database):
    async with database.open() as connection:
        assert await connection.fetchval("select current_user") == "windlass_app"


async def test_the_migrated_schema_is_the_newest(database_url: str):
    assert await current(database_url) == newest()


async def named(url: str) -> str:
    """How an installation calls itself."""
    async with as_owner(url) as owner:
        return str(await owner.fetchval("select value from installation where key = 'id'"))


async def test_databases_made_from_one_blueprint_are_of_different_installations(postgres: Postgres):
    async with another_database(postgres, "another") as url:
        names = {await named(each) for each in (url_of(postgres, BLUEPRINT), postgres.url, url)}

    assert len(names) == 3


async def test_temporal_has_the_search_attributes_from_its_start(temporal: Server):
    client = await Client.connect(temporal.address)

    assert await create(client) == []


async def test_a_namespace_that_is_missing_is_made_with_its_search_attributes(temporal: Server):
    client = await Client.connect(temporal.address, namespace="made-by-a-test")

    assert set(await create(client)) == set(ATTRIBUTES)
    assert await create(client) == []
