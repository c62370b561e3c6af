"""Flows of a service as somebody edits them: what is said of them, and whether they start; kept across boots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import NotFound
from windlass.core.live_runs import LIVE_STATUSES

EDITABLE = ("display", "description", "tags", "author", "organization", "enabled")
COLUMNS = """
f.name as agent, f.path, coalesce(e.display, nullif(f.summary, ''), f.name) as display,
coalesce(e.description, f.description) as description, coalesce(e.tags, f.tags) as tags,
coalesce(e.author, f.meta->>'author') as author, coalesce(e.organization, f.meta->>'organization') as organization,
coalesce(e.enabled, true) as enabled, s.state = 'running' as is_up, e.updated_at as edited_at,
array_remove(array[case when e.display is not null then 'display' end,
  case when e.description is not null then 'description' end, case when e.tags is not null then 'tags' end,
  case when e.author is not null then 'author' end,
  case when e.organization is not null then 'organization' end], null) as edited
"""
EDITED = "left join flow_edit e on e.service_id = f.service_id and f.name = s.name || '/' || e.name"
QUERY = f"""
select {COLUMNS}, r.finished, r.failed, r.cancelled, r.live, r.mean_s
from flow f join service s on s.id = f.service_id {EDITED}
cross join lateral (
  select count(*) filter (where status = 'finished') as finished, count(*) filter (where status = 'failed') as failed,
    count(*) filter (where status = 'cancelled') as cancelled, count(*) filter (where ended_at is null) as live,
    round(extract(epoch from avg(ended_at - started_at) filter (where status = 'finished')), 3)::float8 as mean_s
  from run where agent = f.name and (ended_at >= now() - interval '24 hours'
    or status in {LIVE_STATUSES})
) r
where ($1::text is null or s.name = $1) and ($2::text is null or f.name = $2) order by s.name, f.position
"""  # noqa: S608 - constants
TURN = "select id from service where name = $1 for no key update"  # who edits other fields at once waits
EDIT = "select * from flow_edit where service_id = $1 and name = $2"
CHANGE = """
insert into flow_edit
  (tenant_id, service_id, name, display, description, tags, author, organization, enabled, edited_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, true), $10)
on conflict (service_id, name) do update set display = excluded.display, description = excluded.description,
  tags = excluded.tags, author = excluded.author, organization = excluded.organization, enabled = excluded.enabled,
  edited_by = excluded.edited_by, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow of a service; `edited` are the fields that somebody set, the others are as the service says.

    The figures are those of the last 24 hours; `live` runs are those that have not ended.
    """

    agent: str
    path: str
    display: str
    description: str
    tags: tuple[str, ...]
    author: str | None
    organization: str | None
    enabled: bool
    is_up: bool
    edited: tuple[str, ...]
    edited_at: datetime | None
    finished: int
    failed: int
    cancelled: int
    live: int
    mean_s: float | None

    @property
    def name(self) -> str:
        """Its name within the service."""
        return self.agent.partition("/")[2]

    @property
    def available(self) -> bool:
        """Whether a run of it would begin at once."""
        return self.enabled and self.is_up


class Flows:
    """The flows of a tenant's services."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def catalogue(self, caller: Caller) -> list[Flow]:
        """The flows of all services, also those that do not start."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [_flow(row) for row in await connection.fetch(QUERY, None, None)]

    async def of(self, caller: Caller, service: str) -> list[Flow]:
        """The flows of a service, in its order. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            if await connection.fetchval("select true from service where name = $1", service) is None:
                raise NotFound("service", service)
            return [_flow(row) for row in await connection.fetch(QUERY, service, None)]

    async def change(self, caller: Caller, service: str, name: str, changes: Mapping[str, Any]) -> Flow:
        """Set what is sent and nothing else; None has the service's own word stand again. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            service_id = await connection.fetchval(TURN, service)
            if await connection.fetchrow(QUERY, service, f"{service}/{name}") is None:
                raise NotFound("flow", f"{service}/{name}")
            known = await connection.fetchrow(EDIT, service_id, name)
            wanted = {each: known and known[each] for each in EDITABLE} | dict(changes)
            edit = [wanted[each] for each in EDITABLE]
            await connection.execute(CHANGE, caller.tenant_id, service_id, name, *edit, caller.person_id)
            before = {each: known and known[each] for each in changes}
            await record(
                connection, caller, "flow.change", f"agent:{service}/{name}", before=before, after=dict(changes)
            )
            changed = await connection.fetchrow(QUERY, service, f"{service}/{name}")
        assert changed is not None  # noqa: S101 - the service's row is ours
        return _flow(changed)


def _flow(row: Row) -> Flow:
    values: dict[str, Any] = {**row, "tags": tuple(row["tags"]), "edited": tuple(row["edited"])}
    return Flow(**values)
