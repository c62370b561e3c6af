"""Deciding about due times of schedules."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from temporalio import activity

from activities.rush import Rush
from windlass.contracts import firings as words
from windlass.contracts.firings import DecideAllInput, DecideInput, FiringOutcome, FiringOutcomes
from windlass.contracts.ids import TenantId
from windlass.contracts.runs import RunInput
from windlass.core.decisions import Asked, Decisions
from windlass.core.outbox import Outbox
from windlass.core.runs import Run
from windlass.core.timings import FIRST, Timings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

AT_ONCE = 8
ENOUGH = 200  # in one go


@dataclass(frozen=True, slots=True)
class Onwards:
    """What becomes of a run that was recorded: its workflow is started, then nobody need be told to start it."""

    start: Callable[[RunInput], Awaitable[bool]]
    outbox: Outbox
    timings: Timings
    rush: Rush


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

    @activity.defn(name=words.DECIDE_ALL)
    async def decide_all(self, request: DecideAllInput) -> FiringOutcomes:
        """Decide about a due time of some schedules with a timing. The second time the answers are the first ones.

        Who cannot be decided about keeps nobody waiting: their ids are in the answer, to be decided about alone.
        """
        tenant_id, timing = TenantId(UUID(request.tenant_id)), UUID(request.timing_id)
        due, after = datetime.fromisoformat(request.scheduled_at), UUID(request.after) if request.after else FIRST
        ids = await self._onwards.timings.sharing(tenant_id, timing, due, after=after, limit=ENOUGH)
        left, found, failed = iter(ids), list[FiringOutcome](), list[str]()

        async def some() -> None:
            for schedule_id in left:
                try:
                    found.append(
                        await self.decide(DecideInput(request.tenant_id, str(schedule_id), request.scheduled_at))
                    )
                except Exception as error:  # noqa: BLE001 - the others are not to wait for it
                    log.warning("decided about alone", schedule_id=str(schedule_id), reason=str(error)[:200])
                    failed.append(str(schedule_id))

        with self._onwards.rush.going():
            await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        unfinished = tuple(each for each in found if each.run is not None or each.stop)
        return FiringOutcomes(len(found), str(ids[-1]) if len(ids) == ENOUGH else "", unfinished, tuple(failed))

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
