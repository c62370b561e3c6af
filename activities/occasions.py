"""One use of a tool that asks something of the house, and what it came to."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId, derived_id


@dataclass(frozen=True, slots=True)
class Occasion:
    """One use of a tool: which turn wants it since when, in whose name, with what, and how long it may take."""

    tenant_id: TenantId
    session_id: UUID
    turn: int
    place: int
    wanted_at: datetime
    owner: UUID
    left_s: float
    given: Payload

    @property
    def key(self) -> str:
        """What tells it from every other use in its session."""
        return f"{self.turn}-use-{self.place}"

    @property
    def run_id(self) -> UUID:
        """The run that it starts, always the same one."""
        return derived_id(self.wanted_at, f"{self.session_id}/{self.key}")


@dataclass(frozen=True, slots=True)
class Came:
    """What it came to; with `waits_s` it is not over, and is looked at again then or when something happens."""

    outcome: str = ""
    text: str = ""
    waits_s: float | None = None
    more: Payload = field(default_factory=dict[str, Any])
