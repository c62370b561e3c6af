"""MCP servers as workers see them: which one to look at, how it is reached, and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.contracts.servers import Reach, ServerState, Tool, digest
from windlass.core.database import Database, Row
from windlass.core.servers import place, tool_of, written
from windlass.core.vault import Vault

LEASE = timedelta(minutes=2)  # by then a check is over, or the worker that made it is gone
AFTER_SUCCESS, AFTER_FAILURE = timedelta(minutes=15), timedelta(minutes=2)

DUE = "select tenant_id, id from mcp_server where check_at <= clock_timestamp() order by check_at limit 20"
FACTS = "id, name, url, command, headers, timeout_s, state, taken, pinned, version"
CLAIM = f"""
update mcp_server set check_at = clock_timestamp() + $2 where id = $1 and check_at <= clock_timestamp()
returning {FACTS}
"""  # noqa: S608 - column names are constants
FIND = f"select {FACTS} from mcp_server where name = $1"  # noqa: S608 - column names are constants
# The first tools that are seen are taken: whoever added the server wanted them. Any others wait for somebody.
FOUND = """
update mcp_server set checked_at = clock_timestamp(), check_at = clock_timestamp() + $5, reason = '',
  tools = $3, digest = $4,
  taken = case when pinned is null then $3 else taken end, pinned = coalesce(pinned, $4),
  pinned_at = coalesce(pinned_at, clock_timestamp()),
  pinned_by_name = case when pinned is null then created_by_name else pinned_by_name end,
  state = case when coalesce(pinned, $4) = $4 then 'up' else 'changed' end
where id = $1 and version = $2 returning state
"""
LOST = """
update mcp_server set checked_at = clock_timestamp(), check_at = clock_timestamp() + $4, state = 'down', reason = $3
where id = $1 and version = $2
"""


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server, how it is reached, and which of its tools may be called."""

    tenant_id: TenantId
    id: UUID
    name: str
    reach: Reach
    state: ServerState
    taken: tuple[Tool, ...]
    pinned: str | None
    version: int


class ServerChecks:
    """The servers of all tenants; every call is repeatable."""

    def __init__(self, database: Database, jobs: Database, vault: Vault, commands: Mapping[str, Sequence[str]]) -> None:
        self._database, self._jobs = database, jobs
        self._vault = vault
        self._commands = commands

    async def due(self) -> list[tuple[TenantId, UUID]]:
        """The servers that should be looked at now."""
        async with self._jobs.open() as connection:
            return [(TenantId(row["tenant_id"]), row["id"]) for row in await connection.fetch(DUE)]

    async def claim(self, tenant_id: TenantId, server_id: UUID) -> KnownServer | None:
        """Take the look upon oneself; None: somebody else has it. A worker that dies with it is followed by another."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(CLAIM, server_id, LEASE)
        return None if row is None else self._known(tenant_id, row)

    async def find(self, tenant_id: TenantId, name: str) -> KnownServer | None:
        """The server of that name, as a call needs it."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(FIND, name)
        return None if row is None else self._known(tenant_id, row)

    async def found(self, server: KnownServer, tools: Sequence[Tool]) -> ServerState | None:
        """It offers these tools; answers how it is now. None: it was changed meanwhile, and is looked at again."""
        args = (server.id, server.version, written(tools), digest(tools), AFTER_SUCCESS)
        async with self._database.tenant(server.tenant_id) as connection:
            state = await connection.fetchval(FOUND, *args)
        return None if state is None else ServerState(state)

    async def lost(self, server: KnownServer, reason: str) -> None:
        """It does not answer, and why."""
        async with self._database.tenant(server.tenant_id) as connection:
            await connection.execute(LOST, server.id, server.version, reason[:1000], AFTER_FAILURE)

    def _known(self, tenant_id: TenantId, row: Row) -> KnownServer:
        sealed = row["headers"]
        headers = self._vault.open(tenant_id, place(row["id"]), sealed) if sealed else {}
        command = tuple(self._commands.get(row["command"], ())) if row["command"] else ()
        reach = Reach(row["url"], headers, command, row["timeout_s"])
        taken, state = tuple(tool_of(each) for each in row["taken"]), ServerState(row["state"])
        return KnownServer(tenant_id, row["id"], row["name"], reach, state, taken, row["pinned"], row["version"])
