"""MCP servers as agents and sessions use them: whether there are such, and which tools of theirs a model is offered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from windlass.contracts.agents import ServerUse
from windlass.contracts.ids import TenantId
from windlass.contracts.servers import Tool
from windlass.core.database import Connection, Database
from windlass.core.errors import FieldError, Invalid

NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
NAME_CHARACTERS = 64  # that a provider takes
TAKEN = "select name, taken from mcp_server where name = any ($1)"
KNOWN = "select name, taken, pinned from mcp_server where name = any ($1)"
READS, REPEATS = "read_only_hint", "idempotent_hint"  # as the adapter writes them down


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool of a server under the name by which models call it; what its server says of it counts where trusted."""

    name: str
    server: str
    tool: Tool
    only_reads: bool = False
    repeats: bool = False
    """Whether it may be called again when nobody knows whether it was."""


class Offers:
    """What the MCP servers of a tenant offer to its sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant_id: TenantId, uses: Sequence[ServerUse]) -> list[Offer]:
        """The tools that were taken of these servers and that may be called, always in the same order."""
        if not uses:
            return []
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(TAKEN, [use.server for use in uses])
        taken = {row["name"]: [Tool(**each) for each in row["taken"]] for row in rows}
        offers: dict[str, Offer] = {}
        for use in uses:
            for tool in taken.get(use.server, ()):
                if use.tools is None or tool.name in use.tools:
                    offer = _offer(use, tool, offers)
                    offers[offer.name] = offer
        return list(offers.values())


async def require_servers(connection: Connection, uses: Sequence[ServerUse], of: str) -> None:
    """Raises Invalid for MCP servers, and tools of theirs, that there are not; `of` is what wants to use them."""
    if not uses:
        return
    rows = await connection.fetch(KNOWN, [use.server for use in uses])
    known = {row["name"]: row for row in rows}
    errors: list[FieldError] = []
    for place, use in enumerate(uses):
        if use.server not in known:
            errors.append(FieldError(f"mcp_servers.{place}.server", f"is no MCP server: {use.server}"))
        elif known[use.server]["pinned"] is not None:
            there = {tool["name"] for tool in known[use.server]["taken"]}
            errors += [
                FieldError(f"mcp_servers.{place}.tools.{at}", f"is no tool of {use.server}: {tool}")
                for at, tool in enumerate(use.tools or ())
                if tool not in there
            ]
    if len(known) < len(uses) and not errors:
        errors.append(FieldError("mcp_servers", "names a server twice"))
    if errors:
        raise Invalid(f"The {of} cannot be used like this; nothing was saved.", tuple(errors))


def _offer(use: ServerUse, tool: Tool, others: dict[str, Offer]) -> Offer:
    """A tool under a name that a provider takes and that nothing else has."""
    plain = NOT_IN_NAMES.sub("_", f"{use.server}__{tool.name}")[:NAME_CHARACTERS]
    name, number = plain, 1
    while name in others:
        number += 1
        name = f"{plain[: NAME_CHARACTERS - 4]}_{number}"
    only_reads, repeats = (use.trust and tool.annotations.get(hint) is True for hint in (READS, REPEATS))
    return Offer(name, use.server, tool, only_reads, only_reads or repeats)
