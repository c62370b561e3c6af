"""Views: the choices of filters that a person has saved of a list, each under a name."""

from collections.abc import Sequence
from dataclasses import dataclass

from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Conflict

MOST = 30  # of one list

SAVE = """
with others as (select count(*) as n from saved_view where person_id = $2 and list = $3 and name <> $4)
insert into saved_view (tenant_id, person_id, list, name, query) select $1, $2, $3, $4, $5 from others where n < $6
on conflict (tenant_id, person_id, list, name) do update set query = excluded.query returning name
"""
KEPT = "select name, query from saved_view where person_id = $1 and list = $2 order by created_at, name"
FORGET = "delete from saved_view where person_id = $1 and list = $2 and name = $3"


@dataclass(frozen=True, slots=True)
class SavedView:
    """A name, and the filters as they stand in the address."""

    name: str
    query: str


class Views:
    """The views a person has saved in a tenant; nobody else sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def kept(self, caller: Caller, of: str) -> Sequence[SavedView]:
        """The caller's views of a list, in the order they were saved."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [SavedView(**row) for row in await connection.fetch(KEPT, caller.person_id, of)]

    async def save(self, caller: Caller, of: str, view: SavedView) -> None:
        """Keep a view; one of the same name is replaced. Raises Conflict when there are too many."""
        place = (caller.tenant_id, caller.person_id, of)
        async with self._database.tenant(caller.tenant_id) as connection:
            saved = await connection.fetchval(SAVE, *place, view.name, view.query, MOST)
        if saved is None:
            raise Conflict(f"You have {MOST} views of this list. Forget one first; nothing was saved.")

    async def forget(self, caller: Caller, of: str, name: str) -> None:
        """Throw a view away. The second time nothing happens."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(FORGET, caller.person_id, of, name)
