"""Firings: what workflow and activities tell each other about one due time of a schedule."""

from dataclasses import dataclass
from enum import StrEnum

from windlass.contracts.runs import RunInput


class Overlap(StrEnum):
    """What happens when an earlier run of the schedule still goes on."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    TERMINATE_OTHER = "terminate_other"
    ALLOW_ALL = "allow_all"


class Decision(StrEnum):
    """What became of a due time."""

    STARTED = "started"
    LATE = "late"
    BUFFERED = "buffered"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


# Durable names: they live in histories, renaming one is a migration.
WORKFLOW = "FiringWorkflow"
DECIDE = "decide_firing"
DECIDE_ALL = "decide_firings"

DUE_LENGTH = len("2026-11-28T07:30:00Z")  # Temporal ends the id of a schedule's workflow with its due time


@dataclass(frozen=True, slots=True)
class FiringInput:
    """What a firing's workflow starts with. Without `firing_id` it is a due time, which its workflow id ends with.

    With `timing_id` it is that of every schedule of the tenant that has this timing.
    """

    tenant_id: str
    schedule_id: str
    firing_id: str = ""
    timing_id: str = ""


@dataclass(frozen=True, slots=True)
class DecideInput:
    """A due time (ISO), or the row of a trigger, to be decided about."""

    tenant_id: str
    schedule_id: str
    scheduled_at: str = ""
    firing_id: str = ""


@dataclass(frozen=True, slots=True)
class DecideAllInput:
    """A due time (ISO) of every schedule with a timing, of those after one in the order of their ids."""

    tenant_id: str
    timing_id: str
    scheduled_at: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class FiringOutcome:
    """What was decided: the run to start, and the ids of the runs to stop for it."""

    decision: Decision
    reason: str = ""
    run: RunInput | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FiringOutcomes:
    """What was decided about some: what is left to do, who could not be decided about, and after whom it goes on."""

    count: int
    after: str = ""
    unfinished: tuple[FiringOutcome, ...] = ()
    failed: tuple[str, ...] = ()
