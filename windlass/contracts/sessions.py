"""Sessions: what their workflow and its activities tell each other, and what a session is opened with. No content."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from windlass.contracts.agents import DEFAULT_MAX_TOKENS, DEFAULT_MODEL, Profile, ServerUse

# Durable names: they live in histories, renaming one is a migration.
WORKFLOW = "SessionWorkflow"
SAY_UPDATE = "say"
LOOK_SIGNAL = "look"
BEGIN = "begin_turn"
ASK = "ask_model"
SEAL = "seal_turn"
USE = "use_tool"
USE_THEN_ASK = "use_tool_then_ask"

NOUN = "sessions"
TOPIC = "sessions"  # the state topic of the list
CHANNEL = "interrupt"  # carries the id of a session to whoever works on its turn
CLAUDE = "claude"  # the driver
MOST_WAITING = 50  # messages that wait while a turn runs
ASKED_FOR = frozenset({"run_agent"})  # tools that people must allow where no rule says otherwise


class SessionStatus(StrEnum):
    """Where a session is."""

    IDLE = "idle"
    RUNNING = "running"
    AWAITING = "awaiting"
    ARCHIVED = "archived"

    @property
    def is_at_work(self) -> bool:
        """Whether a turn is under way."""
        return self in (SessionStatus.RUNNING, SessionStatus.AWAITING)


class TurnEnd(StrEnum):
    """How a turn ended; `closed`: the session was deleted under it."""

    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CLOSED = "closed"


class Refusal(StrEnum):
    """Why a message is not taken."""

    BUSY = "busy"  # too many wait already
    STALE = "stale"  # the session has moved on from where its sender saw it
    CLOSED = "closed"  # it is archived


class Action(StrEnum):
    """What a rule does with a use of a tool, from the strictest to the loosest."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of uses of a tool that fit these patterns (with * and ?).

    They are over its name; over one of its arguments that are text; over all `arguments` as JSON.
    """

    action: str
    tool: str = "*"
    argument: str | None = None
    arguments: str | None = None

    def fits(self, tool: str, given: Mapping[str, Any]) -> bool:
        """Whether a use of a tool is meant."""
        if not _is_like(tool, self.tool):
            return False
        if self.arguments is not None and not _is_like(json.dumps(given, ensure_ascii=False), self.arguments):
            return False
        texts = (value for value in given.values() if isinstance(value, str))
        return self.argument is None or any(_is_like(text, self.argument) for text in texts)


def _is_like(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern in which * and ? alone mean something, so that lists in JSON can be meant."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def ruling(policy: Sequence[Rule], tool: str, *given: Mapping[str, Any]) -> Rule:
    """The strictest rule that fits: deny wins over ask, ask over allow. Without one it is allowed, or asked for.

    `given`: the arguments, and what else they mean, such as a path that leads to the same file.
    """
    fitting = [rule for rule in policy if any(rule.fits(tool, each) for each in given)]
    otherwise = Rule(Action.ASK, tool) if tool in ASKED_FOR else Rule(Action.ALLOW)
    return min(fitting, key=lambda rule: list(Action).index(Action(rule.action)), default=otherwise)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one turn may go."""

    model_calls: int = 50
    tool_calls: int = 100
    cost_usd: float = 5.0
    time_s: int = 3_600


@dataclass(frozen=True, slots=True)
class Budget:
    """What a session may cost in all; without `usd`, whatever it does."""

    usd: float | None = None


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session is opened with, for as long as it lives; a saved agent's version fills it too."""

    system: str | None = None
    model: str = DEFAULT_MODEL
    max_tokens: int = DEFAULT_MAX_TOKENS
    budget_usd: float | None = None  # of the whole session
    limits: Limits = field(default_factory=Limits)
    tools: tuple[str, ...] | None = None  # by name; none: every one that is built in
    policy: tuple[Rule, ...] = ()
    mcp_servers: tuple[ServerUse, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The settings as a row keeps them."""
        return asdict(self)

    @classmethod
    def of(cls, profile: Profile) -> "SessionSettings":
        """What a version of a saved agent opens its sessions with."""
        rules = (Rule(rule.decision, rule.tool, arguments=rule.arguments) for rule in profile.policy)
        return cls(
            system=profile.system or None,
            model=profile.model,
            max_tokens=profile.max_tokens,
            budget_usd=profile.budget_usd,
            tools=profile.tools,
            policy=tuple(rules),
            mcp_servers=profile.mcp_servers,
        )

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "SessionSettings":
        """The settings of a row; what an older version did not know has its default, what it knows alone is dropped."""
        known = _known(cls, kept)
        limits, named = Limits(**_known(Limits, known.get("limits") or {})), known.get("tools")
        policy = tuple(Rule(**_known(Rule, rule)) for rule in known.get("policy") or ())
        known |= {"limits": limits, "tools": None if named is None else tuple(named), "policy": policy}
        known["mcp_servers"] = tuple(ServerUse.from_json(use) for use in known.get("mcp_servers") or ())
        return cls(**known)


def _known(kind: type[Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in kept.items() if name in names}


@dataclass(frozen=True, slots=True)
class SessionInput:
    """A session whose workflow is wanted: `taken` counts the messages that turns have taken up."""

    tenant_id: str
    session_id: str
    title: str = ""
    taken: int = 0


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A session."""

    tenant_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """A message that is on record: its place among all that people said."""

    message_id: str
    place: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn that is to be worked on; number 0: nothing waits. `taken`: messages taken up so far."""

    number: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True)
class AskInput:
    """The n-th call to the model in a turn: everything that was said before it is on record.

    `tried`: attempts at it that another activity has made.
    """

    tenant_id: str
    session_id: str
    turn: int
    call: int
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """One use of a tool that the model wants; those that only read may come about together.

    A brief one is one short transaction of the record, and acts nowhere else.
    """

    tool: str
    only_reads: bool = False
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call to the model came to: `end` set, the turn is over. `seq`: where its message is in the log.

    With `waits_s` the model was not asked: somebody must decide something first, within that time.
    """

    seq: int = 0
    end: TurnEnd | None = None
    error_type: str = ""
    error_message: str = ""
    moves: tuple[Move, ...] = ()
    waits_s: float | None = None


@dataclass(frozen=True, slots=True)
class UseInput:
    """One use of a tool: the n-th that the answer at `seq` wants."""

    tenant_id: str
    session_id: str
    turn: int
    call: int
    place: int
    seq: int


@dataclass(frozen=True, slots=True)
class Used:
    """That a use of a tool is on record; or, with `waits_s`, that it waits for somebody, for so long at most."""

    waits_s: float | None = None


@dataclass(frozen=True, slots=True)
class Onward:
    """What a use of a tool and the call to the model after it came to.

    With `waits_s` the use waits for somebody, for so long at most. Without an answer the model is still to be asked:
    that was tried so many times.
    """

    waits_s: float | None = None
    answered: Answered | None = None
    tried: int = 0


@dataclass(frozen=True, slots=True)
class SealInput:
    """How a turn ended."""

    tenant_id: str
    session_id: str
    turn: int
    end: TurnEnd
    error_type: str = ""
    error_message: str = ""
