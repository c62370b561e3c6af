"""What has changed in the list of runs since somebody looked: each change is told once, and none is passed over.

Transactions do not commit in the order of their times, so a time alone would lose some. A mark holds the snapshot of
the database in which somebody looked: what is not seen in it is new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.run_search import narrowed
from windlass.core.runs import RUN_COLUMNS, Run, owner, run_of

# No transaction that changes a run takes that long: a query may take 30 s. Where the times are further apart they alone
# count, so a database that was restored, whose transactions are numbered anew, keeps nothing back.
MARGIN = timedelta(minutes=1)

NOW = "select clock_timestamp() as at, pg_current_snapshot()::text as seen"
CHANGED = f"""
select {RUN_COLUMNS}, changed_at from run
where changed_at > $2::timestamptz - case when $3::text is null then interval '0' else $6 end
  and ($3 is null or changed_at >= $2 or not pg_visible_in_snapshot(changed_xid, $3::pg_snapshot))
  and (changed_at < $4::timestamptz - $6 or pg_visible_in_snapshot(changed_xid, $5::text::pg_snapshot))
  and ($7::timestamptz is null or (changed_at, id) > ($7, $8))
  and ($1::uuid is null or created_by = $1) and (archived_at is not null or {{narrowed}})
order by changed_at, id limit $10
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the runs: when, and in which snapshot of the database; without one the time alone says what is new."""

    at: datetime
    seen: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where the runs are known: all of `known`, and of `next`, if it is being told, what is up to `place`."""

    known: Look
    next: Look | None = None
    place: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class ChangedRuns:
    """Runs that are not as they were, the longest unchanged first; those that left; and from where to ask next."""

    runs: Sequence[Run]
    gone: Sequence[UUID]
    mark: Mark
    is_more: bool = False


class RunChanges:
    """The changes of the runs a caller may see: begun, another status, another attempt, taken out of the lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self, caller: Caller) -> Mark:
        """Where everything that is so now is known."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(NOW)
        assert row is not None  # noqa: S101 - it is one row
        return Mark(Look(**row))

    async def since(self, caller: Caller, mark: Mark, *, limit: int = 50, text: str | None = None) -> ChangedRuns:
        """What has changed, at most `limit` of it; `text` narrows what is left in the lists."""
        told = mark if mark.next is not None else replace(mark, next=(await self.now(caller)).known)
        assert told.next is not None  # noqa: S101 - as above
        looks = (told.known.at, told.known.seen, told.next.at, told.next.seen, MARGIN)
        async with self._database.tenant(caller.tenant_id) as connection:
            words = await narrowed(connection, caller.tenant_id, owner(caller), text)
            query, place = CHANGED.replace("{narrowed}", words.numbered(9)), told.place or (None, None)
            rows = await connection.fetch(query, owner(caller), *looks, *place, words.value, limit + 1)
        shown = rows[:limit]
        runs = [run_of(row) for row in shown]
        here, gone = [run for run in runs if run.archived_at is None], [run.id for run in runs if run.archived_at]
        if len(rows) <= limit:
            return ChangedRuns(here, gone, Mark(told.next))
        return ChangedRuns(here, gone, replace(told, place=(shown[-1]["changed_at"], shown[-1]["id"])), is_more=True)
