"""What people deleted is forgotten after a while: its log and its words go, its row stays with its figures."""

from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.core.database import Database
from windlass.core.maintenance import Occasion, count

BATCH = 100
DELETED = {
    "runs": """
    select id, tenant_id from run where archived_at < clock_timestamp() - make_interval(days => $1)
      and forgotten_at is null order by archived_at limit $2
    """,
    "sessions": """
    select id, tenant_id from session where deleted_at < clock_timestamp() - make_interval(days => $1)
      and forgotten_at is null order by deleted_at limit $2
    """,
    "desktops": """
    select id, tenant_id from desktop where deleted_at < clock_timestamp() - make_interval(days => $1)
      and removed_at is not null and forgotten_at is null order by deleted_at limit $2
    """,
}
FORGET = {
    "runs": "select forget_run($1, $2)",
    "sessions": "select forget_session($1, $2)",
    "desktops": "select forget_desktop($1, $2)",
}


class Retention:
    """Forgets what was deleted so many days ago, each record in a transaction of its own."""

    def __init__(self, jobs: Database, database: Database, days: int) -> None:
        self._jobs, self._database, self._days = jobs, database, days

    async def forget(self, occasion: Occasion) -> bool:
        """Forget some records; whether there may be more. The second time nothing is left of them to forget."""
        found = 0
        for noun, query in DELETED.items():
            async with self._jobs.open() as connection:
                rows = await connection.fetch(query, self._days, BATCH)
            for row in rows:
                await self._forget(occasion, noun, TenantId(row["tenant_id"]), row["id"])
            found += len(rows)
        return found > 0

    async def _forget(self, occasion: Occasion, noun: str, tenant_id: TenantId, record_id: UUID) -> None:
        async with self._database.tenant(tenant_id) as connection:
            events = await connection.fetchval(FORGET[noun], tenant_id, record_id)
            if events is not None:
                await count(connection, occasion, {noun: 1, "events": events})
