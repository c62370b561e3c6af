"""MCP servers: looked at, and their tools called, within limits of time and size."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

import structlog

from windlass.contracts.ids import TenantId
from windlass.contracts.servers import MAX_TEXT, Reach, ServerState, Tool, ToolAnswer, digest
from windlass.core.errors import WindlassError
from windlass.core.server_checks import KnownServer, ServerChecks

LOOK_S = 20.0
REST_S = 5.0  # between two looks at what is due, when nobody says that something is

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ServerFailed(Exception):
    """A server does not answer, or answers what no server may; `acted`: the tool may have done something by then."""

    def __init__(self, message: str, *, acted: bool = False) -> None:
        super().__init__(message)
        self.acted = acted


class Opened(Protocol):
    """A server that is connected."""

    async def tools(self) -> list[Tool]:
        """What it offers now. Raises ServerFailed."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Have a tool do its work. Raises ServerFailed."""
        ...


class Switchboard(Protocol):
    """Whatever connects to servers: over HTTP, through the pipes of a process."""

    def connected(self, reach: Reach) -> AbstractAsyncContextManager[Opened]:
        """Connect, and hang up at the end. Raises ServerFailed."""
        ...


class ServerTools:
    """Looks at servers when it is time, and calls tools; one object per worker process."""

    def __init__(self, checks: ServerChecks, switchboard: Switchboard) -> None:
        self._checks, self._switchboard = checks, switchboard
        self._bell = asyncio.Event()

    def look(self) -> None:
        """Something changed: look now instead of in a few seconds."""
        self._bell.set()

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        while True:
            self._bell.clear()
            try:
                await self.look_at_due()
            except Exception:  # a loop that dies would leave every server unchecked, unseen
                log.exception("MCP servers were not looked at")
            try:
                async with asyncio.timeout(REST_S):
                    await self._bell.wait()
            except TimeoutError:
                continue

    async def look_at_due(self) -> int:
        """Look at every server whose time has come; answers how many there were."""
        due = await self._checks.due()
        await asyncio.gather(*(self.look_at(tenant_id, server_id) for tenant_id, server_id in due))
        return len(due)

    async def look_at(self, tenant_id: TenantId, server_id: UUID) -> None:
        """Ask one server for its tools and record what came of it. The second time it is asked again."""
        try:
            server = await self._checks.claim(tenant_id, server_id)
        except WindlassError as error:
            log.warning("an MCP server was not looked at", server_id=str(server_id), reason=error.detail)
            return
        if server is None:
            return
        try:
            tools = await self._tools_of(server)
        except ServerFailed as error:
            await self._checks.lost(server, str(error))
            return
        state = await self._checks.found(server, tools)
        log.info("MCP server looked at", server=server.name, state=state, tools=len(tools))

    async def call(self, tenant_id: TenantId, server_name: str, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call a tool as it was taken; whatever goes wrong is the answer, in words for a model. Never repeated here."""
        try:
            server = await self._checks.find(tenant_id, server_name)
            if server is None:
                return ToolAnswer(f"There is no MCP server {server_name} any more.", "failed")
            refused = _refusal(server, tool)
            return refused or await self._call(server, tool, arguments)
        except WindlassError as error:
            return ToolAnswer(error.detail, "failed")

    async def _tools_of(self, server: KnownServer) -> list[Tool]:
        try:
            async with asyncio.timeout(LOOK_S), self._switchboard.connected(server.reach) as opened:
                return await opened.tools()
        except TimeoutError as error:
            raise ServerFailed(f"It did not answer within {LOOK_S:.0f} s.") from error

    async def _call(self, server: KnownServer, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        acted, limit_s = False, server.reach.timeout_s
        try:
            async with asyncio.timeout(LOOK_S) as deadline, self._switchboard.connected(server.reach) as opened:
                offered = await opened.tools()
                if digest(offered) != server.pinned:
                    await self._checks.found(server, offered)
                    return _others(server)
                acted = True
                deadline.reschedule(asyncio.get_running_loop().time() + limit_s)
                return shortened(await opened.call(tool, arguments))
        except ServerFailed as error:
            return ToolAnswer(f"{server.name}: {error}", "unknown" if acted and error.acted else "failed")
        except TimeoutError:
            if acted:
                return ToolAnswer(f"{server.name} did not answer within {limit_s} s.", "unknown")
            return ToolAnswer(f"{server.name} did not answer within {LOOK_S:.0f} s.", "failed")


def shortened(answer: ToolAnswer) -> ToolAnswer:
    """An answer that a model can read: what is too long is cut, and says so."""
    if len(answer.text) <= MAX_TEXT:
        return answer
    left_out = len(answer.text) - MAX_TEXT
    return ToolAnswer(f"{answer.text[:MAX_TEXT]}\n({left_out:,} characters more were left out.)", answer.outcome)


def _refusal(server: KnownServer, tool: str) -> ToolAnswer | None:
    """Why the tool is not called at all, if so."""
    if server.state is ServerState.CHANGED:
        return _others(server)
    names: Sequence[str] = [each.name for each in server.taken]
    if tool not in names:
        return ToolAnswer(f"{server.name} has no tool {tool}; there are: {', '.join(names) or 'none'}.", "failed")
    return None


def _others(server: KnownServer) -> ToolAnswer:
    return ToolAnswer(f"{server.name} offers other tools than were taken. A person must look at them.", "failed")
