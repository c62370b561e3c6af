"""Telling Temporal that the work goes on."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from temporalio import activity


@asynccontextmanager
async def beating(*details: object, every_s: float = 1.0) -> AsyncGenerator[None]:
    """Signs of life while the block runs, with details as they are then; a local activity needs none."""
    if activity.info().is_local:
        yield
        return
    task = asyncio.create_task(_beat(details, every_s))
    try:
        yield
    finally:
        task.cancel()


async def _beat(details: Sequence[object], every_s: float) -> None:
    while True:
        activity.heartbeat(*details)
        await asyncio.sleep(every_s)
