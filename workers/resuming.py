"""Telling the workflow of a parked run to drive it again."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.services import Resume
from windlass.contracts import runs as words
from windlass.contracts.ids import workflow_id
from windlass.core.settings import Settings
from workers.runtime import connect

SIGNAL = timedelta(seconds=5)


def resumer(settings: Settings) -> Resume:
    """Tells the workflow of a parked run to drive it again; connects to Temporal at the first time."""
    clients: list[Client] = []

    async def resume(tenant_id: str, run_id: str) -> None:
        if not clients:
            clients.append(await connect(settings, f"{settings.node}/services"))
        handle = clients[0].get_workflow_handle(workflow_id(tenant_id, "runs", run_id))
        try:
            await handle.signal(words.RESUME_SIGNAL, rpc_timeout=SIGNAL)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    return resume
