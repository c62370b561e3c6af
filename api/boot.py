"""Speaks to Temporal for boots: each has one workflow, started at once where it can, else by the sweep."""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from api.orchestrator import CALL, Links, forever
from windlass.contracts import boot as words
from windlass.contracts import policies, queues
from windlass.contracts.boot import BootInput
from windlass.contracts.ids import TenantId, workflow_id
from windlass.core.boot import BootRecords

SWEEP_S, LATE_S, AT_ONCE = 2.0, 1.0, 20

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class BootStarts:
    """Starts the workflows of boots; one that is lost, as with Temporal's database, is started again."""

    def __init__(self, client: Client, records: BootRecords, links: Links) -> None:
        self._client, self._records, self._links = client, records, links
        self._starting: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to sweep."""
        self._loops = [asyncio.create_task(forever(self._sweep, SWEEP_S))]

    async def close(self) -> None:
        """Stop; what was not started is started by the next gateway."""
        for task in (*self._loops, *self._starting):
            task.cancel()
        await asyncio.gather(*self._loops, *self._starting, return_exceptions=True)

    def booted(self, tenant_id: TenantId, boot_id: UUID) -> None:
        """A boot was asked for: start its workflow now; if that fails the sweep does."""
        task = asyncio.create_task(self._hint(tenant_id, boot_id))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _hint(self, tenant_id: TenantId, boot_id: UUID) -> None:
        try:
            await self._start(tenant_id, boot_id)
        except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client that cannot connect
            log.warning("a boot is not started yet", boot_id=str(boot_id), reason=str(error)[:200])

    async def _sweep(self) -> None:
        for tenant_id, boot_id in await self._records.waiting(LATE_S, AT_ONCE):
            await self._start(tenant_id, boot_id)

    async def _start(self, tenant_id: TenantId, boot_id: UUID) -> None:
        await self._client.start_workflow(
            words.WORKFLOW,
            BootInput(str(tenant_id), str(boot_id)),
            id=workflow_id(tenant_id, words.NOUN, boot_id),
            task_queue=queues.RUNS,
            task_timeout=timedelta(seconds=3),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=policies.keywords({"Tenant": str(tenant_id), "Noun": "boot"}),
            static_summary="boot of all services",
            static_details=f"[Open in Windlass]({self._links.pages}/boot/{boot_id})",
            rpc_timeout=CALL,
        )
