"""What clients of a panel count and compare: runs by state and person, their files, and what changed in the list."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from windlass.contracts.files import IN
from windlass.contracts.runs import LIVE, RunStatus
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.run_search import narrowed
from windlass.core.runs import RUN_COLUMNS, VISIBLE, Run, owner, run_of

MOST_CHANGES, MOST_COUNTED = 200, 10_000

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
CHANGED = f"""
select {RUN_COLUMNS} from run
where {VISIBLE} and (status = any ($2) or ended_at > $3) and {{narrowed}}
order by created_at desc, id desc limit $5
"""  # noqa: S608 - constants
GONE = """
select id from run where archived_at > $2 and ($1::uuid is null or created_by = $1) order by archived_at desc limit $3
"""


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


@dataclass(frozen=True, slots=True)
class Changes:
    """Runs that may look different than before, at most 200, and those that left the lists."""

    runs: Sequence[Run]
    gone: Sequence[UUID]


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

    async def changes(self, caller: Caller, since: datetime, text: str | None = None) -> Changes:
        """What lives, what has ended since, and what was taken out since."""
        live = [str(status) for status in LIVE]
        async with self._database.tenant(caller.tenant_id) as connection:
            words = await narrowed(connection, caller.tenant_id, owner(caller), text)
            query = CHANGED.replace("{narrowed}", words.numbered(4))
            rows = await connection.fetch(query, owner(caller), live, since, words.value, MOST_CHANGES)
            gone = await connection.fetch(GONE, owner(caller), since, MOST_CHANGES)
        return Changes([run_of(row) for row in rows], [row["id"] for row in gone])
