"""Approvals: what a turn asks people before it uses a tool, and what they decided."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.contracts.questions import QuestionKind, exactly
from windlass.contracts.sessions import Rule
from windlass.core.database import Database
from windlass.core.inquiries import Inquiries, Inquiry
from windlass.forms import InputArea, InputOption, InputRadio, Markdown, Model, Submit

ONCE, SESSION, DENY = "once", "session", "deny"
DECISION, WHY = "decision", "why"
TIMEOUT_S = 86_400.0
SHOWN_CHARACTERS = 4_000
GRANTED = """
select exists (select from question where session_id = $1 and state = 'answered' and result->>'decision' = 'session'
               and data->'rule' = $2)
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a tool that somebody must allow: which of the session's turns wants it, under a key of its own."""

    tenant_id: TenantId
    session_id: UUID
    turn: int
    key: str
    tool: str
    given: Payload

    @property
    def sha256(self) -> str:
        """What an approval is bound to: the tool and its arguments, whole."""
        exact = json.dumps([self.tool, self.given], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(exact.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ruling:
    """Where an approval stands: `waits_s` until it expires, or whether it is allowed, and what is said to the model."""

    is_allowed: bool = False
    waits_s: float | None = None
    said: str = ""


class Approvals:
    """Asks for approvals of a tenant's sessions; asking twice is asking once."""

    def __init__(self, database: Database, inquiries: Inquiries) -> None:
        self._database, self._inquiries = database, inquiries

    async def seek(self, call: Call, rule: Rule) -> Ruling | None:
        """Where the approval of a call stands. None: its session is gone. The second time it is the same question."""
        if await self._is_granted(call, rule):
            return Ruling(is_allowed=True)
        found = await self._inquiries.ask(_question(call, rule))
        return None if found is None else _ruling(found, call)

    async def _is_granted(self, call: Call, rule: Rule) -> bool:
        """Whether somebody allowed for the whole session what this rule asks about."""
        async with self._database.tenant(call.tenant_id) as connection:
            return bool(await connection.fetchval(GRANTED, call.session_id, asdict(rule)))


def _ruling(found: Payload, call: Call) -> Ruling:
    match found["state"]:
        case "open":
            return Ruling(waits_s=max(0.1, float(found["left_s"])))
        case "answered" if found["sha256"] != call.sha256:
            return Ruling(said="It was not done: what was allowed was another call.")
        case "answered" if found["result"].get(DECISION) in (ONCE, SESSION):
            return Ruling(is_allowed=True)
        case "answered":
            why = str(found["result"].get(WHY) or "").strip()
            return Ruling(said=f"It was not done: {found['by']} denied it{': ' + why if why else '.'}")
        case "expired":
            return Ruling(said="It was not done: nobody decided in time.")
        case _:
            return Ruling(said="It was not done: the turn ended before somebody decided.")


def _question(call: Call, rule: Rule) -> Inquiry:
    data = {"tool": call.tool, "input": call.given, "sha256": call.sha256, "rule": asdict(rule)}
    shown = exactly(call.given, indent=2)
    place, name = (call.tenant_id, call.session_id, call.turn, call.key), f"Let the model use {call.tool}?"
    return Inquiry(*place, QuestionKind.APPROVAL, name, form(shown, call.sha256), TIMEOUT_S, data)


def form(shown: str, sha256: str) -> list[dict[str, Any]]:
    """The form of an approval: what will be done, exactly, and what may be decided."""
    choices = (
        InputOption(ONCE, "Allow once"),
        InputOption(SESSION, "Allow this and its like for the session"),
        InputOption(DENY, "Deny and say why"),
    )
    fence = "`" * (3 + max((len(each) for each in re.findall("`+", shown)), default=0))
    left = len(shown) - SHOWN_CHARACTERS
    more = f"{left:,} more characters stand in all of it. " if left > 0 else ""
    said = f"{more}Bound to sha256 `{sha256[:8]}…{sha256[-4:]}`."
    return Model(
        Markdown(f"{fence}\n{shown[:SHOWN_CHARACTERS]}\n{fence}\n\n{said}"),
        InputRadio(DECISION, choices, label="Decision", required=True),
        InputArea(WHY, label="Why not", placeholder="It is told to the model", rows=2, max_length=2000),
        Submit("Decide"),
    ).get_model()
