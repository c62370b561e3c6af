"""Passages: a request of somebody's, carried to the routes of a service's program over the socket of its host.

After the line that asks for one, a connection carries nothing else. Both sides say the messages of ASGI: a line of JSON
with `type` and `size`, and then so many bytes, which are the body of the message. Before it has the program called, the
host says `taken`: a request that was cut off before that was not begun, and may go to another host.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

HTTP, WEBSOCKET = "http", "websocket"
LONGEST_LINE = 256 * 1024
PIECE_BYTES = 64 * 1024  # of a body, at a time
LARGEST_BODY = 1024 * 1024  # of one message: of a WebSocket too
TAKEN = "taken"
OVER = "over"  # the program has answered; `error` says that it failed

Said = dict[str, Any]


def packed(message: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message with its body."""
    return json.dumps({**message, "size": len(body)}, separators=(",", ":")).encode() + b"\n" + body


def unpacked(line: bytes) -> Said:
    """A message without its body, whose `size` is within bounds. Raises ValueError."""
    said: Any = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("a message is a JSON object")
    message = cast("Said", said)
    size = message.get("size")
    if not isinstance(message.get("type"), str) or not isinstance(size, int) or not 0 <= size <= LARGEST_BODY:
        raise ValueError("a message has a type and a size")
    return message
