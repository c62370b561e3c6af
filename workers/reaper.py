"""The boot reaper: what a dead predecessor left in hand is handed out again at once, not after a heartbeat time-out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import structlog
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    RespondActivityTaskFailedByIdRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from windlass.contracts.ids import workflow_id
from windlass.core.database import Database

AT_ONCE = 20
RUNS_AT_WORK = """
select tenant_id, 'runs' as noun, id from run where status in ('starting', 'running', 'awaiting')
union all select tenant_id, 'prompts', task_id from desktop where task_id is not null
union all select tenant_id, 'sessions', id from session where status in ('running', 'awaiting')
"""
DESKTOPS_AT_WORK = """
select tenant_id, 'desktops' as noun, id from desktop where removed_at is null
union all select tenant_id, noun, task_id from desktop, unnest(array['runs', 'prompts']) noun where task_id is not null
"""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def reap(client: Client, jobs: Database, at_work: str = RUNS_AT_WORK) -> int:
    """Fail, by id, every started activity of this identity, before the worker polls; answers how many."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(tenant_id: UUID, noun: str, row_id: UUID) -> int:
        async with gate:
            return await _reap_one(client, workflow_id(tenant_id, noun, row_id))

    async with jobs.open() as connection:
        rows = await connection.fetch(at_work)
    reaped = sum(await asyncio.gather(*(one(row["tenant_id"], row["noun"], row["id"]) for row in rows)))
    log.info("reaped what a predecessor left", workflows=len(rows), activities=reaped)
    return reaped


async def _reap_one(client: Client, name: str) -> int:
    count = 0
    try:
        async for activity in _left_behind(client, name):
            await _fail(client, name, activity)
            count += 1
    except RPCError as error:
        log.warning("a workflow could not be reaped", workflow=name, reason=error.message)
    return count


async def _left_behind(client: Client, name: str) -> AsyncIterator[PendingActivityInfo]:
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=name)
    )
    description = await client.workflow_service.describe_workflow_execution(request)
    for activity in description.pending_activities:
        started = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        if started and activity.last_worker_identity == client.identity:
            yield activity


async def _fail(client: Client, name: str, activity: PendingActivityInfo) -> None:
    pause = Duration()
    pause.FromTimedelta(timedelta(milliseconds=1))
    info = ApplicationFailureInfo(type="WorkerDied", next_retry_delay=pause)
    failure = Failure(message="its worker process died; the run goes on", application_failure_info=info)
    await client.workflow_service.respond_activity_task_failed_by_id(
        RespondActivityTaskFailedByIdRequest(
            namespace=client.namespace,
            workflow_id=name,
            activity_id=activity.activity_id,
            failure=failure,
            identity=client.identity,
        )
    )
