"""An MCP server for pipes, written without the library, which takes more than a core-second to start."""

import json
import sys
import time
from pathlib import Path
from typing import Any


def add(a: int, b: int) -> str:
    return str(a + b)


def long(characters: int) -> str:
    return "x" * characters


def note(path: str, seconds: float) -> str:
    with Path(path).open("a") as file:
        file.write("noted\n")
    time.sleep(seconds)
    return "noted"


TOOLS = {tool.__name__: tool for tool in (add, long, note)}


def answer(method: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """What there is to say; nothing: it knows no such method."""
    match method:
        case "initialize":
            about = {"name": "bare", "version": "1"}
            return {"protocolVersion": given["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
        case "tools/call":
            return {"content": [{"type": "text", "text": TOOLS[given["name"]](**given["arguments"])}]}
        case _:
            return None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        said = answer(asked["method"], asked.get("params", {}))
        ending = {"error": {"code": -32601, "message": "Method not found"}} if said is None else {"result": said}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **ending}) + "\n")
        sys.stdout.flush()
