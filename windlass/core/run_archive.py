"""Many runs out of the lists at once: those that have ended go, those that live are refused by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from windlass.contracts.ids import RunId
from windlass.contracts.runs import LIVE, TERMINAL, RunStatus
from windlass.core.audit import record_each
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import FieldError, Invalid
from windlass.core.runs import VISIBLE, RunFilter, Runs, owner

MOST = 500  # runs of one call
NAMED = 100  # live runs that a filter's answer names

FOUND = f"""
select id, title, status from run where {VISIBLE} and id = any ($2) order by id for no key update
"""  # noqa: S608 - constants
PUT_ASIDE = "update run set archived_at = now() where id = any ($1)"


@dataclass(frozen=True, slots=True)
class Refused:
    """A run that stays, and why; without a title it is not there for the caller."""

    id: RunId
    title: str
    status: RunStatus | None
    reason: str


@dataclass(frozen=True, slots=True)
class Archived:
    """What has left the lists, what stays, and whether more fits the filter."""

    ids: tuple[RunId, ...]
    refused: tuple[Refused, ...]
    is_more: bool = False


class RunArchive:
    """Runs that leave the lists; their events stay until retention."""

    def __init__(self, database: Database, runs: Runs) -> None:
        self._database, self._runs = database, runs

    async def put(self, caller: Caller, ids: Sequence[UUID]) -> Archived:
        """Take these out, each once, with its audit row, in one transaction; a second time they are not there."""
        wanted = list(dict.fromkeys(ids))
        if not 0 < len(wanted) <= MOST:
            raise Invalid("Nothing was archived.", (FieldError("ids", f"must name from one to {MOST} runs"),))
        async with self._database.tenant(caller.tenant_id) as connection:
            found = {row["id"]: row for row in await connection.fetch(FOUND, owner(caller), wanted)}
            ended = [id_ for id_ in wanted if id_ in found and found[id_]["status"] in TERMINAL]
            await connection.execute(PUT_ASIDE, ended)
            titles = {f"run:{id_}": {"title": found[id_]["title"]} for id_ in ended}
            await record_each(connection, caller, "run.delete", titles)
        gone = (Refused(RunId(id_), "", None, "There is no such run.") for id_ in wanted if id_ not in found)
        live = (
            _refused(RunId(id_), found[id_]["title"], RunStatus(found[id_]["status"]))
            for id_ in wanted
            if id_ in found and id_ not in ended
        )
        return Archived(tuple(RunId(id_) for id_ in ended), (*live, *gone))

    async def put_all(self, caller: Caller, wanted: RunFilter) -> Archived:
        """Take out the newest runs of a filter that have ended, at most 500; the live ones it fits are named."""
        kinds = wanted.status or tuple(RunStatus)
        ended = tuple(status for status in kinds if status in TERMINAL)
        live = tuple(status for status in kinds if status in LIVE)
        stay = await self._runs.newest(caller, replace(wanted, status=live), limit=NAMED) if live else []
        go = await self._runs.newest(caller, replace(wanted, status=ended), limit=MOST + 1) if ended else []
        done = await self.put(caller, [run.id for run in go[:MOST]]) if go else Archived((), ())
        named = tuple(_refused(run.id, run.title, run.status) for run in stay)
        return Archived(done.ids, (*named, *done.refused), len(go) > MOST)


def _refused(run_id: RunId, title: str, status: RunStatus) -> Refused:
    return Refused(run_id, title, status, f"It is {status}: cancel it first.")
