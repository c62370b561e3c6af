"""Runs: their states, and what workflow and activities tell each other about one."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    AWAITING = "awaiting"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in TERMINAL


TERMINAL = frozenset({RunStatus.FINISHED, RunStatus.FAILED, RunStatus.CANCELLED})
LIVE = tuple(status for status in RunStatus if status not in TERMINAL)

# Durable names: they live in histories, renaming one is a migration.
WORKFLOW = "RunWorkflow"
DRIVE = "drive_run"
STOP = "stop_run"
END = "end_run"
CANCEL_SIGNAL = "cancel"
RESUME_SIGNAL = "resume"


@dataclass(frozen=True, slots=True)
class SoFar:
    """How far a run has come whose workflow goes on in a new history; `waited_s`: of its time, for people."""

    attempt: int = 1
    took_s: float = 0.0
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run's workflow starts with: ids and limits, never content."""

    tenant_id: str
    run_id: str
    agent: str
    title: str = ""
    owner: str = ""
    link: str = ""
    max_attempts: int = 1
    timeout_s: float | None = None
    backoff_s: float = 1.0
    so_far: SoFar = field(default_factory=SoFar)

    @property
    def summary(self) -> str:
        """The run in a line, for Temporal's own pages."""
        return self.agent if self.title == self.agent else f"{self.title} · {self.agent}"

    @property
    def attributes(self) -> dict[str, str]:
        """What the workflow is found by there, as it starts."""
        named = {"Tenant": self.tenant_id, "Noun": "run", "Status": str(RunStatus.RUNNING)}
        return named | {"Agent": self.agent, "Owner": self.owner}


@dataclass(frozen=True, slots=True)
class DriveInput:
    """One attempt at a run, to be started or attached to."""

    tenant_id: str
    run_id: str
    attempt: int = 1


class DriveEnd(StrEnum):
    """How a driving activity came back."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StepLine:
    """One row of the step table a workflow shows."""

    name: str
    state: str
    ms: float | None = None
    executions: int = 1


@dataclass(frozen=True, slots=True)
class DriveOutcome:
    """What one driving activity achieved; `error` is small and without traceback."""

    end: DriveEnd
    error_type: str = ""
    error_message: str = ""
    retryable: bool = True
    parked_s: float | None = None
    steps: tuple[StepLine, ...] = ()
    steps_total: int = 0
    awaiting: bool = False
    """It is people that a parked run waits for; `waited_s`: already, before it was parked."""
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EndInput:
    """The terminal state of a run that its driving activity could not write; `attempt` 0: nobody was at it."""

    tenant_id: str
    run_id: str
    status: RunStatus
    attempt: int = 1
    reason: str = ""
    error: dict[str, Any] | None = None
