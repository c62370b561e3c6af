"""Tenants: make one, name it, end it, and see them all as the operator of the platform."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from windlass.contracts.ids import TenantId, new_id
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database
from windlass.core.errors import Conflict, NotFound
from windlass.core.identity import Authentication, TenantOfPerson
from windlass.core.identity.sign_in import add_tenant, tenants_of
from windlass.core.live_runs import LIVE_STATUSES
from windlass.core.permissions import Permission

LIVE_RUNS = f"select count(*) from run where status in {LIVE_STATUSES}"  # noqa: S608 - constants

END_SCHEDULES = """
update schedule set deleted_at = now(), revision = revision + 1, updated_at = now() where deleted_at is null
"""


@dataclass(frozen=True, slots=True)
class TenantSummary:
    """A tenant as the operator of the platform sees it: its size, not its content."""

    id: TenantId
    name: str
    created_at: datetime
    deleted_at: datetime | None
    members: int


class Tenants:
    """The organisations of an installation."""

    def __init__(self, database: Database, authentication: Authentication) -> None:
        self._database = database
        self._authentication = authentication

    async def mine(self, caller: Caller) -> Sequence[TenantOfPerson]:
        """The tenants the caller may enter, the one used last first."""
        return await tenants_of(self._database, caller.person_id)

    async def get(self, caller: Caller, tenant_id: UUID) -> TenantOfPerson:
        """One of the caller's tenants. Raises NotFound."""
        for tenant in await self.mine(caller):
            if tenant.id == tenant_id:
                return tenant
        raise NotFound("tenant", tenant_id)

    async def create(self, caller: Caller, name: str) -> TenantOfPerson:
        """Make a tenant that the caller owns."""
        tenant_id = TenantId(new_id())
        await add_tenant(self._database, tenant_id, name, caller.person_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await record(connection, caller, "tenant.create", f"tenant:{tenant_id}", after={"name": name})
        return await self.get(caller, tenant_id)

    async def rename(self, caller: Caller, tenant_id: UUID, name: str) -> TenantOfPerson:
        """Give the tenant of this session another name. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await _own(connection, caller, tenant_id)
            await connection.execute("update tenant set name = $2 where id = $1", tenant_id, name)
            facts = {"before": {"name": before}, "after": {"name": name}}
            await record(connection, caller, "tenant.rename", f"tenant:{tenant_id}", **facts)
        self._authentication.forget()
        return await self.get(caller, tenant_id)

    async def delete(self, caller: Caller, tenant_id: UUID) -> None:
        """End the tenant of this session: nobody enters it any more. Raises NotFound, Conflict (live runs)."""
        async with self._database.tenant(caller.tenant_id) as connection:
            name = await _own(connection, caller, tenant_id)
            live = await connection.fetchval(LIVE_RUNS)
            if live:
                raise Conflict(
                    f"{live} {'run is' if live == 1 else 'runs are'} live. Cancel first; nothing was deleted."
                )
            await connection.execute("update service set enabled = false, updated_at = now()")  # their hosts end
            await connection.execute("update tenant set deleted_at = now() where id = $1", tenant_id)
            await connection.execute(END_SCHEDULES)
            await record(connection, caller, "tenant.delete", f"tenant:{tenant_id}", before={"name": name})
        self._authentication.forget()

    async def everywhere(
        self, caller: Caller, *, limit: int = 50, after: UUID | None = None
    ) -> Sequence[TenantSummary]:
        """Every tenant of the installation, the newest first, for the operator of the platform. Raises Forbidden."""
        caller.require(Permission.PLATFORM_READ)
        async with self._database.open() as connection:
            rows = await connection.fetch("select * from identity_all_tenants($1, $2)", after, limit)
        return [TenantSummary(*row.values()) for row in rows]


async def _own(connection: Connection, caller: Caller, tenant_id: UUID) -> str:
    """The name of the tenant, if it is the one this session works in."""
    name = await connection.fetchval("select name from tenant where id = $1 and deleted_at is null", tenant_id)
    if tenant_id != caller.tenant_id or name is None:
        raise NotFound("tenant", tenant_id)
    return str(name)
