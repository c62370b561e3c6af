"""The outbox: what was committed and must still reach Temporal, read across tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from windlass.contracts.ids import RunId, TenantId
from windlass.core.database import Database
from windlass.core.live_runs import LIVE_STATUSES

LINES = """
select o.id, o.tenant_id, o.run_id, o.message, r.agent, r.title, r.created_by, r.max_attempts, r.timeout_s, r.backoff_s,
       r.cancel_reason, coalesce(is_terminal(r.status), true) as is_over
from outbox o left join run r on r.id = o.run_id
where o.created_at < clock_timestamp() - make_interval(secs => $1) order by o.id limit $2
"""
OPEN_RUNS = f"""
select tenant_id, id from run where status in {LIVE_STATUSES} and not held
  and created_at < clock_timestamp() - interval '30 seconds'
order by random() limit $1
"""  # noqa: S608 - constants
DELIVERED = """
delete from outbox o using unnest($1::uuid[], $2::text[]) m(run, word) where o.run_id = m.run and o.message = m.word
"""
START_AGAIN = """
insert into outbox (tenant_id, run_id, message) select t, r, 'start' from unnest($1::uuid[], $2::uuid[]) u(t, r)
"""
MEET = (
    "insert into installation (key, value) values ('engine', $1) on conflict (key) do update set value = excluded.value"
)
START_ALL = f"""
insert into outbox (tenant_id, run_id, message)
select tenant_id, id, 'start' from run where status in {LIVE_STATUSES} and not held
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Line:
    """One message about one run; `is_over`: the run has ended, so nobody needs it any more."""

    id: int
    tenant_id: TenantId
    run_id: RunId
    message: str
    agent: str
    title: str
    created_by: UUID | None
    max_attempts: int
    timeout_s: int | None
    backoff_s: int | None
    cancel_reason: str | None
    is_over: bool


class Outbox:
    """The lines that wait, as the gateways' sweeps see them."""

    def __init__(self, jobs: Database) -> None:
        self._jobs = jobs

    async def waiting(self, older_than_s: float, limit: int = 200) -> list[Line]:
        """The oldest lines; another gateway may be at the same ones, which is harmless."""
        async with self._jobs.open() as connection:
            rows = await connection.fetch(LINES, older_than_s, limit)
        return [Line(**row) for row in rows]

    async def delivered(self, messages: Sequence[tuple[UUID, str]]) -> None:
        """Forget these messages; losing this only repeats a delivery that Temporal refuses."""
        async with self._jobs.open() as connection, connection.transaction():
            await connection.execute("set local synchronous_commit = off")
            await connection.execute(DELIVERED, [run for run, _word in messages], [word for _run, word in messages])

    async def age_s(self) -> float:
        """For how long the oldest line waits."""
        query = "select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float from outbox"
        async with self._jobs.open() as connection:
            return float(await connection.fetchval(query))

    async def open_runs(self, limit: int) -> list[tuple[TenantId, RunId]]:
        """Some runs that should have a workflow."""
        async with self._jobs.open() as connection:
            return [(row["tenant_id"], row["id"]) for row in await connection.fetch(OPEN_RUNS, limit)]

    async def start_again(self, runs: Sequence[tuple[TenantId, RunId]]) -> None:
        """Have these runs started again."""
        async with self._jobs.open() as connection:
            await connection.execute(START_AGAIN, [tenant for tenant, _run in runs], [run for _tenant, run in runs])

    async def meet_engine(self, engine_id: str) -> bool:
        """Note which Temporal namespace we talk to; when it is not the last one, every open run starts again there."""
        async with self._jobs.open() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtext('windlass engine'))")
            known: Any = await connection.fetchval("select value from installation where key = 'engine'")
            if known == engine_id:
                return False
            await connection.execute(MEET, engine_id)
            if known is not None:
                await connection.execute(START_ALL)
            return known is not None
