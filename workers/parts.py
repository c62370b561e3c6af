"""What a worker process is wired with, whatever its roles: database, files, wake-ups, one end. No Temporal here."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windlass.core.database import JOBS_ROLE, Database
from windlass.core.form_secrets import FormSecrets
from windlass.core.listener import Listener
from windlass.core.settings import Settings
from windlass.core.storage import Objects
from windlass.core.storage.urls import open_objects
from windlass.core.tidying import tidy_for_ever
from windlass.core.vault import Vault
from windlass.core.wakeup import Notifier


@dataclass(frozen=True, slots=True)
class Parts:
    """What roles are built from; those of one process share it."""

    settings: Settings
    database: Database
    jobs: Database
    notifier: Notifier
    listener: Listener
    objects: Objects
    stopping: asyncio.Event


@asynccontextmanager
async def opened(settings: Settings, roles: str) -> AsyncGenerator[Parts]:
    """Open the database pools, wake-ups and object store of a process; they are closed in reverse order."""
    url, name = settings.require_database_url(), f"worker {roles}"
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
        objects = open_objects(settings)
        stack.push_async_callback(objects.close)
        await stack.enter_async_context(beside(tidy_for_ever()))
        yield Parts(settings, database, jobs, notifier, listener, objects, stop_on_signals())


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Have something done while the block runs, and stopped at its end. Raises what it has died of."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def stop_on_signals() -> asyncio.Event:
    """An event that is set by SIGTERM and SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def form_secrets(settings: Settings) -> FormSecrets:
    """What seals the passwords that are filled into forms."""
    return FormSecrets(Vault(settings.require_secret_key()))


def sockets(settings: Settings) -> Path:
    """Where the hosts of this machine listen."""
    return settings.home / "hosts"
