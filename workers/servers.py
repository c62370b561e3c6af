"""MCP servers are looked at while a worker lives, and their tools are called through it."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any

from windlass.contracts.ids import TenantId
from windlass.contracts.servers import CHANGED_CHANNEL, ToolAnswer
from windlass.core.database import OUTAGES, Away
from workers.parts import Parts, beside

if TYPE_CHECKING:
    from activities.servers import ServerTools

REST_S = 5.0


def server_tools(parts: Parts) -> "ServerTools":
    """What looks at servers and calls their tools; loaded when there is a first server."""
    from activities.adapters.mcp import McpServers  # noqa: PLC0415 - 2 MiB, and most installations have no server
    from activities.servers import ServerTools  # noqa: PLC0415 - as above
    from windlass.core.outbound import Outbound  # noqa: PLC0415 - as above
    from windlass.core.server_checks import ServerChecks  # noqa: PLC0415 - as above
    from windlass.core.vault import Vault  # noqa: PLC0415 - as above

    settings = parts.settings
    vault = Vault(settings.require_secret_key())
    checks = ServerChecks(parts.database, parts.jobs, vault, settings.mcp_commands)
    return ServerTools(checks, McpServers(Outbound(settings.outbound_allow)))


class LateServers:
    """Calls tools of MCP servers; what that takes is loaded with the first call."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tools: ServerTools | None = None

    async def call(
        self, tenant_id: TenantId, server_name: str, tool: str, arguments: Mapping[str, Any], /
    ) -> ToolAnswer:
        """Have a tool do its work, once; whatever goes wrong is the answer."""
        if self._tools is None:
            self._tools = server_tools(self._parts)
        return await self._tools.call(tenant_id, server_name, tool, arguments)


def checking(parts: Parts) -> AbstractAsyncContextManager[None]:
    """Look at servers while the block runs."""
    bell = asyncio.Event()
    parts.listener.on(CHANGED_CHANNEL, lambda _id: bell.set())
    return beside(_look(parts, bell))


async def _look(parts: Parts, bell: asyncio.Event) -> None:
    while not await _has_servers(parts):
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_S):
                await bell.wait()
        bell.clear()
    tools = server_tools(parts)
    parts.listener.on(CHANGED_CHANNEL, lambda _id: tools.look())
    await tools.run()


async def _has_servers(parts: Parts) -> bool:
    """Whether anybody has one; while the database is away, nobody knows of any."""
    try:
        async with parts.jobs.open() as connection:
            return await connection.fetchval("select exists (select from mcp_server)")
    except (Away, *OUTAGES):
        return False
