"""A session that has cost what it may: somebody is asked whether it may cost more, and the turn waits."""

from dataclasses import dataclass
from math import floor
from typing import Any
from uuid import UUID

from windlass.contracts.agents import MOST_COST_USD
from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.contracts.questions import QuestionKind, QuestionState
from windlass.core.inquiries import Inquiry
from windlass.forms import InputNumber, InputOption, InputRadio, Markdown, Model, Submit

TIMEOUT_S = 86_400.0
RAISE, STOP = "raise", "stop"


@dataclass(frozen=True, slots=True)
class Spent:
    """What a session has cost of what it may."""

    cost_usd: float
    budget_usd: float

    def __str__(self) -> str:
        return f"${self.cost_usd:.2f} of ${self.budget_usd:.2f}"

    @property
    def least_usd(self) -> float:
        """The lowest that lets it go on, in whole cents."""
        return min((floor(self.cost_usd * 100) + 1) / 100, float(MOST_COST_USD))

    @property
    def suggested_usd(self) -> float:
        """What it could be raised to: as much again, and more than was spent, but never over what any session may."""
        return min(round(max(self.budget_usd * 2, self.cost_usd + self.budget_usd), 2), float(MOST_COST_USD))


def question(tenant_id: TenantId, session_id: UUID, turn: int, spent: Spent) -> Inquiry:
    """Whether the session may cost more; another one for each budget that is reached."""
    choices = (InputOption(RAISE, "Raise the budget and go on"), InputOption(STOP, "End the turn here"))
    budget = InputNumber(
        "budget_usd",
        "New budget, in dollars",
        str(spent.suggested_usd),
        min_value=spent.least_usd,
        max_value=MOST_COST_USD,
        step=0.01,
        visible_if={"decision": RAISE},
    )
    explained = Markdown(f"The session has cost {spent}. The turn waits, and costs nothing meanwhile.")
    decision = InputRadio("decision", choices, label="Decision", value=RAISE, required=True)
    form = Model(explained, decision, budget, Submit("Decide"))
    key, name = f"{turn}-budget-{spent.budget_usd:.15g}", f"Let the session cost more than ${spent.budget_usd:.2f}?"
    data: Payload = {"cost_usd": spent.cost_usd, "budget_usd": spent.budget_usd}
    return Inquiry(tenant_id, session_id, turn, key, QuestionKind.ASK, name, form.get_model(), TIMEOUT_S, data)


def raised(found: Payload, spent: Spent) -> float | None:
    """The budget that somebody allowed, if it is more than was spent."""
    result: Any = found.get("result") or {}
    if found["state"] != QuestionState.ANSWERED or result.get("decision") != RAISE:
        return None
    wanted = float(result.get("budget_usd") or spent.suggested_usd)
    return wanted if wanted > spent.cost_usd else None
