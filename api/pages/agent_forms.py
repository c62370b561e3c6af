"""The form of a saved agent: who the model should be, with what, and within which limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Any

from api.pages.forms import Field, errors_by_field, fields, problems, read_inputs, rearranged
from api.pages.rendering import Form, field
from windlass.contracts.agents import (
    DECISIONS,
    DEFAULT_MAX_TOKENS,
    DEFAULT_MODEL,
    MAX_MAX_TOKENS,
    MAX_SYSTEM,
    MOST_COST_USD,
    Profile,
    Rule,
    ServerUse,
)
from windlass.core.errors import Conflict, FieldError, Invalid
from windlass.core.saved_agents import SavedAgent
from windlass.forms import Checkbox, Group, InputArea, InputNumber, InputOption, InputText, Model, Select, validate

MOST_RULES = 100
WHO = Model(
    InputArea("description", label="What it is for", rows=2, max_length=2000),
    InputArea("system", label="System prompt", rows=14, max_length=MAX_SYSTEM, placeholder="Who it is, in your words"),
).get_model()
LIMITS = Model(
    InputText("model", label="Model", required=True, value=DEFAULT_MODEL, pattern=r"[A-Za-z0-9._:@\-]{1,100}"),
    InputNumber(
        "max_tokens", label="Longest answer, in tokens", required=True, value=str(DEFAULT_MAX_TOKENS),
        min_value=1, max_value=MAX_MAX_TOKENS, step=1,
    ),
    InputNumber("budget", label="Most it may cost, in dollars", min_value=0.01, max_value=MOST_COST_USD, step=0.01),
).get_model()  # fmt: skip
RULES = Model(
    Group(
        "policy",
        (
            InputText("tool", label="Tool", required=True, placeholder="shell, or files__*"),
            Select("decision", [InputOption(each, each) for each in DECISIONS], label="Decision", required=True),
            InputText("arguments", label="Only with arguments like", placeholder='*"rm *'),
        ),
        label="Rules",
        max_items=MOST_RULES,
    )
).get_model()
ELEMENTS = (*WHO, *LIMITS, *RULES)
MOST_SERVERS = 20


@dataclass(frozen=True, slots=True)
class AgentForm:
    """A form as somebody left it (values None: untouched), and what is wrong with it."""

    name: str = ""
    values: Mapping[str, Any] | None = None
    tools: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    """The MCP servers to choose from."""
    version: str = ""
    errors: tuple[FieldError, ...] = ()

    @property
    def drawn(self) -> "Drawn":
        """The form as fields."""
        wrong = errors_by_field(self.errors)
        parts = (fields(part, self.values, wrong) for part in (WHO, LIMITS, RULES, server_elements(self.known)))
        return Drawn(*parts)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, each with the place in the page it leads to."""
        drawn = self.drawn
        found = problems((*drawn.who, *drawn.limits, *drawn.rules, *drawn.servers), None)
        ours = [error for error in self.errors if error.field.partition(".")[0] not in NAMES]
        return [(f"{_word(error)} {error.message}".strip(), "name") for error in ours] + found


@dataclass(frozen=True, slots=True)
class Drawn:
    """The fields of the form, by the part of it they belong to."""

    who: tuple[Field, ...]
    limits: tuple[Field, ...]
    rules: tuple[Field, ...]
    servers: tuple[Field, ...]


NAMES = frozenset((*(str(each.get("name")) for each in ELEMENTS), "mcp_servers"))


def server_elements(known: Sequence[str]) -> Sequence[dict[str, Any]]:
    """The part of the form that chooses MCP servers; none when there are none."""
    if not known:
        return ()
    children = (
        Select("server", [InputOption(name, name) for name in known], label="Server", required=True),
        InputText("tools", label="Only these tools", placeholder="all of them; or some, by commas"),
        Checkbox("trust", option="Believe what it says of its tools: that they only read, or may be called again"),
    )
    return Model(Group("mcp_servers", children, label="MCP servers", max_items=MOST_SERVERS)).get_model()


def with_used(known: Sequence[str], profile: Profile) -> tuple[str, ...]:
    """The servers to choose from, also those that are used and gone."""
    return tuple(sorted({*known, *(use.server for use in profile.mcp_servers)}))


