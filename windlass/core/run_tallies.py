"""What clients of a panel count: runs by state and person, and their files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.files import IN
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.runs import VISIBLE, owner

MOST_COUNTED = 10_000

COUNTS = f"""
select kind.name as status, (
  select count(*) from (select from run where status = kind.name and {VISIBLE} limit $3) counted) as n
from unnest($2::text[]) kind (name)
"""  # noqa: S608 - constants

TALLIES = f"""
select status, created_by, count(*) as n, count(started_at) filter (where ended_at is not null) as timed,
  coalesce(sum(date_part('epoch', ended_at - started_at)), 0) as ran_s
from run where {VISIBLE} group by status, created_by
"""  # noqa: S608 - constants
FILES = f"""
select run_id, split_part(path, '/', 1) as root, count(*) as n from run_file
where run_id = any ($2) and removed_in is null and exists (select from run where run.id = run_file.run_id and {VISIBLE})
group by 1, 2
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs of one state that one person made; those with both times took `ran_s` together."""

    status: RunStatus
    created_by: UUID | None
    count: int
    timed: int
    ran_s: float


@dataclass(frozen=True, slots=True)
class FileCounts:
    """How many files a run was given, and how many it left."""

    given: int = 0
    left: int = 0


class RunTallies:
    """Counts of the runs a caller may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, caller: Caller, statuses: Collection[RunStatus] = tuple(RunStatus)) -> dict[RunStatus, int]:
        """How many runs are in each state, counted to 10,000; states without any are left out."""
        wanted = [str(status) for status in statuses]
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(COUNTS, owner(caller), wanted, MOST_COUNTED)
        return {RunStatus(row["status"]): row["n"] for row in rows if row["n"]}

    async def of_all(self, caller: Caller) -> list[Tally]:
        """Every run in the lists, by state and by who made it."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(TALLIES, owner(caller))
        return [
            Tally(RunStatus(row["status"]), row["created_by"], row["n"], row["timed"], row["ran_s"]) for row in rows
        ]

    async def files(self, caller: Caller, run_ids: Sequence[UUID]) -> Mapping[UUID, FileCounts]:
        """How many files each of these runs has; one without any is left out."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(FILES, owner(caller), list(run_ids))
        counts: dict[UUID, list[int]] = {}
        for row in rows:
            counts.setdefault(row["run_id"], [0, 0])[row["root"] != IN] += row["n"]
        return {run_id: FileCounts(*both) for run_id, both in counts.items()}
