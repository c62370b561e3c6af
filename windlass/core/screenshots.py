"""Screenshots of desktops: what was kept, for whom, and until when."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from windlass.contracts.ids import TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import NotFound
from windlass.core.wakeup import DESKTOPS, Wakeup

SHOWN = 500


@dataclass(frozen=True, slots=True)
class Look:
    """How a screen looks, without its pixels: `digest` is their hash."""

    digest: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A screenshot to be kept under `key`; one that is not new is kept already and has only become younger."""

    id: UUID
    key: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Screenshot:
    """One picture of a desktop, first and last seen; `age_s` says how long ago it was so."""

    id: UUID
    desktop_id: UUID
    run_id: UUID | None
    key: str
    width: int
    height: int
    size_bytes: int
    first_at: datetime
    last_at: datetime
    age_s: float


STORED = ", ".join(each.name for each in fields(Screenshot) if each.name != "age_s")
COLUMNS = f"{STORED}, extract(epoch from clock_timestamp() - last_at)::float as age_s"
LATEST = f"""
select {COLUMNS} from screenshot where desktop_id = $1 and stored_at is not null order by first_at desc limit 1
"""  # noqa: S608 - constants
NEWEST = f"""
select distinct on (desktop_id) {COLUMNS} from screenshot where desktop_id = any($1) and stored_at is not null
order by desktop_id, first_at desc
"""  # noqa: S608 - constants
ONE = f"select {COLUMNS} from screenshot where desktop_id = $1 and id = $2 and stored_at is not null"  # noqa: S608 - constants
OF_RUN = f"""
select {COLUMNS} from screenshot where desktop_id = $1 and run_id = $2 and stored_at is not null
order by first_at limit {SHOWN}
"""  # noqa: S608 - constants
HOLDER = """
select created_by from run join desktop on run.id = task_id where desktop.id = $1 and desktop.status = 'busy'
"""


class Screenshots:
    """The pictures of a tenant's desktops; whoever asks for one has asked for its desktop before."""

    def __init__(self, database: Database, wakeup: Wakeup) -> None:
        self._database, self._wakeup = database, wakeup

    async def begin(self, tenant_id: TenantId, desktop_id: UUID, look: Look) -> Begun | None:
        """Begin to keep a look, or make the last picture younger if that shows the same. None: it was deleted."""
        query = "select begin_screenshot($1, $2, $3, $4, $5, $6)"
        values = (new_id(), look.digest, look.width, look.height)
        async with self._database.open() as connection:
            found = await connection.fetchval(query, tenant_id, desktop_id, *values)
        if found is None:
            return None
        if not found["new"]:
            self._wakeup.touch(DESKTOPS, tenant_id)  # the last picture became younger
        return Begun(UUID(found["id"]), found["key"], found["new"])

    async def finish(self, tenant_id: TenantId, desktop_id: UUID, screenshot_id: UUID, size_bytes: int) -> None:
        """Its bytes are stored: show it, with an event. The second time nothing changes."""
        query = "select finish_screenshot($1, $2, $3, $4)"
        async with self._database.open() as connection:
            seq = await connection.fetchval(query, tenant_id, desktop_id, screenshot_id, size_bytes)
        if seq is not None:
            self._wakeup.poke(tenant_id, desktop_id, seq)
            self._wakeup.touch(DESKTOPS, tenant_id)

    async def latest(self, tenant_id: TenantId, desktop_id: UUID) -> Screenshot | None:
        """The last picture of a desktop."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(LATEST, desktop_id)
        return None if row is None else Screenshot(**row)

    async def newest(self, tenant_id: TenantId, desktop_ids: list[UUID]) -> dict[UUID, Screenshot]:
        """The last picture of each of these desktops that has one."""
        async with self._database.tenant(tenant_id) as connection:
            rows = await connection.fetch(NEWEST, desktop_ids)
        return {row["desktop_id"]: Screenshot(**row) for row in rows}

    async def get(self, tenant_id: TenantId, desktop_id: UUID, screenshot_id: UUID) -> Screenshot:
        """One picture of a desktop. Raises NotFound."""
        async with self._database.tenant(tenant_id) as connection:
            row = await connection.fetchrow(ONE, desktop_id, screenshot_id)
        if row is None:
            raise NotFound("screenshot", screenshot_id)
        return Screenshot(**row)

    async def of_task(self, tenant_id: TenantId, desktop_id: UUID, run_id: UUID) -> list[Screenshot]:
        """The first 500 pictures of a task, the oldest first."""
        async with self._database.tenant(tenant_id) as connection:
            return [Screenshot(**row) for row in await connection.fetch(OF_RUN, desktop_id, run_id)]

    async def is_at_work_for(self, caller: Caller, desktop_id: UUID) -> bool:
        """Whether the task that has the desktop right now is the caller's."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await connection.fetchval(HOLDER, desktop_id) == caller.person_id
