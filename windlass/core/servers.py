"""MCP servers as the people of a tenant see them: where tools come from, and which of them were taken."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from windlass.contracts.ids import TenantId, new_id
from windlass.contracts.servers import CHANGED_CHANNEL, SERVER_NAME, ServerState, Tool
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.outbound import Outbound
from windlass.core.vault import Vault
from windlass.core.wakeup import Wakeup

MOST_HEADERS = 20
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER_TEXT = re.compile(r"[\x20-\x7e]{1,8000}")
NOT_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept", "content-type", "upgrade"})


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is reached: an address with headers, or a command that the operator listed; one of the two."""

    url: str | None = None
    command: str | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    """Secrets; None leaves them as they are."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """The wish for a server; `id`: a wish that is repeated under it is one server."""

    name: str
    way: Way
    description: str = ""
    timeout_s: int = 60
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """One server as it stands: `tools` are those it offered last, `taken` those that may be called."""

    id: UUID
    name: str
    description: str
    url: str | None
    command: str | None
    header_names: tuple[str, ...]
    timeout_s: int
    state: ServerState
    reason: str
    tools: tuple[Tool, ...]
    digest: str | None
    taken: tuple[Tool, ...]
    pinned: str | None
    pinned_at: datetime | None
    pinned_by_name: str
    checked_at: datetime | None
    version: int
    created_by_name: str
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(column.name for column in fields(Server))
QUERY = f"select {COLUMNS} from mcp_server where $1::text is null or name = $1 order by name"  # noqa: S608 - constants
ADD = """
insert into mcp_server
  (id, tenant_id, name, description, url, command, headers, header_names, timeout_s, created_by, created_by_name)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
CHANGE = """
update mcp_server set description = $2, timeout_s = $3, updated_at = clock_timestamp() where id = $1
"""
REACH = """
update mcp_server set url = $2, command = $3, headers = $4, header_names = $5, state = 'unchecked', reason = '',
  version = version + 1, check_at = clock_timestamp(), updated_at = clock_timestamp() where id = $1
"""
TAKE = """
update mcp_server set taken = tools, pinned = digest, pinned_at = clock_timestamp(), pinned_by_name = $2,
  state = case state when 'changed' then 'up' else state end where id = $1
"""
AGAIN = "update mcp_server set check_at = clock_timestamp() where name = $1 returning id"


