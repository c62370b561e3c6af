"""Starts the workflows of runs that this worker recorded itself."""

from contextlib import suppress
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from windlass.contracts import policies, queues
from windlass.contracts import runs as words
from windlass.contracts.ids import workflow_id
from windlass.contracts.runs import RunInput

CALL = timedelta(seconds=5)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RunStarts:
    """Starts runs; the first task of a workflow comes back with the answer, as this very process works on the queue."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, request: RunInput) -> bool:
        """Start a run's workflow; whether it runs. The second time nothing changes."""
        try:
            with suppress(WorkflowAlreadyStartedError):
                await self._client.start_workflow(
                    words.WORKFLOW,
                    request,
                    id=workflow_id(request.tenant_id, "runs", request.run_id),
                    task_queue=queues.RUNS,
                    task_timeout=timedelta(seconds=3),
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    search_attributes=policies.keywords(request.attributes),
                    static_summary=policies.summary(request.summary),
                    static_details=f"[Open in Windlass]({request.link})",
                    request_eager_start=True,
                    rpc_timeout=CALL,
                )
        except RPCError as error:
            log.warning("a run is started otherwise", run_id=request.run_id, reason=str(error)[:200])
            return False
        return True