def form_of(agent: SavedAgent, known: Sequence[str] = ()) -> AgentForm:
    """A saved agent as its form shows it."""
    profile = agent.profile
    rules = [{"tool": r.tool, "decision": r.decision, "arguments": r.arguments or ""} for r in profile.policy]
    servers = [
        {"server": use.server, "tools": ", ".join(use.tools or ()), "trust": use.trust} for use in profile.mcp_servers
    ]
    budget = "" if profile.budget_usd is None else f"{profile.budget_usd:g}"
    values = {
        "description": profile.description,
        "system": profile.system,
        "model": profile.model,
        "max_tokens": str(profile.max_tokens),
        "budget": budget,
        "policy": rules,
        "mcp_servers": servers,
    }
    return AgentForm(agent.name, values, profile.tools, with_used(known, profile), str(agent.version))


def read_agent_form(form: Form, known: Sequence[str]) -> AgentForm:
    """The posted form."""
    values = read_inputs((*ELEMENTS, *server_elements(known)), form)
    tools = tuple(dict.fromkeys(form.get("tool", [])[:50]))
    return AgentForm(field(form, "name", 100), values, tools, tuple(known), field(form, "version", 9))


def with_another_row(filled: AgentForm, form: Form) -> AgentForm | None:
    """The form with one more rule, or one less; None when no such button was pressed."""
    values = rearranged(filled.values or {}, form)
    return None if values is None else replace(filled, values=values)


def changes_of(filled: AgentForm) -> dict[str, Any]:
    """The parts of a profile that the form asks for. Raises Invalid."""
    values, errors = validate([*ELEMENTS, *server_elements(filled.known)], dict(filled.values or {}))
    if errors:
        found = tuple(FieldError(name, text) for name, texts in errors.items() for text in texts)
        raise Invalid("The agent cannot be used like this; nothing was saved.", found)
    return {
        "description": values.get("description") or "",
        "system": values.get("system") or "",
        "model": values["model"],
        "max_tokens": int(values["max_tokens"]),
        "budget_usd": values.get("budget"),
        "tools": filled.tools,
        "policy": tuple(_rule(each) for each in values.get("policy") or ()),
        **({"mcp_servers": tuple(_use(each) for each in values.get("mcp_servers") or ())} if filled.known else {}),
    }


def errors_of(problem: Invalid | Conflict) -> tuple[FieldError, ...]:
    """What is wrong, by field."""
    if isinstance(problem, Invalid) and problem.errors:
        return problem.errors
    return (FieldError("", problem.detail),)


def difference(before: Profile, after: Profile) -> tuple[tuple[str, str], ...]:
    """What a version changed, line by line: how a line is drawn, and its text with its sign."""
    lines = unified_diff(_lines(before), _lines(after), lineterm="", n=2)
    looks = {"+": "add", "-": "del"}
    return tuple((looks.get(line[0], ""), line) for line in list(lines)[2:] if not line.startswith("@@"))


def _lines(profile: Profile) -> Sequence[str]:
    """A profile as lines of text."""
    budget = "none" if profile.budget_usd is None else f"${profile.budget_usd:g}"
    rules = (f"{rule.decision} {rule.tool} {rule.arguments or ''}".strip() for rule in profile.policy)
    servers = (
        f"MCP server {each.server}{', trusted' if each.trust else ''}: {_all_or(each.tools)}"
        for each in profile.mcp_servers
    )
    return [
        f"for: {profile.description}",
        f"model: {profile.model}, {profile.max_tokens} tokens, budget {budget}",
        f"tools: {', '.join(profile.tools) or 'none'}",
        *servers,
        *rules,
        *profile.system.splitlines(),
    ]


def _all_or(tools: tuple[str, ...] | None) -> str:
    return "all tools" if tools is None else ", ".join(tools) or "no tools"


def _rule(given: Mapping[str, Any]) -> Rule:
    return Rule(str(given["tool"]), str(given["decision"]), given.get("arguments") or None)


def _use(given: Mapping[str, Any]) -> ServerUse:
    tools = tuple(name.strip() for name in str(given.get("tools") or "").split(",") if name.strip())
    return ServerUse(str(given["server"]), tools or None, given.get("trust") is True)


def _word(error: FieldError) -> str:
    return error.field.partition(".")[0].replace("_", " ")
