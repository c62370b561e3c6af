"""A session that has cost what it may: somebody is asked whether it may cost more, and the turn waits."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

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
    def suggested_usd(self) -> float:
        """What it could be raised to: as much again, and more than was spent."""
        return round(max(self.budget_usd * 2, self.cost_usd + self.budget_usd), 2)


def question(tenant_id: TenantId, session_id: UUID, turn: int, spent: Spent) -> Inquiry:
    """Whether the session may cost more; another one for each budget that is reached."""
    choices = (InputOption(RAISE, "Raise the budget and go on"), InputOption(STOP, "End the turn here"))
    form = Model(
        Markdown(f"The session has cost {spent}. The turn waits, and costs nothing meanwhile."),
        InputRadio("decision", choices, label="Decision", value=RAISE, required=True),
        InputNumber("budget_usd", label="New budget, in dollars", value=str(spent.suggested_usd), step=0.01),
        Submit("Decide"),
    )
    key, name = f"{turn}-budget-{spent.budget_usd:g}", f"Let the session cost more than ${spent.budget_usd:.2f}?"
    data: Payload = {"cost_usd": spent.cost_usd, "budget_usd": spent.budget_usd}
    return Inquiry(tenant_id, session_id, turn, key, QuestionKind.ASK, name, form.get_model(), TIMEOUT_S, data)


def raised(found: Payload, spent: Spent) -> float | None:
    """The budget that somebody allowed, if it is more than was spent."""
    result: Any = found.get("result") or {}
    if found["state"] != QuestionState.ANSWERED or result.get("decision") != RAISE:
        return None
    wanted = float(result.get("budget_usd") or spent.suggested_usd)
    return wanted if wanted > spent.cost_usd else None
