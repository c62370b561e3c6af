"""Speaks to Temporal for sessions: a workflow lives while there is something to answer, and hears of every message."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.orchestrator import AT_ONCE, CALL, Links, forever
from windlass.contracts import policies, queues
from windlass.contracts import sessions as words
from windlass.contracts.ids import TenantId, workflow_id
from windlass.contracts.sessions import Refusal, Said, SessionInput
from windlass.core.sessions import Session
from windlass.core.turns import Calling, Execution, SessionWorkflows

SWEEP_S, LATE_S = 1.0, 1.5
REPAIR_S, REPAIRED_AT_ONCE = 10.0, 50
CLEAR_S, CLEARED_AT_ONCE, QUIET_S = 10.0, 200, 30.0
UNREACHABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)  # the next one would not be answered either
NOT_THERE = (RPCError, RuntimeError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Couriers:
    """Carries messages to workflows of sessions: at once by the request's own hint, and within seconds by the sweep."""

    def __init__(self, client: Client, workflows: SessionWorkflows, links: Links) -> None:
        self._client, self._workflows, self._links = client, workflows, links
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Begin to sweep and to repair."""
        loops: Sequence[tuple[Callable[[], Awaitable[None]], float]] = (
            (self._sweep, SWEEP_S),
            (self._repair, REPAIR_S),
            (self.clear, CLEAR_S),
        )
        self._loops = [asyncio.create_task(forever(loop, pause)) for loop, pause in loops]

    async def close(self) -> None:
        """Stop; what did not arrive is carried by the next gateway."""
        for task in (*self._loops, *self._on_their_way):
            task.cancel()
        await asyncio.gather(*self._loops, *self._on_their_way, return_exceptions=True)

    def said(self, tenant_id: TenantId, session: Session, said: Said) -> None:
        """A message waits: say so now; if that fails the sweep does."""
        self._soon(partial(self._say, tenant_id, session.id, session.title, said))

    def changed(self, tenant_id: TenantId, session: Session) -> None:
        """There is something to look at: say so now. Whoever does not hear it finds it in the record."""
        self._soon(partial(self._look, tenant_id, session.id))

    def decided(self, tenant_id: TenantId, session_id: UUID) -> None:
        """Somebody decided what a turn asked: say so now; if that fails the sweep does."""
        self._soon(partial(self._look, tenant_id, session_id))

    def _soon(self, carry: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._carry(carry))
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)

    async def _carry(self, carry: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._gate:
                await carry()
        except NOT_THERE as error:  # RuntimeError: a lazy client that cannot connect
            if not _is_known(error):
                log.warning("a session has not heard yet", reason=str(error.__cause__ or error)[:200])

    async def _say(self, tenant_id: TenantId, session_id: UUID, title: str, said: Said) -> None:
        """Update the workflow, starting it where there is none; the message's id makes a repeat harmless."""
        request = SessionInput(str(tenant_id), str(session_id), title)
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            words.WORKFLOW,
            request,
            id=workflow_id(tenant_id, words.NOUN, session_id),
            task_queue=queues.RUNS,
            task_timeout=timedelta(seconds=3),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=policies.keywords({"Tenant": request.tenant_id, "Noun": "session"}),
            static_summary=policies.summary(title),
            static_details=f"[Open in Windlass]({self._links.pages}/sessions/{session_id})",
        )
        client: Any = self._client  # its overloads are partially unknown
        await client.execute_update_with_start_workflow(
            words.SAY_UPDATE, said, start_workflow_operation=start, id=said.message_id, rpc_timeout=CALL
        )

    async def _look(self, tenant_id: TenantId, session_id: UUID) -> None:
        with suppress(RPCError):  # nobody works on it: then there is nobody to tell
            await self._handle(tenant_id, session_id).signal(words.LOOK_SIGNAL, rpc_timeout=CALL)

    async def _sweep(self) -> None:
        """Carry what no request carried."""
        await self._carry_all(await self._workflows.unheard(LATE_S))
        for session in await self._workflows.decided(LATE_S):
            await self._look(session.tenant_id, session.id)

    async def _repair(self) -> None:
        """Have turns look that wait in vain; of some at work, give one without a living workflow another."""
        for session in await self._workflows.untold():
            await self._look(session.tenant_id, session.id)
        for session in await self._workflows.at_work(REPAIRED_AT_ONCE):
            try:
                found = await self._handle(session.tenant_id, session.id).describe(rpc_timeout=CALL)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                found = None
            if found is None or found.status is not WorkflowExecutionStatus.RUNNING:
                await self._carry_all([session])

    async def clear(self) -> None:
        """Have Temporal let go of what sessions at rest have left there: it says nothing that the record does not.

        By the id of the execution, and only once that has ended; ended ones never run again. The second time it is
        gone already: then the record says so now. What it refuses stays until later, and the others go on.
        """
        refused: list[RPCError] = []
        for left in await self._workflows.left(QUIET_S, CLEARED_AT_ONCE):
            try:
                if await self._is_gone(left):
                    await self._workflows.let_go(left)
            except RPCError as error:
                refused.append(error)
                if error.status in UNREACHABLE:
                    break
        if refused:
            log.warning("Temporal keeps what sessions left", executions=len(refused), reason=str(refused[-1])[:200])

    async def _is_gone(self, left: Execution) -> bool:
        """Whether Temporal holds it no more, after it was let go of if it has ended."""
        name = workflow_id(left.tenant_id, words.NOUN, left.session_id)
        try:
            found = await self._client.get_workflow_handle(name, run_id=str(left.id)).describe(rpc_timeout=CALL)
            if found.status is WorkflowExecutionStatus.RUNNING:
                return False
            execution = WorkflowExecution(workflow_id=name, run_id=str(left.id))
            request = DeleteWorkflowExecutionRequest(namespace=self._client.namespace, workflow_execution=execution)
            await self._client.workflow_service.delete_workflow_execution(request, timeout=CALL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return True

    async def _carry_all(self, sessions: Sequence[Calling]) -> None:
        lines = ((each, Said(str(each.message_id), each.place)) for each in sessions)
        await asyncio.gather(
            *(self._carry(partial(self._say, each.tenant_id, each.id, each.title, said)) for each, said in lines)
        )

    def _handle(self, tenant_id: TenantId, session_id: UUID) -> Any:
        return self._client.get_workflow_handle(workflow_id(tenant_id, words.NOUN, session_id))


def _is_known(error: Exception) -> bool:
    """Whether a turn has taken the message up already."""
    cause = error.__cause__
    return isinstance(cause, ApplicationError) and cause.type == Refusal.STALE
