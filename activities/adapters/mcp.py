"""MCP servers through the `mcp` library: streamable HTTP by checked addresses, or the pipes of a listed command."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from activities.servers import ServerFailed
from windlass.contracts.servers import MAX_TOOLS_BYTES, MOST_TOOLS, Reach, Tool, ToolAnswer
from windlass.core.errors import Invalid
from windlass.core.outbound import Outbound

if TYPE_CHECKING:
    from mcp.client.client import Client
    from mcp_types import CallToolResult

PAGES = 20  # of a list of tools


class McpServers:
    """Connects to servers; the library is loaded with the first one, it costs a second and 60 MiB."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def connected(self, reach: Reach) -> "AbstractAsyncContextManager[McpServer]":
        """Connect to a server and hang up at the end. Raises ServerFailed."""
        return self._connected(reach)

    @asynccontextmanager
    async def _connected(self, reach: Reach) -> "AsyncGenerator[McpServer]":
        from mcp.client.client import Client  # noqa: PLC0415 - heavy: only processes with MCP servers pay for it

        from activities.adapters.pipes import piped  # noqa: PLC0415 - as above
        from activities.adapters.web import web  # noqa: PLC0415 - as above

        if not reach.url and not reach.command:
            raise ServerFailed("The operator does not list its command any more.")
        transport = web(reach, self._outbound) if reach.url else piped(reach.command)
        server: McpServer | None = None
        try:
            async with AsyncExitStack() as stack:
                client = Client(transport, read_timeout_seconds=reach.timeout_s)
                server = McpServer(await stack.enter_async_context(client))
                yield server
        except Exception as error:  # whatever a stranger's answer does to the library is about the stranger
            cause = first(error)
            if isinstance(cause, ServerFailed):
                raise cause from None
            raise ServerFailed(in_words(cause), acted=server is not None and server.has_acted) from error


class McpServer:
    """A server that is connected."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self.has_acted = False

    async def tools(self) -> list[Tool]:
        """What it offers now. Raises ServerFailed for a list that has no end."""
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(PAGES):
            page = await self._client.list_tools(cursor=cursor)
            found += [
                Tool(
                    each.name,
                    each.description or "",
                    each.input_schema,
                    each.annotations.model_dump(mode="json", exclude_none=True) if each.annotations else {},
                )
                for each in page.tools
            ]
            cursor = page.next_cursor
            if len(found) > MOST_TOOLS or len(json.dumps([each.input_schema for each in found])) > MAX_TOOLS_BYTES:
                raise ServerFailed(f"It offers more than {MOST_TOOLS} tools, or describes them without an end.")
            if cursor is None:
                return found
        raise ServerFailed(f"Its list of tools has more than {PAGES} pages.")

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Have a tool do its work; what it says of its own failure is an answer. Raises ServerFailed."""
        from mcp.shared.exceptions import MCPError  # noqa: PLC0415 - as above
        from mcp_types import CONNECTION_CLOSED, PARSE_ERROR, REQUEST_TIMEOUT  # noqa: PLC0415 - as above

        self.has_acted = True
        try:
            result = await self._client.call_tool(tool, dict(arguments))
        except MCPError as error:
            if error.code in (CONNECTION_CLOSED, PARSE_ERROR, REQUEST_TIMEOUT):  # the library's words, not the server's
                raise ServerFailed(error.message, acted=True) from error
            return ToolAnswer(error.message, "failed")
        return ToolAnswer(text_of(result), "failed" if result.is_error else "done")


def text_of(result: "CallToolResult") -> str:
    """An answer in words: its texts, and what else there is by its kind and size."""
    said: list[str] = []
    for block in result.content:
        text = getattr(block, "text", None)
        if text is None:
            data = getattr(block, "data", None) or ""
            text = f"({block.type}{f', {len(data) * 3 // 4:,} bytes' if data else ''})"
        said.append(str(text))
    if not said and result.structured_content is not None:
        said.append(json.dumps(result.structured_content, ensure_ascii=False))
    return "\n".join(said) or "(nothing)"


def first(error: BaseException) -> Exception:
    """The first plain error in a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error if isinstance(error, Exception) else ServerFailed(str(error))


def in_words(error: Exception) -> str:
    """What went wrong, short and without a traceback."""
    about = "; ".join(f"it {each.message}" for each in error.errors) if isinstance(error, Invalid) else ""
    return f"{error} {about}".strip()[:500] or type(error).__name__
