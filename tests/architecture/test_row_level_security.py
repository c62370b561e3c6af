"""The wall between tenants is the database's (controls B1, B2)."""

import secrets
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from tests.owner import as_owner
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.database import Connection, Database, Row
from windlass.core.identity.sign_in import add_tenant
from windlass.core.permissions import Role

OPEN = {
    "alembic_version",
    "installation",
    "worker",
    "desktop_machine",
    "maintenance",
    "health_part",
    "health_minute",
    "provider_minute",
}  # the installation's own, without people or tenants
ROLE = "windlass_app"


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[Connection]:
    async with as_owner(database_url) as connection:
        yield connection


async def tables(owner: Connection) -> dict[str, Row]:
    rows = await owner.fetch(
        "select c.relname, c.relforcerowsecurity as forced, c.relispartition as is_part, "
        "exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as has_tenant, "
        "has_table_privilege($1, c.oid, 'select') or has_any_column_privilege($1, c.oid, 'select') as readable, "
        "has_table_privilege($1, c.oid, 'update') as updatable, has_table_privilege($1, c.oid, 'delete') as deletable "
        "from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')",
        ROLE,
    )
    return {row["relname"]: row for row in rows}


async def made_tenant(database: Database) -> TenantId:
    """A tenant with an owner."""
    tenant, person = TenantId(new_id()), PersonId(new_id())
    async with database.open() as connection:
        query = "select identity_add_person($1, $2, 'A', 'x', false)"
        await connection.execute(query, person, f"{secrets.token_hex(8)}@example.org")
    await add_tenant(database, tenant, "A", person)
    return tenant


async def attempt(connection: Connection, statement: str, *args: object) -> None:
    """Run a statement that is refused, without ending the transaction around it."""
    async with connection.transaction():
        await connection.execute(statement, *args)


async def test_every_table_forces_row_level_security(owner: Connection):
    """B2: a new table cannot forget it."""
    found = await tables(owner)

    assert {name for name, row in found.items() if not row["forced"] and not row["is_part"]} <= OPEN
    assert [name for name, row in found.items() if row["has_tenant"] and not row["forced"] and not row["is_part"]] == []
    assert [name for name, row in found.items() if row["is_part"] and row["readable"]] == []
    assert [name for name in OPEN & found.keys() if found[name]["has_tenant"]] == []


async def test_a_table_that_forgot_would_be_found(owner: Connection):
    """B2: the gate can fail."""
    async with owner.transaction():
        await owner.execute("create table forgotten (tenant_id uuid)")
        found = await tables(owner)
        await owner.execute("drop table forgotten")

    assert not found["forgotten"]["forced"]


async def test_the_runtime_role_is_neither_owner_nor_above_the_policies(owner: Connection):
    """B1."""
    role = await owner.fetchrow("select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = $1", ROLE)
    owned = await owner.fetchval("select count(*) from pg_class where relowner = $1::regrole", ROLE)

    assert role is not None
    assert list(role.values()) == [False, False, False]
    assert owned == 0


async def test_without_a_tenant_no_table_shows_a_row(owner: Connection, database: Database):
    """B1: loop over the catalogue."""
    await made_tenant(database)
    readable = [name for name, row in (await tables(owner)).items() if row["readable"] and name not in OPEN]
    seen: dict[str, int] = {}
    for name in readable:
        async with database.open() as connection:
            seen[name] = await connection.fetchval(f'select count(*) from "{name}"')  # noqa: S608 - the catalogue's

    assert {"tenant", "membership", "person", "api_key", "audit", "run", "stream"} <= set(readable)
    assert {name: count for name, count in seen.items() if count} == {}


async def test_a_tenant_sees_its_own_rows_only(database: Database):
    """B1."""
    mine, theirs = await made_tenant(database), await made_tenant(database)
    async with database.tenant(mine) as connection:
        tenants = await connection.fetch("select id from tenant")
        strangers = await connection.fetchval("select count(*) from membership where tenant_id = $1", theirs)
        people = await connection.fetchval("select count(*) from person")

    assert [row["id"] for row in tenants] == [mine]
    assert (strangers, people) == (0, 1)


async def test_a_tenant_cannot_write_rows_of_another(database: Database):
    """B1."""
    mine, theirs = await made_tenant(database), await made_tenant(database)

    async with database.tenant(mine) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await attempt(connection, "insert into audit (tenant_id, action) values ($1, 'x')", theirs)


async def test_a_pooled_connection_forgets_its_tenant(database_url: str):
    """B1: the same connection reused with A, nobody, B, nobody."""
    pool = await Database.connect(database_url, max_size=1)
    first, second = await made_tenant(pool), await made_tenant(pool)
    counts: list[int] = []
    for tenant in (first, None, second, None):
        lender = pool.tenant(tenant) if tenant else pool.open()
        async with lender as connection:
            counts.append(await connection.fetchval("select count(*) from tenant"))
    await pool.close()

    assert counts == [1, 0, 1, 0]


@pytest.mark.parametrize("statement", ["update audit set action = 'x'", "delete from audit", "truncate audit"])
async def test_audit_rows_are_only_added(database: Database, statement: str):
    """L1."""
    tenant = await made_tenant(database)

    async with database.tenant(tenant) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(connection, statement)


@pytest.mark.parametrize("table", ["login_session", "refresh_token", "rate_limit"])
async def test_tables_of_sign_in_are_behind_functions(database: Database, table: str):
    """B1: the runtime role holds no grant at all."""
    async with database.open() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(connection, f"select from {table}")


async def test_password_hashes_are_not_readable(database: Database):
    tenant = await made_tenant(database)

    async with database.tenant(tenant) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(connection, "select password_hash from person")


async def test_look_ups_across_tenants_belong_to_their_own_role(owner: Connection):
    """Definer functions have a fixed search path and are not for everybody; identity's own nothing but its tables."""
    rows = await owner.fetch(
        "select p.proname, p.proowner::regrole::text as owner, p.proconfig, "
        "has_function_privilege('public', p.oid, 'execute') as everybody "
        "from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef"
    )

    assert {row["proname"] for row in rows} >= {"identity_session", "identity_key", "identity_refresh"}
    for row in rows:
        assert any(setting.startswith("search_path=") for setting in row["proconfig"]), row["proname"]
        assert not row["everybody"], row["proname"]
        if row["proname"].startswith("identity_"):
            assert row["owner"] == "windlass_identity", row["proname"]


async def test_one_owner_per_tenant(database: Database):
    tenant = await made_tenant(database)
    other = await made_tenant(database)
    async with database.tenant(other) as connection:
        person = await connection.fetchval("select id from person")

    query = "insert into membership (tenant_id, person_id, role) values ($1, $2, $3)"
    async with database.tenant(tenant) as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await attempt(connection, query, tenant, person, Role.OWNER)
