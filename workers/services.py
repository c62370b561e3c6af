"""The role `services`: keeps the hosts of this machine's services up."""

import asyncio
import sys
from contextlib import suppress
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.adapters.processes import HostFolders, LocalHosts
from activities.services import Resume, ServiceKeeper
from windlass.contracts import runs as words
from windlass.contracts.ids import workflow_id
from windlass.core.services import CHANGED_CHANNEL
from windlass.core.settings import Settings
from windlass.core.wanted import Wanted
from workers.runs import sockets
from workers.runtime import connect, opened
from workers.slots import Slot

SIGNAL = timedelta(seconds=5)


async def serve(settings: Settings) -> None:
    """Serve the role until told to stop; the hosts stay up for the next worker to adopt."""
    async with opened(settings, "services") as parts:
        slot = Slot(settings.require_database_url(), settings.node, "services")
        await slot.take()
        folders = HostFolders(
            sockets=sockets(settings),
            logs=settings.home / "logs",
            python=str(settings.host_python or sys.executable),
            lifeline=settings.lifeline_fd,
        )
        wanted = Wanted(parts.database, parts.jobs, parts.notifier)
        keeper = ServiceKeeper(wanted, LocalHosts(folders), resumer(settings), settings.node)
        parts.listener.on(CHANGED_CHANNEL, lambda _name: keeper.look())
        tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(slot.keep(parts.stopping.set))]
        try:
            await parts.stopping.wait()
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await slot.release()


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
