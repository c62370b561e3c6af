"""Agents that are built in: their names, their forms and their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

Elements = list[dict[str, Any]]  # the form as `forms.Model.get_model()` writes it: JSON

CLAUDE = "claude"
CLAUDE_SUMMARY = "Claude"
CLAUDE_DESCRIPTION = "Ask Claude one question. The answer streams in and is kept with its usage and cost."
DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_MAX_TOKENS = 16_000
MAX_MAX_TOKENS = 128_000


def _area(name: str, label: str, *, required: bool, placeholder: str, rows: int) -> dict[str, Any]:
    """A text area as a form writes it."""
    return {
        "type": "textarea",
        "name": name,
        "label": label,
        "value": None,
        "required": required,
        "placeholder": placeholder,
        "rows": rows,
        "cols": None,
        "max_length": None,
    }


def _text(name: str, label: str, placeholder: str) -> dict[str, Any]:
    """A line of text as a form writes it; left empty it is the placeholder."""
    return {
        "type": "text",
        "name": name,
        "label": label,
        "value": None,
        "required": False,
        "placeholder": placeholder,
        "size": None,
        "pattern": None,
    }


def _number(name: str, label: str, otherwise: float, least: float, most: float) -> dict[str, Any]:
    """A number as a form writes it; left empty it is the placeholder."""
    return {
        "type": "number",
        "name": name,
        "label": label,
        "value": None,
        "required": False,
        "placeholder": str(otherwise),
        "size": None,
        "pattern": None,
        "min_value": least,
        "max_value": most,
        "step": 1 if isinstance(otherwise, int) else 0.01,
    }


CLAUDE_ELEMENTS: Elements = [
    _area("prompt", "Prompt", required=True, placeholder="What should Claude do?", rows=8),
    _area("system", "System prompt", required=False, placeholder="Who Claude should be, in a few words", rows=3),
    {
        "type": "text",
        "name": "model",
        "label": "Model",
        "value": DEFAULT_MODEL,
        "required": False,
        "placeholder": DEFAULT_MODEL,
        "size": None,
        "pattern": None,
    },
    {
        "type": "number",
        "name": "max_tokens",
        "label": "Longest answer, in tokens",
        "value": DEFAULT_MAX_TOKENS,
        "required": False,
        "placeholder": str(DEFAULT_MAX_TOKENS),
        "size": None,
        "pattern": None,
        "min_value": 1,
        "max_value": MAX_MAX_TOKENS,
        "step": 1,
    },
    {"type": "submit", "text": "Start run"},
    {"type": "cancel", "text": "Cancel"},
]

# Saved agents: a name, and who Claude should be under it.
SAVED_NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
RESERVED_NAMES = frozenset({"claude", "desktop", "new", "tags"})  # built in, or an address of its own
MAX_SYSTEM = 100_000  # characters
MOST_COST_USD = 100_000  # of anything: an agent, a session, a turn, a task of a desktop
TOOLS = ("read", "write", "edit", "list", "search", "shell", "run_agent", "ask_person", "save_artifact")

DECISIONS = ("allow", "ask", "deny")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is decided about calls of tools: which tools, and which arguments (None: any), by patterns with `*`."""

    tool: str
    decision: str
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class ServerUse:
    """An MCP server that an agent or a session may use, and which of its tools; None means all.

    `trust`: what it says of a tool is believed, that it only reads or may be called again.
    """

    server: str
    tools: tuple[str, ...] | None = None
    trust: bool = False

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "ServerUse":
        """The use of a server as JSON holds it."""
        tools = written.get("tools")
        return cls(str(written["server"]), None if tools is None else tuple(tools), written.get("trust") is True)


@dataclass(frozen=True, slots=True)
class Profile:
    """What one version of a saved agent says: who a model should be, with what, and within which limits."""

    driver: str = CLAUDE
    description: str = ""
    system: str = ""
    model: str = DEFAULT_MODEL
    max_tokens: int = DEFAULT_MAX_TOKENS
    tools: tuple[str, ...] = ()
    mcp_servers: tuple[ServerUse, ...] = ()
    policy: tuple[Rule, ...] = ()
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """A version of a saved agent: what was started with it stays with it."""

    agent_id: UUID
    version: int


SAVED_ELEMENTS: Elements = [
    _area("prompt", "Prompt", required=True, placeholder="What should it do?", rows=8),
    {"type": "submit", "text": "Start run"},
    {"type": "cancel", "text": "Cancel"},
]

DESKTOP = "desktop"
MAX_ACTIONS, MOST_ACTIONS = 100, 300
MAX_COST_USD = 5.0
DESKTOP_SUMMARY = "Desktop task"
DESKTOP_DESCRIPTION = "Run a script in a desktop, or have a model work in it. A desktop does one task at a time."
UUID_PATTERN = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

DESKTOP_ELEMENTS: Elements = [
    {
        "type": "text",
        "name": "desktop",
        "label": "Desktop",
        "value": None,
        "required": True,
        "placeholder": "The id of one of your desktops",
        "size": None,
        "pattern": UUID_PATTERN,
    },
    _area("script", "Script", required=False, placeholder="echo hello", rows=12),
    _area("prompt", "Prompt", required=False, placeholder="What should be done in the desktop?", rows=6),
    _text("model", "Model", DEFAULT_MODEL),
    _number("max_actions", "Most actions", MAX_ACTIONS, 1, MOST_ACTIONS),
    _number("max_cost_usd", "Most it may cost, in dollars", MAX_COST_USD, 0, MOST_COST_USD),
    {"type": "submit", "text": "Start"},
    {"type": "cancel", "text": "Cancel"},
]
