"""One due time of a schedule: decide, and start what was decided."""

import contextlib
from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import firings as words
    from windlass.contracts import policies
    from windlass.contracts import runs as run_words
    from windlass.contracts.firings import DUE_LENGTH, DecideInput, FiringInput, FiringOutcome
    from windlass.contracts.ids import workflow_id
    from windlass.contracts.runs import RunInput


@workflow.defn(name=words.WORKFLOW)
class FiringWorkflow:
    """Record what becomes of one due time, and have its run started.

    Whoever decides starts the run at once; one that could not be started is a child here that goes on alone.

    Its id is the due time, or the row of a trigger: however often it is asked for, there is one decision and one run.
    The record and the run's row commit together; whatever dies after that, the run's own workflow is started once.
    """

    @workflow.run
    async def run(self, request: FiringInput) -> str:
        """Decide and answer the decision."""
        due = "" if request.firing_id else workflow.info().workflow_id[-DUE_LENGTH:]
        outcome = await workflow.execute_local_activity(
            words.DECIDE,
            DecideInput(request.tenant_id, request.schedule_id, due, request.firing_id),
            result_type=FiringOutcome,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary="decide",
        )
        workflow.set_current_details(f"**{outcome.decision}** {outcome.reason}")
        for run_id in outcome.stop:
            await self._stop(request.tenant_id, run_id, outcome.reason)
        if outcome.run is not None:
            await self._start(outcome.run)
        return outcome.decision

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
