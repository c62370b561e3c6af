"""Speaks to Temporal for desktops: each has one workflow, which is told to look whenever its row wishes otherwise."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from api.orchestrator import CALL, Links, forever
from windlass.contracts import desktops as words
from windlass.contracts import policies, queues
from windlass.contracts.desktops import DesktopInput, Ended
from windlass.contracts.ids import TenantId, workflow_id
from windlass.core.desktops import Desktop
from windlass.core.machines import Called, Machines

NOUN = "desktops"
SWEEP_S, LATE_S = 1.0, 2.0
LAPSE_S, LAPSED_AT_ONCE = 2.0, 50
REPAIR_S, REPAIRED_AT_ONCE = 60.0, 50
WATCH_S, SILENT_S = 10.0, 60.0

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Heralds:
    """Tells workflows of desktops to look: at once by the request's own hint, and within seconds by the sweep."""

    def __init__(self, client: Client, machines: Machines, links: Links) -> None:
        self._client, self._machines, self._links = client, machines, links
        self._telling: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to sweep, to repair and to watch for machines that fell silent."""
        loops: Sequence[tuple[Callable[[], Awaitable[None]], float]] = (
            (self._sweep, SWEEP_S),
            (self._lapse, LAPSE_S),
            (self._repair, REPAIR_S),
            (self._watch, WATCH_S),
        )
        self._loops = [asyncio.create_task(forever(loop, pause)) for loop, pause in loops]

    async def close(self) -> None:
        """Stop; what was not said is said by the next gateway."""
        for task in (*self._loops, *self._telling):
            task.cancel()
        await asyncio.gather(*self._loops, *self._telling, return_exceptions=True)

    def wished(self, tenant_id: TenantId, desktop: Desktop) -> None:
        """A desktop is wanted otherwise than before: say so now; if that fails the sweep does."""
        task = asyncio.create_task(self._hint(tenant_id, desktop.id, desktop.name))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _hint(self, tenant_id: TenantId, desktop_id: UUID, name: str) -> None:
        try:
            await self._tell(tenant_id, desktop_id, name)
        except (RPCError, RuntimeError) as error:  # RuntimeError: a lazy client that cannot connect
            log.warning("a desktop's wish is not told yet", desktop_id=str(desktop_id), reason=str(error)[:200])

    async def _tell(self, tenant_id: TenantId, desktop_id: UUID, name: str) -> None:
        """Signal the workflow, starting it where there is none."""
        request = DesktopInput(str(tenant_id), str(desktop_id), name)
        await self._client.start_workflow(
            words.WORKFLOW,
            request,
            id=workflow_id(tenant_id, NOUN, desktop_id),
            task_queue=queues.RUNS,
            task_timeout=timedelta(seconds=3),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=policies.keywords({"Tenant": request.tenant_id, "Noun": "desktop"}),
            start_signal=words.CHANGED_SIGNAL,
            static_summary=f"desktop {name}"[:200],
            static_details=f"[Open in Windlass]({self._links.pages}/desktops/{desktop_id})",
            rpc_timeout=CALL,
        )

    async def _sweep(self) -> None:
        """Tell what no request told."""
        await self._tell_all(await self._machines.unheard(LATE_S))

    async def _lapse(self) -> None:
        """Take the screen from whoever went away: a task that waits for it has its turn."""
        for desktop in await self._machines.lapsed(LAPSED_AT_ONCE):
            await self._machines.lapse(desktop.tenant_id, desktop.id)
            await self._tell(desktop.tenant_id, desktop.id, desktop.name)

    async def _repair(self) -> None:
        """Look at some desktops: one without a living workflow, as after a loss of Temporal, gets another."""
        for desktop in await self._machines.open(REPAIRED_AT_ONCE):
            handle = self._handle(desktop)
            try:
                status = (await handle.describe(rpc_timeout=CALL)).status
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                status = None
            if status is not WorkflowExecutionStatus.RUNNING:
                await self._tell(desktop.tenant_id, desktop.id, desktop.name)

    async def _watch(self) -> None:
        """Desktops of a machine that has been silent for a minute are lost until it is back."""
        for desktop in await self._machines.alone(SILENT_S):
            with suppress(RPCError):
                what = Ended(desktop.generation, "its machine does not answer")
                await self._handle(desktop).signal(words.ENDED_SIGNAL, what, rpc_timeout=CALL)

    async def _tell_all(self, desktops: Sequence[Called]) -> None:
        for desktop in desktops:
            await self._tell(desktop.tenant_id, desktop.id, desktop.name)

    def _handle(self, desktop: Called) -> Any:
        return self._client.get_workflow_handle(workflow_id(desktop.tenant_id, NOUN, desktop.id))
