"""The only place of the gateway that speaks to Temporal: starts runs, cancels them, and repairs what was missed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy as OnConflict
from temporalio.common import WorkflowIDReusePolicy as OnReuse
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from windlass.contracts import policies, queues
from windlass.contracts import runs as words
from windlass.contracts.ids import RunId, TenantId, workflow_id
from windlass.contracts.runs import EndInput, RunInput, RunStatus
from windlass.core.executions import Executions
from windlass.core.outbox import Line, Outbox
from windlass.core.runs import Run

SWEEP_S, LATE_S = 1.0, 1.0
MEET_S, REPAIR_S, REPAIRED_AT_ONCE = 3.0, 60.0, 50
FORGET_S = 0.05
CALL = timedelta(seconds=5)
AT_ONCE = 50
ANSWER = "answer"  # followed by the id of the question

Delivery = Callable[[], Awaitable[None]]  # made when its turn comes: one that never comes leaves no coroutine behind

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Links:
    """Where people find a run: our own pages, and Temporal's."""

    pages: str
    temporal_ui: str | None
    namespace: str

    def run(self, run_id: RunId) -> str:
        """The page of a run."""
        return f"{self.pages}/runs/{run_id}"

    def workflow(self, tenant_id: TenantId, run_id: RunId) -> str | None:
        """The same run in Temporal's pages, if their address is known."""
        if self.temporal_ui is None:
            return None
        name = workflow_id(tenant_id, "runs", run_id).replace("/", "%2F")
        return f"{self.temporal_ui}/namespaces/{self.namespace}/workflows/{name}"


