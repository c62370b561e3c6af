"""Maintenance: what workflow and activities tell each other about one due time of a system schedule."""

from dataclasses import dataclass, field
from uuid import UUID

# Durable names: they live in histories, renaming one is a migration.
WORKFLOW = "MaintenanceWorkflow"
MAINTAIN = "maintain"
NOBODY = UUID(int=0)  # in the place of a tenant in ids: system schedules belong to the installation


@dataclass(frozen=True, slots=True)
class MaintenanceInput:
    """What the workflow of a due time starts with; its id ends with the due time."""

    name: str


@dataclass(frozen=True, slots=True)
class MaintainInput:
    """A system schedule by its name, and the due time (ISO)."""

    name: str
    due_at: str


@dataclass(frozen=True, slots=True)
class MaintenanceOutcome:
    """What was done, by its name, and how often."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
