"""The state of a gateway process: opened once, closed in reverse."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from api.dependencies import State
from api.engine import open_engine
from api.paging import Cursors
from api.topics import open_topics
from windlass.core.allowances import Allowances
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.events import keep_partitions
from windlass.core.health import database_part
from windlass.core.idempotency import Idempotency
from windlass.core.identity import (
    Authentication,
    Invitations,
    Keys,
    Lifetimes,
    Members,
    Passwords,
    Sessions,
    SignIn,
    Tokens,
)
from windlass.core.identity.expiry import sweep_for_ever
from windlass.core.maintenance import Maintenance
from windlass.core.probes import desktops_part, outbox_part, services_part, storage_part, temporal_part, worker_parts
from windlass.core.provider import provider_part
from windlass.core.pulses import Pulses
from windlass.core.settings import Settings
from windlass.core.stream_health import stream_part
from windlass.core.tenants import Tenants
from windlass.core.tidying import tidy_for_ever

POOL = 10
JOBS_POOL = 3


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Let something run beside the requests, and end it with them."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncGenerator[State]:
    """Connect everything a gateway needs."""
    url, secret = settings.require_database_url(), settings.require_secret_key()
    async with AsyncExitStack() as stack:
        database = await Database.connect(url, max_size=POOL, name="windlass gateway")
        stack.push_async_callback(database.close)
        jobs = await Database.connect(url, role=JOBS_ROLE, max_size=JOBS_POOL, name="windlass gateway jobs")
        stack.push_async_callback(jobs.close)
        tokens = Tokens(secret, timedelta(minutes=settings.access_token_minutes), lambda: datetime.now(UTC))
        sessions = Sessions(database, tokens, Lifetimes(unused=timedelta(days=settings.refresh_token_days)))
        passwords = Passwords()
        engine = await stack.enter_async_context(open_engine(settings, database, jobs))
        await stack.enter_async_context(background(sweep_for_ever(database)))
        await stack.enter_async_context(background(tidy_for_ever()))
        await stack.enter_async_context(background(keep_partitions(jobs, lambda: datetime.now(UTC).date())))
        authentication = Authentication(database, tokens, secret)
        health = [
            database_part(database),
            temporal_part(engine.orchestrator.is_up),
            *worker_parts(jobs),
            services_part(jobs),
            desktops_part(database),
            provider_part(database),
            outbox_part(engine.outbox),
            storage_part(engine.objects),
            stream_part(engine.hub),
        ]
        pulses = Pulses(database)
        await stack.enter_async_context(background(pulses.beat_for_ever(health, lambda: datetime.now(UTC))))
        yield State(
            engine=engine,
            settings=settings,
            database=database,
            jobs=jobs,
            passwords=passwords,
            sessions=sessions,
            sign_in=SignIn(database, sessions, passwords),
            authentication=authentication,
            allowances=Allowances(database, settings.requests_per_minute),
            keys=Keys(database, authentication),
            members=Members(database, sessions, passwords, authentication),
            invitations=Invitations(database, passwords),
            tenants=Tenants(database, authentication),
            idempotency=Idempotency(database, secret),
            cursors=Cursors(secret),
            health=health,
            pulses=pulses,
            maintenance=Maintenance(jobs, settings.time_zone),
            multiplexer=open_topics(engine, health),
        )
