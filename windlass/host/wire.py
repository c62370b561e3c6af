"""How hosts and drivers talk: one JSON object a line."""

import json
from collections.abc import Mapping
from typing import Any, cast

from windlass.values import plain

Message = dict[str, Any]  # JSON, its shape depends on `op`


def encode(message: Mapping[str, Any]) -> bytes:
    """One line."""
    return body(message) + b"\n"


def body(payload: Mapping[str, Any]) -> bytes:
    """JSON that any parser and the database take: no NUL, no lone surrogate, no NaN, no endless integer."""
    try:
        written = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if b"\\u0000" not in written:
            return written
    except (UnicodeEncodeError, ValueError, TypeError, RecursionError):
        pass
    return json.dumps(plain(payload), ensure_ascii=False, separators=(",", ":")).encode()


def decode(line: bytes) -> Message:
    """The object of a line; a `ValueError` when it is none."""
    message: Any = json.loads(line)
    if not isinstance(message, dict) or not isinstance(cast("Message", message).get("op"), str):
        raise ValueError("a line is a JSON object with an op")
    return cast("Message", message)
