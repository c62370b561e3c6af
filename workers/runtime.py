"""What every worker process is wired with: settings, logs, database, Temporal, and an orderly end."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from windlass.core.database import JOBS_ROLE, Database
from windlass.core.listener import Listener
from windlass.core.settings import Settings
from windlass.core.wakeup import Notifier

PASSED_THROUGH = ("windlass", "activities", "pydantic", "pydantic_core")
GRACE = timedelta(seconds=5)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a role is built from."""

    settings: Settings
    database: Database
    jobs: Database
    notifier: Notifier
    listener: Listener
    stopping: asyncio.Event


@asynccontextmanager
async def opened(settings: Settings, role: str) -> AsyncGenerator[Parts]:
    """Open the database pools and wake-ups of a worker; they are closed in reverse order."""
    url, name = settings.require_database_url(), f"worker {role}"
    async with AsyncExitStack() as stack:
        database = await Database.connect(url, max_size=8, name=name)
        stack.push_async_callback(database.close)
        jobs = await Database.connect(url, role=JOBS_ROLE, max_size=2, name=name)
        stack.push_async_callback(jobs.close)
        notifier, listener = Notifier(url, name=name), Listener(url, name=name)
        await notifier.start()
        stack.push_async_callback(notifier.close)
        await listener.start()
        stack.push_async_callback(listener.close)
        yield Parts(settings, database, jobs, notifier, listener, stop_on_signals())


def stop_on_signals() -> asyncio.Event:
    """An event that is set by SIGTERM and SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


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


def sandbox() -> SandboxedWorkflowRunner:
    """The sandbox every worker and the replayer use: our library passes through once, a surprise import is an error."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return SandboxedWorkflowRunner(
        restrictions=restrictions.with_import_notification_policy(
            workflow.SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
        )
    )


async def work(worker: Worker, stopping: asyncio.Event) -> None:
    """Run the worker until the process is told to stop or the worker fails."""
    running = asyncio.create_task(worker.run())
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not running.done():
        await worker.shutdown()
    await running


@asynccontextmanager
async def background(*loops: Callable[[], asyncio.Future[None]]) -> AsyncGenerator[None]:
    """Run the loops beside the body and end them with it."""
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