class Orchestrator:
    """Delivers what was committed to Temporal: at once by the request's own hint, and within seconds by the sweep."""

    def __init__(self, client: Client, outbox: Outbox, executions: Executions, links: Links) -> None:
        self._client = client
        self._outbox = outbox
        self._executions = executions
        self._links = links
        self._delivering: set[asyncio.Task[None]] = set()
        self._delivered: list[tuple[RunId, str]] = []
        self._some = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Begin to sweep and to repair."""
        loops = ((self._forget, FORGET_S), (self._sweep, SWEEP_S), (self._meet, MEET_S), (self._repair, REPAIR_S))
        self._loops = [asyncio.create_task(forever(loop, pause)) for loop, pause in loops]

    async def close(self) -> None:
        """Stop; what is not delivered waits in the outbox."""
        for task in (*self._loops, *self._delivering):
            task.cancel()
        await asyncio.gather(*self._loops, *self._delivering, return_exceptions=True)

    def started(self, tenant_id: TenantId, run: Run) -> None:
        """A run was recorded: start its workflow now; if that fails the sweep does."""
        request = RunInput(
            str(tenant_id),
            str(run.id),
            run.agent,
            run.title,
            str(run.created_by or ""),
            self._links.run(run.id),
            run.max_attempts,
            run.timeout_s,
            run.backoff_s,
        )
        self._soon(partial(self._start, request), run.id, "start")

    def cancelled(self, tenant_id: TenantId, run: Run) -> None:
        """The end of a run was asked for: tell its workflow now; if that fails the sweep does."""
        self._soon(partial(self._cancel, tenant_id, run.id, run.cancel_reason or ""), run.id, "cancel")

    def answered(self, tenant_id: TenantId, run_id: RunId, question_id: UUID) -> None:
        """A question was answered: have its run driven again, if nobody drives it; if that fails the sweep does."""
        self._soon(partial(self._resume, tenant_id, run_id), run_id, f"{ANSWER} {question_id}")

    async def is_up(self) -> bool:
        """Whether Temporal answers."""
        return await self._client.service_client.check_health(timeout=timedelta(seconds=2))

    def _soon(self, deliver: Delivery, run_id: RunId, message: str) -> None:
        task = asyncio.create_task(self._deliver(deliver, run_id, message))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)

    async def _deliver(self, deliver: Delivery, run_id: RunId, message: str) -> None:
        try:
            async with self._gate:
                await deliver()
        except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client that cannot connect
            log.warning("not delivered yet", run_id=str(run_id), message=message, reason=str(error)[:200])
            return
        self._delivered.append((run_id, message))
        self._some.set()

    async def _start(self, request: RunInput) -> None:
        with suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                words.WORKFLOW,
                request,
                id=workflow_id(request.tenant_id, "runs", request.run_id),
                task_queue=queues.RUNS,
                task_timeout=timedelta(seconds=3),
                id_conflict_policy=OnConflict.USE_EXISTING,
                id_reuse_policy=OnReuse.REJECT_DUPLICATE,
                search_attributes=policies.keywords(request.attributes),
                static_summary=policies.summary(request.summary),
                static_details=f"[Open in Windlass]({request.link})",
                rpc_timeout=CALL,
            )

    async def _cancel(self, tenant_id: TenantId, run_id: RunId, reason: str) -> None:
        handle = self._client.get_workflow_handle(workflow_id(tenant_id, "runs", run_id))
        await handle.signal(words.CANCEL_SIGNAL, reason, rpc_timeout=CALL)

    async def _resume(self, tenant_id: TenantId, run_id: RunId) -> None:
        handle = self._client.get_workflow_handle(workflow_id(tenant_id, "runs", run_id))
        await handle.signal(words.RESUME_SIGNAL, rpc_timeout=CALL)

    async def _forget(self) -> None:
        """Clear delivered lines out of the outbox, in batches."""
        await self._some.wait()
        self._some.clear()
        batch, self._delivered = self._delivered, []
        try:
            await self._outbox.delivered(batch)
        except BaseException:
            self._delivered = batch + self._delivered
            self._some.set()
            raise

    async def _sweep(self) -> None:
        """Deliver what no request delivered; a run's messages in their order."""
        lines = await self._outbox.waiting(LATE_S)
        starts = [line for line in lines if line.message == "start"]
        await asyncio.gather(*(self._redeliver(line) for line in starts))
        await asyncio.gather(*(self._redeliver(line) for line in lines if line.message != "start"))

    async def _redeliver(self, line: Line) -> None:
        if line.is_over:
            self._delivered.append((line.run_id, line.message))
            self._some.set()
        elif line.message == "start":
            owner, link = str(line.created_by or ""), self._links.run(line.run_id)
            tenant_id, run_id = str(line.tenant_id), str(line.run_id)
            limits = (line.max_attempts, line.timeout_s, line.backoff_s or 1)
            request = RunInput(tenant_id, run_id, line.agent, line.title, owner, link, *limits)
            await self._deliver(partial(self._start, request), line.run_id, line.message)
        elif line.message.startswith(ANSWER):
            await self._deliver(partial(self._resume, line.tenant_id, line.run_id), line.run_id, line.message)
        else:
            cancel = partial(self._cancel, line.tenant_id, line.run_id, line.cancel_reason or "")
            await self._deliver(cancel, line.run_id, line.message)

    async def _meet(self) -> None:
        """Notice when Temporal's database is a new one: then every open run starts again, from its steps."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        answer = await self._client.workflow_service.describe_namespace(request, timeout=CALL)
        if await self._outbox.meet_engine(answer.namespace_info.id):
            log.warning("Temporal has a new database: every open run starts again from its steps")

    async def _repair(self) -> None:
        """Look at some open runs: without a workflow one starts again, with a workflow ended by hand it has failed."""
        for tenant_id, run_id in await self._outbox.open_runs(REPAIRED_AT_ONCE):
            handle = self._client.get_workflow_handle(workflow_id(tenant_id, "runs", run_id))
            try:
                status = (await handle.describe(rpc_timeout=CALL)).status
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                await self._outbox.start_again([(tenant_id, run_id)])
                continue
            if status is not None and status is not WorkflowExecutionStatus.RUNNING:
                await self._end(tenant_id, run_id, status)

    async def _end(self, tenant_id: TenantId, run_id: RunId, status: WorkflowExecutionStatus) -> None:
        message = f"Its workflow was ended from outside: {status.name.lower()}. Finished steps are kept."
        error = {"type": "WorkflowEnded", "message": message}
        request = EndInput(str(tenant_id), str(run_id), RunStatus.FAILED, 0, error=error)
        await self._executions.end(request)


async def forever(once: Callable[[], Awaitable[None]], pause_s: float) -> None:
    """Do something again and again, whatever happens."""
    while True:
        try:
            await once()
        except Exception as error:  # noqa: BLE001 - a sweep that dies would leave runs waiting for ever
            log.warning("sweep failed and is tried again", sweep=once.__name__, reason=str(error)[:200])
        await asyncio.sleep(pause_s)
