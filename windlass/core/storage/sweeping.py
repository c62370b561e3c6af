"""What began to arrive in the object store and never came whole goes away by itself."""

import asyncio
from datetime import timedelta

import structlog

from windlass.core.storage import Objects

OLD = timedelta(days=1)  # longer than any upload may take
PAUSE_S = 3600.0

log = structlog.get_logger()


async def sweep_store_for_ever(objects: Objects, pause_s: float = PAUSE_S) -> None:
    """Sweep now and then until cancelled, whatever happens in between; several gateways may."""
    while True:
        await asyncio.sleep(pause_s)
        try:
            if (swept := await objects.sweep(OLD)) > 0:
                log.info("unfinished uploads swept", count=swept)
        except Exception as error:  # noqa: BLE001 - the loop outlives every outage
            log.warning("sweep failed and is tried again", sweep="store", reason=str(error))
