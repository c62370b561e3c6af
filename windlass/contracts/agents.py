"""Agents that are built in: their names, their forms and their defaults."""

from typing import Any

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

DESKTOP = "desktop"
DESKTOP_SUMMARY = "Desktop task"
DESKTOP_DESCRIPTION = "Run a script in a desktop. What it prints is kept; a desktop does one task at a time."
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
    _area("script", "Script", required=True, placeholder="echo hello", rows=12),
    {"type": "submit", "text": "Start"},
    {"type": "cancel", "text": "Cancel"},
]
