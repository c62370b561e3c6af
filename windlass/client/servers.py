"""MCP servers as both clients offer them."""

from typing import Any

from windlass.client.calls import Call, fresh_key, given, nothing, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Json, McpServer, McpTools, Page

PATH = "/v1/mcp-servers"


def list_servers() -> Call[Page[McpServer]]:
    """The MCP servers of the organisation."""
    return Call("GET", PATH, Page[McpServer].model_validate)


def get_server(name: str) -> Call[McpServer]:
    """An MCP server and how it is."""
    return Call("GET", f"{PATH}/{segment(name)}", McpServer.model_validate)


def add_server(name: str, way: Json) -> Call[McpServer]:
    """Add an MCP server; repeated by the same key it stays one."""
    return Call("POST", PATH, McpServer.model_validate, {"name": name, **given(**way)}, key=fresh_key())


def change_server(name: str, changes: Json) -> Call[McpServer]:
    """Change an MCP server."""
    return Call("PATCH", f"{PATH}/{segment(name)}", McpServer.model_validate, changes)


def check_server(name: str) -> Call[McpServer]:
    """Have an MCP server looked at."""
    return Call("POST", f"{PATH}/{segment(name)}/check", McpServer.model_validate, key=fresh_key())


def server_tools(name: str) -> Call[McpTools]:
    """The tools of an MCP server."""
    return Call("GET", f"{PATH}/{segment(name)}/tools", McpTools.model_validate)


def take_tools(name: str, digest: str) -> Call[McpServer]:
    """Take the tools of an MCP server."""
    return Call("POST", f"{PATH}/{segment(name)}/take", McpServer.model_validate, {"digest": digest}, key=fresh_key())


def delete_server(name: str) -> Call[None]:
    """Forget an MCP server."""
    return Call("DELETE", f"{PATH}/{segment(name)}", nothing)


class McpServers:
    """Where the tools of sessions come from."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self) -> Page[McpServer]:
        """All servers."""
        return self._client.send(list_servers())

    def get(self, name: str) -> McpServer:
        """A server and how it is."""
        return self._client.send(get_server(name))

    def add(self, name: str, **way: Any) -> McpServer:
        """Add a server: `url` with `headers`, or `command`; `description`, `timeout_s`."""
        return self._client.send(add_server(name, way))

    def change(self, name: str, **changes: Any) -> McpServer:
        """Change a server; another way to it is looked at anew."""
        return self._client.send(change_server(name, changes))

    def check(self, name: str) -> McpServer:
        """Have a server looked at now."""
        return self._client.send(check_server(name))

    def tools(self, name: str) -> McpTools:
        """What a server offered when it was looked at last."""
        return self._client.send(server_tools(name))

    def take(self, name: str, digest: str) -> McpServer:
        """Take the tools with this digest: from now on they may be called."""
        return self._client.send(take_tools(name, digest))

    def delete(self, name: str) -> None:
        """Forget a server and its secrets."""
        self._client.send(delete_server(name))


class AsyncMcpServers:
    """Where the tools of sessions come from."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self) -> Page[McpServer]:
        """All servers."""
        return await self._client.send(list_servers())

    async def get(self, name: str) -> McpServer:
        """A server and how it is."""
        return await self._client.send(get_server(name))

    async def add(self, name: str, **way: Any) -> McpServer:
        """Add a server: `url` with `headers`, or `command`; `description`, `timeout_s`."""
        return await self._client.send(add_server(name, way))

    async def change(self, name: str, **changes: Any) -> McpServer:
        """Change a server; another way to it is looked at anew."""
        return await self._client.send(change_server(name, changes))

    async def check(self, name: str) -> McpServer:
        """Have a server looked at now."""
        return await self._client.send(check_server(name))

    async def tools(self, name: str) -> McpTools:
        """What a server offered when it was looked at last."""
        return await self._client.send(server_tools(name))

    async def take(self, name: str, digest: str) -> McpServer:
        """Take the tools with this digest: from now on they may be called."""
        return await self._client.send(take_tools(name, digest))

    async def delete(self, name: str) -> None:
        """Forget a server and its secrets."""
        await self._client.send(delete_server(name))
