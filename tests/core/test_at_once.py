"""Two who change the same thing in the same instant: one after the other, and nothing of either is lost."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import pytest

from tests.core.planned import Planned, planned_of
from tests.owner import eventually
from windlass.contracts.firings import Overlap
from windlass.contracts.ids import TenantId, new_id
from windlass.contracts.runs import RunStatus
from windlass.core.boot import Boot, Boots
from windlass.core.database import Connection, Database
from windlass.core.wakeup import PollOnly

DUE = datetime(2026, 11, 27, 6, 30, tzinfo=UTC)
BLOCKED = "select exists (select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid)))"
HOLD = "select from stream where id = $1 for no key update"  # as whoever appends to it does first

T = TypeVar("T")


class Nobody:
    """Whoever would start a boot's workflow."""

    def booted(self, tenant_id: TenantId, boot_id: UUID) -> None:
        """Do nothing."""


@pytest.fixture
async def planned(database: Database, jobs: Database) -> Planned:
    return await planned_of(database, jobs)


@asynccontextmanager
async def meanwhile(connection: Connection, work: Awaitable[T]) -> AsyncGenerator[asyncio.Future[T]]:
    """The same work under way, from the moment on in which it waits for this transaction."""
    working = asyncio.ensure_future(work)
    await eventually(lambda: connection.fetchval(BLOCKED))
    yield working


async def test_a_run_that_is_ended_for_the_next_one_may_write_at_that_moment(planned: Planned):
    schedule = await planned.schedule(overlap=Overlap.TERMINATE_OTHER)
    first = (await planned.decide(schedule, DUE)).run
    assert first is not None

    async with planned.database.tenant(planned.caller.tenant_id) as connection:
        await connection.execute(HOLD, first.id)
        async with meanwhile(connection, planned.decide(schedule, DUE + timedelta(days=3))) as deciding:
            await connection.execute("update run set steps_kept = 1 where id = $1", first.id)
    await deciding

    ended = await planned.records.runs.get(planned.caller, first.id)
    assert (ended.status, ended.steps_kept) == (RunStatus.CANCELLED, 1)


async def test_a_schedule_that_fires_while_somebody_renames_it_counts_down_all_the_same(planned: Planned):
    schedule = await planned.schedule(remaining=5)

    async with planned.database.tenant(planned.caller.tenant_id) as connection:
        await connection.execute("update schedule set remaining = remaining - 1 where id = $1", schedule.id)
        renaming = planned.schedules.change(planned.caller, schedule.id, {"name": f"evenings {schedule.id}"})
        async with meanwhile(connection, renaming) as changing:
            pass
    changed = await changing

    assert (changed.name, changed.policy.remaining) == (f"evenings {schedule.id}", 4)


async def test_boots_and_shutdowns_that_are_asked_for_at_once_come_one_after_the_other(planned: Planned):
    boots = Boots(planned.database, PollOnly(), Nobody())
    asked = [boots.stop(planned.caller, new_id()) for _ in range(3)]
    asked += [boots.start(planned.caller, new_id(), force=True) for _ in range(3)]

    made: list[Boot] = await asyncio.gather(*asked)

    newest, *others = await boots.latest(planned.caller, 10)
    assert sorted(boot.number for boot in made) == [1, 2, 3, 4, 5, 6]
    assert not any(boot.is_running for boot in others)
    assert newest.number == 6
