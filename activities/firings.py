"""Deciding about due times of schedules."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from temporalio import activity

from windlass.contracts import firings as words
from windlass.contracts.firings import DecideInput, FiringOutcome
from windlass.contracts.ids import TenantId
from windlass.contracts.runs import RunInput
from windlass.core.decisions import Asked, Decisions
from windlass.core.outbox import Outbox
from windlass.core.runs import Run


@dataclass(frozen=True, slots=True)
class Onwards:
    """What becomes of a run that was recorded: its workflow is started, then nobody need be told to start it."""

    start: Callable[[RunInput], Awaitable[bool]]
    outbox: Outbox


class FiringActivities:
    """Everything a firing does to the outside world."""

    def __init__(self, decisions: Decisions, onwards: Onwards, pages: str, now: Callable[[], datetime]) -> None:
        self._decisions = decisions
        self._onwards = onwards
        self._pages = pages
        self._now = now

    @activity.defn(name=words.DECIDE)
    async def decide(self, request: DecideInput) -> FiringOutcome:
        """Decide about a due time, record it with its run and start that. The second time the answer is the first one.

        A run that could not be started is in the answer: it is the workflow's to start.
        """
        now = self._now()
        asked = Asked(
            TenantId(UUID(request.tenant_id)),
            UUID(request.schedule_id),
            datetime.fromisoformat(request.scheduled_at) if request.scheduled_at else now,
            UUID(request.firing_id) if request.firing_id else None,
        )
        decided = await self._decisions.decide(asked, now)
        run = None if decided.run is None else self._input(asked.tenant_id, decided.run)
        if run is not None and await self._onwards.start(run):
            await self._onwards.outbox.delivered([(UUID(run.run_id), "start")])
            run = None
        return FiringOutcome(decided.decision, decided.reason, run, tuple(str(each) for each in decided.stopped))

    def _input(self, tenant_id: TenantId, run: Run) -> RunInput:
        """What the run's workflow starts with: the same as when a gateway starts it."""
        return RunInput(
            str(tenant_id),
            str(run.id),
            run.agent,
            run.title,
            str(run.created_by or ""),
            f"{self._pages}/runs/{run.id}",
            run.max_attempts,
            run.timeout_s,
            run.backoff_s,
        )
