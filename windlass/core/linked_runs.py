"""Runs that turns of sessions start, in the name of whom the session belongs to."""

from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.core.agents import Agents, find_agent
from windlass.core.audit import record
from windlass.core.beginnings import Beginning
from windlass.core.callers import Caller, member
from windlass.core.database import Connection, Database
from windlass.core.errors import Forbidden
from windlass.core.form_secrets import FormSecrets
from windlass.core.permissions import Permission
from windlass.core.runs import RUN_COLUMNS, Run, StartRun, record_run, run_of, run_row
from windlass.core.wakeup import Wakeup

ONE = f"select {RUN_COLUMNS} from run where id = $1"  # noqa: S608 - column names are constants


@dataclass(frozen=True, slots=True)
class RunWish:
    """A run that a turn wants, under an id that is the same whenever it is wanted."""

    tenant_id: TenantId
    session_id: UUID
    owner: UUID
    run_id: UUID
    agent: str
    inputs: Payload
    title: str | None = None


class LinkedRuns:
    """Runs of sessions; their workflows are started by the gateways' sweep."""

    def __init__(self, database: Database, wakeup: Wakeup, secrets: FormSecrets) -> None:
        self._database, self._wakeup, self._secrets = database, wakeup, secrets

    async def start(self, wish: RunWish) -> Run:
        """Record the run. The second time it is the same one.

        Raises NotFound (agent), Conflict (it runs elsewhere), Invalid (inputs), Forbidden.
        """
        async with self._database.tenant(wish.tenant_id) as connection:
            known = await connection.fetchrow(ONE, wish.run_id)
            if known is not None:
                return run_of(known)
            caller = await _owner(connection, wish)
            agent = (await find_agent(connection, wish.agent)).of_ours()
            linked = StartRun(
                wish.agent, wish.inputs, wish.title, extra={"session_id": str(wish.session_id)}, id=wish.run_id
            )
            row = run_row(caller, agent, linked)
            run = await record_run(connection, caller, *self._secrets.cover(caller, agent.elements, row, Beginning()))
            after = {"agent": run.agent, "title": run.title, "session_id": str(wish.session_id)}
            await record(connection, caller, "run.start", f"run:{run.id}", after=after)
        self._wakeup.poke(wish.tenant_id, run.id, 1, changed=True)
        return run

    async def names(self, wish: RunWish) -> list[str]:
        """The agents that can be started, by name."""
        async with self._database.tenant(wish.tenant_id) as connection:
            caller = await _owner(connection, wish)
        return [agent.name for agent in await Agents(self._database).of_ours(caller)]

    async def look(self, tenant_id: TenantId, run_id: UUID) -> Run | None:
        """The run as it stands."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(ONE, run_id)
        return None if row is None else run_of(row)

    async def cancel(self, tenant_id: TenantId, run_id: UUID, reason: str) -> None:
        """Ask for its end. The second time, or without such a run, nothing changes."""
        async with self._database.tenant(tenant_id) as connection:
            await connection.execute("select from cancel_run($1, $2, $3)", tenant_id, run_id, reason)
        self._wakeup.poke(tenant_id, run_id, 0, changed=True)


async def _owner(connection: Connection, wish: RunWish) -> Caller:
    """Whom the session belongs to, with what their role allows now."""
    caller = await member(connection, wish.tenant_id, wish.owner)
    if caller is None:
        raise Forbidden("Whoever owns the session is not in the organisation any more.")
    caller.require(Permission.RUNS_START)
    return caller
