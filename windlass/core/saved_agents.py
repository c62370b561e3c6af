"""Saved agents: who a model should be, under a name, version by version."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from windlass.contracts.agents import RESERVED_NAMES, SAVED_NAME, TOOLS, Profile, Rule, ServerUse
from windlass.contracts.ids import new_id
from windlass.contracts.sessions import Budget
from windlass.core import prices
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.prices import Tokens
from windlass.core.server_uses import require_servers


@dataclass(frozen=True, slots=True)
class SavedAgent:
    """A saved agent in one of its versions; `newest` is the one that starts now."""

    id: UUID
    name: str
    newest: int
    version: int
    profile: Profile
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    changed_by_name: str


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """Who made a version of an agent, and when."""

    version: int
    changed_by_name: str
    created_at: datetime


COLUMNS = tuple(column.name for column in fields(Profile))
PROFILE = ", ".join(f"v.{name}" for name in COLUMNS)
AGENT = f"""
select a.id, a.name, a.version as newest, v.version, a.created_by, a.created_by_name, a.created_at, a.updated_at,
  v.changed_by_name, {PROFILE}
from agent a join agent_version v on v.agent_id = a.id and v.version = coalesce($2, a.version)
where a.deleted_at is null and a.name = $1
"""  # noqa: S608 - column names are constants
ADD_VERSION = f"""
insert into agent_version (agent_id, version, tenant_id, changed_by_name, {", ".join(COLUMNS)})
values ($1, $2, $3, $4, {", ".join(f"${place}" for place in range(5, 5 + len(COLUMNS)))})
"""  # noqa: S608 - column names are constants
VERSIONS = """
select version, changed_by_name, created_at from agent_version where agent_id = $1 order by version desc limit 200
"""


class SavedAgents:
    """The saved agents of a tenant: who may build writes them, everybody reads them in the catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, caller: Caller, name: str, profile: Profile, id: UUID | None = None) -> SavedAgent:
        """Save an agent; a wish that is repeated under its `id` is one agent. Raises Invalid, Conflict."""
        check_profile(profile, name)
        agent_id = id or new_id()
        query = "insert into agent (id, tenant_id, name, created_by, created_by_name) values ($1, $2, $3, $4, $5)"
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await require_servers(connection, profile.mcp_servers, "agent")
                await connection.execute(query, agent_id, caller.tenant_id, name, caller.person_id, caller.name)
                await _add_version(connection, caller, agent_id, 1, profile)
                await record(connection, caller, "agent.create", f"agent:{name}", after=_told(profile, 1))
        except asyncpg.UniqueViolationError as error:
            return await self._again(caller, agent_id, name, error)
        return await self.get(caller, name)

    async def get(self, caller: Caller, name: str, version: int | None = None) -> SavedAgent:
        """The agent as it starts now, or as it was in a version. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await find_saved(connection, name, version)

    async def names(self, caller: Caller) -> list[str]:
        """What they are called."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch("select name from agent where deleted_at is null order by name")
        return [row["name"] for row in rows]

    async def versions(self, caller: Caller, name: str) -> list[AgentVersion]:
        """The newest 200 versions, the last one first. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            found = await find_saved(connection, name)
            rows = await connection.fetch(VERSIONS, found.id)
        return [AgentVersion(*row.values()) for row in rows]

    async def change(
        self, caller: Caller, name: str, changes: Mapping[str, Any], version: int | None = None
    ) -> SavedAgent:
        """Make a new version with these parts of the profile. Raises NotFound, Invalid, Conflict (not `version`)."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("select from agent where name = $1 and deleted_at is null for update", name)
            before = await find_saved(connection, name)
            _unchanged(before, version)
            profile = replace(before.profile, **changes)
            check_profile(profile)
            if profile.mcp_servers != before.profile.mcp_servers:
                await require_servers(connection, profile.mcp_servers, "agent")
            if profile != before.profile:
                number = before.version + 1
                await _add_version(connection, caller, before.id, number, profile)
                query = "update agent set version = $2, updated_at = clock_timestamp() where id = $1"
                await connection.execute(query, before.id, number)
                was, now = _told(before.profile, before.version), _told(profile, number)
                await record(connection, caller, "agent.change", f"agent:{name}", before=was, after=now)
            return await find_saved(connection, name)

    async def delete(self, caller: Caller, name: str) -> None:
        """Delete an agent: it never starts again; what runs, and every run on record, keeps its version."""
        query = "update agent set deleted_at = clock_timestamp() where id = $1"
        async with self._database.tenant(caller.tenant_id) as connection:
            found = await find_saved(connection, name)
            await connection.execute(query, found.id)
            was = _told(found.profile, found.version)
            await record(connection, caller, "agent.delete", f"agent:{name}", before=was)

    async def _again(self, caller: Caller, agent_id: UUID, name: str, error: Exception) -> SavedAgent:
        """The same wish again, its first answer lost; or a name that is taken."""
        try:
            found = await self.get(caller, name)
        except NotFound:
            raise Conflict(f"The agent {name} was deleted meanwhile. Save it again; nothing was saved.") from error
        if found.id != agent_id:
            raise Conflict(f"There is already an agent {name}. It was not changed.") from error
        return found


