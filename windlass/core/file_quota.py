"""How much files of runs and archives of services may take in an organisation, each content counted once."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.core.database import Connection, Database
from windlass.core.errors import Conflict
from windlass.core.tenant_settings import FILES_QUOTA, TenantSettings

MiB = 1 << 20
MOST_AHEAD = 64 * MiB  # that is asked for ahead of a file whose size nobody knows
LOCK = "select pg_advisory_xact_lock(hashtextextended('files:' || $1, 0))"
KEPT = """
select (select coalesce(sum(size_bytes), 0) from file_content)::bigint
  + (select coalesce(sum(size_bytes), 0) from service_archive)::bigint
"""
ANNOUNCED = """
select coalesce(sum(coalesce(f.size_bytes, greatest(f.room_bytes, sent.bytes))), 0)::bigint
from upload_file f join upload u on u.id = f.upload_id cross join lateral (
  select coalesce(sum(c.size_bytes), 0) as bytes from upload_chunk c where f.size_bytes is null and c.file_id = f.id
) sent where f.digest is null and u.expires_at > clock_timestamp()
"""
STANDS = """
select coalesce(sum(c.size_bytes), 0)::bigint as sent_bytes, f.room_bytes
from upload_file f left join upload_chunk c on c.file_id = f.id where f.id = $1 group by f.id
"""
GROW = "update upload_file set room_bytes = greatest(room_bytes, $2) where id = $1"


@dataclass(frozen=True, slots=True)
class Growing:
    """A file whose size nobody knows: how much of it there is, how much was asked for, and how much comes now."""

    id: UUID
    sent_bytes: int
    room_bytes: int
    more_bytes: int

    @property
    def needs_room(self) -> bool:
        """Whether more is to be asked for; that sums all there is, and is to be done seldom."""
        return self.sent_bytes + self.more_bytes > self.room_bytes


class FileQuota:
    """The quota of each organisation: its own setting, or the installation's."""

    def __init__(self, database: Database, settings: TenantSettings) -> None:
        self._database, self._settings = database, settings

    async def bytes_of(self, tenant_id: TenantId) -> int:
        """The quota."""
        return await self._settings.value(tenant_id, FILES_QUOTA) * MiB

    async def grow(self, tenant_id: TenantId, file: Growing) -> None:
        """Make room for what comes, and for as much again as there is: at most half of the rest. Raises Conflict."""
        quota = await self.bytes_of(tenant_id)
        async with self._database.tenant(tenant_id) as connection:
            used = await _used(connection, tenant_id)
            stands = await connection.fetchrow(STANDS, file.id)
            if stands is None:  # it was cancelled meanwhile; whoever writes its chunk says so
                return
            sent_bytes: int = stands["sent_bytes"]
            # Of this file: what others asked for and have not kept yet, or what was asked for ahead.
            under_way: int = max(stands["room_bytes"] - sent_bytes, 0)
            left = quota - used + under_way - file.more_bytes
            if left < 0:
                raise _full(quota, used - under_way)
            room = sent_bytes + file.more_bytes + min(under_way, left)
            ahead = min(sent_bytes, MOST_AHEAD, max(left - under_way, 0) // 2)
            await connection.execute(GROW, file.id, room + ahead)

    async def within(self, tenant_id: TenantId, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """The same bytes, as long as they fit beside what is kept. Raises Conflict at the first that does not.

        Several that arrive at once do not see each other: together they may be over it by what is under way.
        """
        quota = await self.bytes_of(tenant_id)
        async with self._database.tenant(tenant_id) as connection:
            kept: int = await connection.fetchval(KEPT)
        total = kept
        async for chunk in chunks:
            total += len(chunk)
            if total > quota:
                raise _full(quota, kept)
            yield chunk


async def require_room(connection: Connection, tenant_id: TenantId, quota: int, announced_bytes: int) -> None:
    """Go on only where so much more fits beside what is kept and announced; one after the other. Raises Conflict."""
    used = await _used(connection, tenant_id)
    if used + announced_bytes > quota:
        raise _full(quota, used)


async def _used(connection: Connection, tenant_id: TenantId) -> int:
    """What is kept and announced, and stays so to the end of the transaction."""
    await connection.execute(LOCK, str(tenant_id))
    return await connection.fetchval(KEPT) + await connection.fetchval(ANNOUNCED)


def _full(quota: int, used: int) -> Conflict:
    return Conflict(
        f"Files of runs and archives of services may take {quota / MiB:,.0f} MiB in the organisation, and"
        f" {used / MiB:,.1f} MiB of that are in use or on their way. Nothing was kept. Remove files, or delete runs,"
        " whose files go with them; an archive goes a day after its last service; or have the quota raised"
        " (files_quota_mib)."
    )
