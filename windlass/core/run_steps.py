"""The steps of runs as their readers see them, and those that a new try begins with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from windlass.contracts.events import Payload
from windlass.contracts.ids import RunId
from windlass.core.errors import FieldError, Invalid


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run; `kept_from` names the earlier try that finished it."""

    key: str
    name: str
    state: str
    attempt: int
    execution: int
    started_at: datetime
    ended_at: datetime | None
    ms: float | None
    until: datetime | None
    error: Payload | None
    kept_from: RunId | None


def cut_of(steps: Sequence[Step], from_: str | None) -> datetime | None:
    """When the step began from which a new try goes on."""
    return next((step.started_at for step in steps if from_ in (step.key, step.name)), None)


def kept_keys(steps: Sequence[Step], from_: str | None) -> list[str]:
    """The finished steps a new try begins with: all, none ("start"), or those that had ended before `from_` began."""
    done = [step for step in steps if step.state == "done"]
    if from_ is None:
        return [step.key for step in done]
    if from_ == "start":
        return []
    cut = next((step for step in steps if from_ in (step.key, step.name)), None)
    if cut is None:
        names = ", ".join(step.name for step in steps[:10])
        detail = f"The run has no step {from_!r}. Its steps: {names or 'none'}."
        raise Invalid(detail, (FieldError("from", "must be a step of the run, or start"),))
    return [step.key for step in done if step is not cut and _ended(step) <= cut.started_at]


def _ended(step: Step) -> datetime:
    return step.ended_at or step.started_at
