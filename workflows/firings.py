"""One due time of a schedule: decide, and start what was decided."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import firings as words
    from windlass.contracts import policies
    from windlass.contracts import runs as run_words
    from windlass.contracts.firings import (
        DUE_LENGTH,
        DecideAllInput,
        DecideInput,
        FiringInput,
        FiringOutcome,
        FiringOutcomes,
    )
    from windlass.contracts.ids import workflow_id
    from windlass.contracts.runs import RunInput


@workflow.defn(name=words.WORKFLOW)
class FiringWorkflow:
    """Record what becomes of one due time, and have its run started; of every schedule that shares the due time.

    Whoever decides starts the run at once; one that could not be started is a child here that goes on alone.

    Its id is the due time, or the row of a trigger: however often it is asked for, there is one decision and one run
    for each schedule.
    The record and the run's row commit together; whatever dies after that, the run's own workflow is started once.
    """

    @workflow.run
    async def run(self, request: FiringInput) -> str:
        """Decide and answer the decision, or how many there were."""
        due = "" if request.firing_id else workflow.info().workflow_id[-DUE_LENGTH:]
        if request.timing_id:
            return await self._all(DecideAllInput(request.tenant_id, request.timing_id, due))
        outcome = await self._decide(DecideInput(request.tenant_id, request.schedule_id, due, request.firing_id))
        workflow.set_current_details(f"**{outcome.decision}** {outcome.reason}")
        return outcome.decision

    async def _all(self, request: DecideAllInput) -> str:
        """Decide about every schedule with the timing, some at a time, and then about those that could not be."""
        count, failed = 0, list[str]()
        while True:
            outcomes = await workflow.execute_local_activity(
                words.DECIDE_ALL,
                request,
                result_type=FiringOutcomes,
                start_to_close_timeout=policies.RECORDS,
                retry_policy=policies.RECORD_RETRY,
                summary="decide about all",
            )
            count, failed = count + outcomes.count, [*failed, *outcomes.failed]
            for outcome in outcomes.unfinished:
                await self._finish(request.tenant_id, outcome)
            if not outcomes.after:
                break
            request = replace(request, after=outcomes.after)
        await asyncio.gather(
            *(self._decide(DecideInput(request.tenant_id, each, request.scheduled_at)) for each in failed)
        )
        workflow.set_current_details(f"**{count + len(failed)}** schedules were due")
        return str(count + len(failed))

    async def _decide(self, request: DecideInput) -> FiringOutcome:
        """Decide about one, and do what is left to do."""
        outcome = await workflow.execute_local_activity(
            words.DECIDE,
            request,
            result_type=FiringOutcome,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary="decide",
        )
        await self._finish(request.tenant_id, outcome)
        return outcome

    async def _finish(self, tenant_id: str, outcome: FiringOutcome) -> None:
        """Do what whoever decided could not."""
        for run_id in outcome.stop:
            await self._stop(tenant_id, run_id, outcome.reason)
        if outcome.run is not None:
            await self._start(outcome.run)

    async def _start(self, request: RunInput) -> None:
        """Start the run's workflow; when the sweep of a gateway was faster it runs already."""
        with contextlib.suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                run_words.WORKFLOW,
                request,
                id=workflow_id(request.tenant_id, "runs", request.run_id),
                task_timeout=timedelta(seconds=3),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=policies.keywords(request.attributes),
                static_summary=policies.summary(request.summary),
                static_details=f"[Open in Windlass]({request.link})",
            )

    async def _stop(self, tenant_id: str, run_id: str, reason: str) -> None:
        """Tell a run to stop; one that is over by now needs no telling."""
        other = workflow.get_external_workflow_handle(workflow_id(tenant_id, "runs", run_id))
        with contextlib.suppress(ApplicationError):
            await other.signal(run_words.CANCEL_SIGNAL, reason)
