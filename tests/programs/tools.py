"""An MCP server as somebody else may have written it: `python tools.py stdio|http PORT [words]`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations

WORDS = sys.argv[3] if len(sys.argv) > 3 else "Add two numbers."
server = MCPServer("tools")


@server.tool(description=WORDS, annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Never work."""
    raise ValueError("the disk is full")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def long(characters: int) -> str:
    """Say a lot."""
    return "x" * characters


@server.tool()
async def note(path: str, seconds: float) -> str:
    """Write to a file, then take a while."""
    with Path(path).open("a") as file:  # noqa: ASYNC230 - a program of a test
        file.write("noted\n")
    await asyncio.sleep(seconds)
    return "noted"


@server.tool()
def header(name: str, context: Context[Any]) -> str:
    """What the caller sent in a header."""
    request: Any = context.request_context.request
    return str(request.headers.get(name))


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
