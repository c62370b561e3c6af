"""Typed values as the log holds them (`{"str": …}`, `{"Markdown": {"body": …}}`), made plain."""

import json
from typing import Any, cast

PLAIN_KINDS = ("dict", "str", "int", "float", "bool", "NoneType", "__list__")
TEXT_KINDS = ("Markdown", "HTML", "Text")


def as_object(content: Any) -> dict[str, Any]:
    """The content when it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def plain(payload: Any) -> Any:
    """A typed value without its type, also inside lists; what is not typed stays as it is."""
    typed = as_object(payload)
    if len(typed) != 1:
        return payload
    kind, content = next(iter(typed.items()))
    if kind in TEXT_KINDS and "body" in as_object(content):
        return as_object(content)["body"]
    if kind == "__list__" and isinstance(content, list):
        return [plain(item) for item in cast("list[Any]", content)]
    return content if kind in PLAIN_KINDS else payload


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)