class Servers:
    """The MCP servers of a tenant; workers look at each, and say how it is and what it offers."""

    def __init__(
        self,
        database: Database,
        wakeup: Wakeup,
        vault: Vault,
        outbound: Outbound,
        commands: Mapping[str, Sequence[str]],
    ) -> None:
        self._database, self._wakeup = database, wakeup
        self._vault, self._outbound = vault, outbound
        self._commands = commands

    @property
    def commands(self) -> Sequence[str]:
        """The names of the commands that the operator listed."""
        return sorted(self._commands)

    async def create(self, caller: Caller, wish: NewServer) -> Server:
        """Record a server; a worker looks at it within a second. Raises Invalid, Conflict."""
        if re.fullmatch(SERVER_NAME, wish.name) is None:
            rule = "must be lower-case letters, digits and -, at most 32"
            raise Invalid(f"{wish.name!r} cannot name a server; nothing was added.", (FieldError("name", rule),))
        await self._check(wish.way)
        server_id, headers = wish.id or new_id(), dict(wish.way.headers or {})
        sealed = self._vault.seal(caller.tenant_id, place(server_id), headers) if headers else None
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await connection.execute(
                    ADD, server_id, caller.tenant_id, wish.name, wish.description, wish.way.url, wish.way.command,
                    sealed, sorted(headers), wish.timeout_s, caller.person_id, caller.name,
                )  # fmt: skip
                await record(connection, caller, "mcp_server.add", f"mcp_server:{wish.name}", after=_told(wish.way))
        except asyncpg.UniqueViolationError as error:
            return await self._again(caller, wish.name, server_id, error)
        self._wakeup.send(CHANGED_CHANNEL, str(server_id))
        return await self.get(caller, wish.name)

    async def catalogue(self, caller: Caller) -> list[Server]:
        """All servers by name."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [_server(row) for row in await connection.fetch(QUERY, None)]

    async def get(self, caller: Caller, name: str) -> Server:
        """The server of that name. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _find(connection, name)

    async def change(
        self, caller: Caller, name: str, way: Way | None, description: str | None = None, timeout_s: int | None = None
    ) -> Server:
        """Change what is given; another way to it is looked at anew, and taken tools stay taken. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await _find(connection, name)
        if way is not None:
            way = replace(way, headers=_kept(before, way))
            await self._check(way)
        async with self._database.tenant(caller.tenant_id) as connection:
            text = before.description if description is None else description
            await connection.execute(CHANGE, before.id, text, timeout_s or before.timeout_s)
            if way is not None:
                await self._redirect(connection, caller.tenant_id, before, way)
            was = _told(Way(before.url, before.command))
            after = _told(way or Way(before.url, before.command))
            await record(connection, caller, "mcp_server.change", f"mcp_server:{name}", before=was, after=after)
        self._wakeup.send(CHANGED_CHANNEL, str(before.id))
        return await self.get(caller, name)

    async def look_again(self, caller: Caller, name: str) -> Server:
        """Have a worker look at it now. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            if await connection.fetchval(AGAIN, name) is None:
                raise NotFound("MCP server", name)
        self._wakeup.send(CHANGED_CHANNEL, name)
        return await self.get(caller, name)

    async def take(self, caller: Caller, name: str, seen: str) -> Server:
        """Take the tools with this digest, as they are: from now on they may be called. Raises NotFound, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("select from mcp_server where name = $1 for update", name)
            server = await _find(connection, name)
            if server.digest is None or server.digest != seen:
                raise Conflict("The server offers other tools than you saw. Look at them again; nothing was taken.")
            await connection.execute(TAKE, server.id, caller.name)
            was, now = {"pinned": server.pinned}, {"pinned": seen, "tools": [tool.name for tool in server.tools]}
            await record(connection, caller, "mcp_server.take", f"mcp_server:{name}", before=was, after=now)
        return await self.get(caller, name)

    async def delete(self, caller: Caller, name: str) -> None:
        """Forget a server and its secrets; whoever uses it finds it gone. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            server = await _find(connection, name)
            await connection.execute("delete from mcp_server where id = $1", server.id)
            was = _told(Way(server.url, server.command))
            await record(connection, caller, "mcp_server.delete", f"mcp_server:{name}", before=was)

    async def _check(self, way: Way) -> None:
        """Raises Invalid for a way that leads nowhere, or where nobody may go."""
        if (way.url is None) is (way.command is None):
            raise Invalid("A server has an address or a command. Give one of the two; nothing was saved.")
        if way.command is not None and way.command not in self._commands:
            known = ", ".join(self.commands) or "none"
            message = f"is no command that the operator listed; there are: {known}"
            raise Invalid("The command cannot be used; nothing was saved.", (FieldError("command", message),))
        if way.command is not None and way.headers:
            message = "belong to an address; a command has none"
            raise Invalid("The headers cannot be used; nothing was saved.", (FieldError("headers", message),))
        if way.url is not None:
            _check_headers(way.headers or {})
            await self._outbound.check_now(way.url)

    async def _redirect(self, connection: Connection, tenant_id: TenantId, before: Server, way: Way) -> None:
        """Write another way to a server; headers that were not given stay sealed as they are."""
        if way.headers is None:
            sealed = await connection.fetchval("select headers from mcp_server where id = $1", before.id)
            names = list(before.header_names)
        else:
            sealed = self._vault.seal(tenant_id, place(before.id), way.headers) if way.headers else None
            names = sorted(way.headers)
        await connection.execute(REACH, before.id, way.url, way.command, sealed, names)

    async def _again(self, caller: Caller, name: str, server_id: UUID, error: Exception) -> Server:
        """The same wish again, its first answer lost; or a name that is taken."""
        found = await self.get(caller, name)
        if found.id != server_id:
            raise Conflict(f"There is already an MCP server {name}. It was not changed.") from error
        return found


def place(server_id: UUID) -> str:
    """What the headers of a server are sealed for."""
    return f"mcp_server/{server_id}/headers"


def tool_of(written: Mapping[str, Any]) -> Tool:
    """A tool as JSON holds it."""
    return Tool(**{column.name: written[column.name] for column in fields(Tool)})


def written(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools as JSON."""
    return [asdict(tool) for tool in tools]


def _kept(before: Server, way: Way) -> Mapping[str, str] | None:
    """The headers of another way: secrets do not follow to an address that somebody else may own."""
    if way.headers is None and (way.url != before.url or way.command is not None):
        return {}
    return way.headers


def _check_headers(headers: Mapping[str, str]) -> None:
    errors = [
        FieldError(f"headers.{name}"[:120], "is no header that may be sent")
        for name, text in headers.items()
        if not HEADER_NAME.fullmatch(name)
        or not HEADER_TEXT.fullmatch(text)
        or name.lower() in NOT_OURS
        or name.lower().startswith("mcp-")
    ]
    if len(headers) > MOST_HEADERS:
        errors.append(FieldError("headers", f"are more than {MOST_HEADERS}"))
    if errors:
        raise Invalid("The headers cannot be used; nothing was saved.", tuple(errors))


def _told(way: Way) -> dict[str, Any]:
    """What the audit log says of a way: never a secret."""
    return {"url": way.url, "command": way.command, "headers": sorted(way.headers or {})}


async def _find(connection: Connection, name: str) -> Server:
    row = await connection.fetchrow(QUERY, name)
    if row is None:
        raise NotFound("MCP server", name)
    return _server(row)


def _server(row: Row) -> Server:
    values: dict[str, Any] = {column.name: row[column.name] for column in fields(Server)}
    values |= {"state": ServerState(row["state"]), "header_names": tuple(row["header_names"])}
    values |= {name: tuple(tool_of(each) for each in row[name]) for name in ("tools", "taken")}
    return Server(**values)
