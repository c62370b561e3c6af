"""How Temporal is wired: its client, and a worker that ends in order."""

import asyncio
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from windlass.core.settings import Settings
from windlass.version import __version__

# Where it is told none, a worker of Temporal's SDK hashes the code of every module there is: a core-second a start.
BUILD = f"windlass-{__version__}"
GRACE = timedelta(seconds=5)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def connect(settings: Settings, identity: str) -> Client:
    """Connect to Temporal, waiting for it as long as it takes."""
    key = settings.temporal_api_key
    while True:
        try:
            return await Client.connect(
                settings.temporal_address,
                namespace=settings.temporal_namespace,
                identity=identity,
                tls=settings.temporal_tls,
                api_key=key.get_secret_value() if key else None,
            )
        except RuntimeError as error:
            log.warning("Temporal does not answer yet", address=settings.temporal_address, reason=str(error)[:200])
            await asyncio.sleep(0.2)


async def connect_unless(stopping: asyncio.Event, settings: Settings, identity: str) -> Client | None:
    """Connect to Temporal, waiting for it until the process is told to stop: then None."""
    connecting, told = asyncio.create_task(connect(settings, identity)), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({connecting, told}, return_when=asyncio.FIRST_COMPLETED)
        return connecting.result() if connecting.done() else None
    finally:
        connecting.cancel()
        told.cancel()


async def work(worker: Worker, stopping: asyncio.Event) -> None:
    """Run the worker until the process is told to stop; cancelled, it ends in order too. Raises what it failed of."""
    async with worker:
        await stopping.wait()
