"""MCP servers: how one is reached, what it offers, and what a call of a tool came to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CHANGED_CHANNEL = "mcp_servers"  # tells workers to look
SERVER_NAME = r"[a-z0-9][a-z0-9-]{0,31}"
TOOL_NAME = r"[A-Za-z0-9_.\-]{1,128}"
MOST_TOOLS = 500
MAX_TOOLS_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_TEXT = 100_000  # characters of an answer that are kept


class ServerState(StrEnum):
    """How a server is: nobody looked yet, it answers, it offers other tools than were taken, it does not answer."""

    UNCHECKED = "unchecked"
    UP = "up"
    CHANGED = "changed"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server describes it."""

    name: str
    description: str = ""
    input_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Reach:
    """How a server is reached: an address with headers, or a command; one of the two."""

    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    command: tuple[str, ...] = ()
    timeout_s: int = 60


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a call came to, in words; `is_error`: the tool, or the way to it, failed. `outcome` says how sure that is.

    `done`: it answered. `failed`: it was not called, or said that it failed. `unknown`: it may have acted.
    """

    text: str
    outcome: str = "done"

    @property
    def is_error(self) -> bool:
        """Whether it is no success."""
        return self.outcome != "done"


def digest(tools: Sequence[Tool]) -> str:
    """The hash of what tools say of themselves; another word in one of them is another hash."""
    said = sorted((t.name, t.description, dict(t.input_schema), dict(t.annotations)) for t in unique(tools))
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def unique(tools: Sequence[Tool]) -> list[Tool]:
    """The tools by name; of two with one name the first."""
    by_name: dict[str, Tool] = {}
    for tool in tools:
        by_name.setdefault(tool.name, tool)
    return list(by_name.values())
