"""The audit log: who did what, from where, with what before and after; rows are only ever added."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from windlass.core.callers import Caller
from windlass.core.database import Connection, Database

Facts = dict[str, Any]  # JSON: the part of the subject that changed; never a secret

INSERT = """
insert into audit
  (tenant_id, actor_id, actor_name, key_id, session_id, address, request_id, action, subject, before, after)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
INSERT_EACH = """
insert into audit (tenant_id, actor_id, actor_name, key_id, session_id, address, request_id, action, subject, before)
select $1, $2, $3, $4, $5, $6, $7, $8, each.subject, each.before
from unnest($9::text[], $10::jsonb[]) each (subject, before)
"""
LIST = """
select id, at, actor_id, actor_name, key_id, session_id, address, request_id, action, subject, before, after from audit
where ($1::text is null or action = $1) and ($2::text is null or subject = $2) and ($3::uuid is null or actor_id = $3)
  and ($4::bigint is null or id < $4) order by id desc limit $5
"""
SETTLED = """
select id, at, actor_id, actor_name, key_id, session_id, address, request_id, action, subject, before, after from audit
where id > $1 and at < clock_timestamp() - $2::interval order by id limit $3
"""
LAST_SETTLED = "select id, at from audit where at < clock_timestamp() - $1::interval order by id desc limit 1"
SETTLING = timedelta(seconds=5)  # a row has its number before it is committed: older ones may still come


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows a list shows; every condition is optional."""

    action: str | None = None
    subject: str | None = None
    actor_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done; without `actor_id` the system did it."""

    id: int
    at: datetime
    actor_id: UUID | None
    actor_name: str
    key_id: str | None
    session_id: UUID | None
    address: str
    request_id: str
    action: str
    subject: str
    before: Facts | None
    after: Facts | None


async def record(
    connection: Connection,
    caller: Caller,
    action: str,
    subject: str,
    *,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Add a row in the caller's transaction: `member.add`, `member:ID`. It commits with the change or not at all."""
    await connection.execute(
        INSERT, caller.tenant_id, caller.person_id, caller.name, caller.key_id, caller.session_id, caller.address,
        caller.request_id, action, subject, before, after,
    )  # fmt: skip


async def record_each(connection: Connection, caller: Caller, action: str, before: Mapping[str, Facts]) -> None:
    """Add a row for each subject, with what it was before, in one statement of the caller's transaction."""
    await connection.execute(
        INSERT_EACH, caller.tenant_id, caller.person_id, caller.name, caller.key_id, caller.session_id, caller.address,
        caller.request_id, action, list(before), list(before.values()),
    )  # fmt: skip


class Audit:
    """The rows of a tenant, the newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(
        self, caller: Caller, wanted: AuditFilter, *, limit: int = 50, after: int | None = None
    ) -> list[AuditEntry]:
        """The newest rows, those older than `after`."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, wanted.action, wanted.subject, wanted.actor_id, after, limit)
        return [AuditEntry(*row.values()) for row in rows]

    async def settled(self, caller: Caller, *, after: int, limit: int) -> list[AuditEntry]:
        """The oldest rows after `after`; those of the last 5 s wait, so that whoever follows the log misses none."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(SETTLED, after, SETTLING, limit)
        return [AuditEntry(*row.values()) for row in rows]

    async def last_settled(self, caller: Caller) -> tuple[int, datetime] | None:
        """The number and the time of the newest row that `settled` tells, if there is one."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(LAST_SETTLED, SETTLING)
        return None if row is None else (row["id"], row["at"])

    async def note(
        self, caller: Caller, action: str, subject: str, *, before: Facts | None = None, after: Facts | None = None
    ) -> None:
        """Add a row in a transaction of its own, for what happened outside the tenant's tables."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await record(connection, caller, action, subject, before=before, after=after)
