"""What services inherit counts for each of them, also for one that is added in the same instant."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from tests.core.records import VAULT, Records
from tests.owner import eventually
from windlass.contracts.ids import new_id
from windlass.core.database import Connection, Database
from windlass.core.service_defaults import Defaults, NewDefaults, ServiceDefaults
from windlass.core.services import INHERITED, NewService, Service, ServiceChange
from windlass.core.wakeup import PollOnly

Deed = Callable[[Records], Coroutine[None, None, Service]]

TAKEN = """
insert into service (id, tenant_id, name, project, import_path, env, enabled, state, created_by)
values ($1, $2, 'late', '', '', '{}', true, 'draft', $3)
"""
WAITING = "select count(*) from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
BEHIND = f"""
select count(*) from pg_locks where not granted
  and pg_blocking_pids(pid) && array({WAITING.replace("count(*)", "pid")})
"""  # noqa: S608 - a constant


async def add(records: Records) -> Service:
    return await records.services.add(records.caller, NewService("late", "/srv", "app:app"))


async def follow_again(records: Records) -> Service:
    return await records.services.change(records.caller, "own", ServiceChange(replicas=INHERITED))


async def say_three(database: Database, records: Records) -> Defaults:
    return await ServiceDefaults(database, PollOnly(), VAULT).put(records.caller, NewDefaults(replicas=3))


async def somebody_waits_for(connection: Connection) -> None:
    await eventually(lambda: connection.fetchval(WAITING), 10)


async def somebody_waits_behind_who_waits_for(connection: Connection) -> None:
    await eventually(lambda: connection.fetchval(BEHIND), 10)


@pytest.mark.parametrize("deed", [add, follow_again])
async def test_who_inherits_while_defaults_are_said_has_the_new_number(
    database: Database, records: Records, deed: Deed
):
    await records.services.add(records.caller, NewService("first", "/srv", "app:app"))
    await records.services.add(records.caller, NewService("own", "/srv", "app:app", replicas=2))

    async with asyncio.TaskGroup() as both, database.tenant(records.tenant_id) as holding:
        await holding.execute("select from service where name = 'first' for no key update")
        both.create_task(say_three(database, records))
        await somebody_waits_for(holding)  # what is said is written, and no service has heard of it
        inheriting = both.create_task(deed(records))
        await somebody_waits_behind_who_waits_for(holding)

    name = inheriting.result().name
    assert (await records.services.get(records.caller, name)).replicas == 3


async def test_who_was_being_added_before_defaults_were_said_has_the_new_number(database: Database, records: Records):
    async with asyncio.TaskGroup() as both, database.tenant(records.tenant_id) as holding:
        await holding.execute(TAKEN, new_id(), records.tenant_id, records.caller.person_id)
        adding = both.create_task(add(records))
        await somebody_waits_for(holding)  # it has read what it inherits, and waits for its name
        both.create_task(say_three(database, records))
        await somebody_waits_behind_who_waits_for(holding)
        await holding.execute("delete from service where name = 'late'")

    assert adding.result().name == "late"
    assert (await records.services.get(records.caller, "late")).replicas == 3