def profile_of(row: Row) -> Profile:
    """The profile in a row."""
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    values["tools"] = tuple(values["tools"])
    values["policy"] = tuple(Rule(**each) for each in values["policy"])
    values["mcp_servers"] = tuple(ServerUse.from_json(each) for each in values["mcp_servers"])
    values["budget_usd"] = None if values["budget_usd"] is None else float(values["budget_usd"])
    return Profile(**values)


async def find_saved(connection: Connection, name: str, version: int | None = None) -> SavedAgent:
    """The agent in a version, in a transaction that sees its tenant. Raises NotFound."""
    row = await connection.fetchrow(AGENT, name, version)
    if row is None:
        raise NotFound("saved agent", name if version is None else f"{name} in version {version}")
    facts: dict[str, Any] = {column.name: row[column.name] for column in fields(SavedAgent) if column.name != "profile"}
    return SavedAgent(profile=profile_of(row), **facts)


async def _add_version(connection: Connection, caller: Caller, agent_id: UUID, number: int, profile: Profile) -> None:
    facts: dict[str, Any] = {name: getattr(profile, name) for name in COLUMNS}
    for name in ("policy", "mcp_servers"):
        facts[name] = [asdict(each) for each in facts[name]]
    await connection.execute(ADD_VERSION, agent_id, number, caller.tenant_id, caller.name, *facts.values())


def tool_errors(tools: Sequence[str]) -> list[FieldError]:
    """What is wrong with the names of tools that are built in."""
    known = ", ".join(TOOLS)
    errors = [
        FieldError(f"tools.{place}", f"is no tool; there are {known}")
        for place, tool in enumerate(tools)
        if tool not in TOOLS
    ]
    return [*errors, FieldError("tools", "names a tool twice")] if len(set(tools)) < len(tools) else errors


def budget_errors(field: str, model: str, budget_usd: float | None) -> list[FieldError]:
    """What is wrong with a budget: what a model costs that nobody listed cannot be counted."""
    if budget_usd is None or prices.cost(model, Tokens(), datetime.now(UTC).date()) is not None:
        return []
    return [FieldError(field, f"cannot be kept: nobody listed a price for {model}")]


def require_price(model: str, budget_usd: float | None) -> None:
    """Raises Invalid for a session with a budget that could never be reached."""
    if wrong := budget_errors("budget_usd", model, budget_usd):
        raise Invalid("The session cannot have a budget; nothing was saved.", tuple(wrong))


def require_budget(budget: Budget | None, model: str, cost_usd: float) -> None:
    """Raises Conflict for a budget below what a session has cost, Invalid for one that could never be reached."""
    if budget is None or budget.usd is None:
        return
    if budget.usd < cost_usd:
        raise Conflict(f"The session has cost ${cost_usd:.2f} already. Its budget was not changed.")
    require_price(model, budget.usd)


def check_profile(profile: Profile, name: str | None = None) -> None:
    """Raises Invalid by field for what could never start."""
    errors = [*_name_errors(name), *tool_errors(profile.tools)]
    errors += budget_errors("budget", profile.model, profile.budget_usd)
    if errors:
        raise Invalid("The agent cannot be used like this; nothing was saved.", tuple(errors))


def _name_errors(name: str | None) -> list[FieldError]:
    if name is None:
        return []
    if not re.fullmatch(SAVED_NAME, name):
        return [FieldError("name", "must be lower-case letters, digits, - or _, at most 63")]
    return [FieldError("name", f"cannot be {name}, which means something else here")] if name in RESERVED_NAMES else []


def _told(profile: Profile, version: int) -> dict[str, Any]:
    """What the audit log says of a profile."""
    return {"version": version, "model": profile.model, "tools": list(profile.tools), "budget_usd": profile.budget_usd}


def _unchanged(agent: SavedAgent, version: int | None) -> None:
    if version is not None and agent.version != version:
        changed = f"Meanwhile {agent.changed_by_name} made version {agent.version}; yours was made from {version}."
        raise Conflict(f"{changed} Look at it and change again; nothing was saved.")
