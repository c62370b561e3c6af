"""How the runs of a task went: how many, how many of them well, how long they took and what they cost."""

from dataclasses import dataclass
from uuid import UUID

from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.runs import VISIBLE, owner

LOOKED_AT = 1000  # runs, the newest

STATISTICS = f"""
with seen as (
  select status, cost_usd, extract(epoch from ended_at - started_at)::float as took from run
  where {VISIBLE} and root_id in (select root_id from task_run where task_id = $2)
  order by created_at desc, id desc limit {LOOKED_AT}
)
select count(*) as runs, count(*) filter (where status = 'finished') as finished,
  count(*) filter (where status = 'failed') as failed, count(*) filter (where status = 'cancelled') as cancelled,
  percentile_cont(array[0.5, 0.9, 0.99]) within group (order by took) filter (where status = 'finished') as took,
  sum(cost_usd)::float as cost, avg(cost_usd) filter (where status = 'finished')::float as usual_cost from seen
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Statistics:
    """The newest 1,000 runs of a task in numbers; what is unknown is None."""

    runs: int
    finished: int
    failed: int
    cancelled: int
    took_p50_s: float | None
    took_p90_s: float | None
    took_p99_s: float | None
    cost_usd: float | None
    usual_cost_usd: float | None

    @property
    def success_rate(self) -> float | None:
        """The share of finished runs among those that finished or failed."""
        counted = self.finished + self.failed
        return self.finished / counted if counted else None


class History:
    """What can be said of the runs of a task."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_task(self, caller: Caller, task_id: UUID) -> Statistics:
        """The runs of a task that the caller may see, in numbers."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(STATISTICS, owner(caller), task_id)
        assert row is not None  # noqa: S101 - an aggregate has one row
        p50, p90, p99 = row["took"] or (None, None, None)
        counts = (row["runs"], row["finished"], row["failed"], row["cancelled"])
        return Statistics(*counts, p50, p90, p99, row["cost"], row["usual_cost"])
