"""How much files of runs and archives of services may take in an organisation, each content counted once."""

from collections.abc import AsyncGenerator, AsyncIterable

from windlass.contracts.ids import TenantId
from windlass.core.database import Connection, Database
from windlass.core.errors import Conflict
from windlass.core.tenant_settings import FILES_QUOTA, TenantSettings

MiB = 1 << 20
LOCK = "select pg_advisory_xact_lock(hashtextextended('files:' || $1, 0))"
KEPT = """
select (select coalesce(sum(size_bytes), 0) from file_content)::bigint
  + (select coalesce(sum(size_bytes), 0) from service_archive)::bigint
"""
ANNOUNCED = """
with open_file as (
  select f.id, f.size_bytes from upload_file f join upload u on u.id = f.upload_id
  where f.digest is null and u.expires_at > clock_timestamp())
select (select coalesce(sum(size_bytes), 0) from open_file)::bigint
  + (select coalesce(sum(c.size_bytes), 0) from upload_chunk c join open_file f on f.id = c.file_id
     where f.size_bytes is null)::bigint
"""


class FileQuota:
    """The quota of each organisation: its own setting, or the installation's."""

    def __init__(self, database: Database, settings: TenantSettings) -> None:
        self._database, self._settings = database, settings

    async def bytes_of(self, tenant_id: TenantId) -> int:
        """The quota."""
        return await self._settings.value(tenant_id, FILES_QUOTA) * MiB

    async def require(self, tenant_id: TenantId, more_bytes: int) -> None:
        """Go on only where so much more fits beside what is kept and announced. Raises Conflict."""
        quota = await self.bytes_of(tenant_id)
        async with self._database.tenant(tenant_id) as connection:
            await require_room(connection, tenant_id, quota, more_bytes)

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
    await connection.execute(LOCK, str(tenant_id))
    used: int = await connection.fetchval(KEPT) + await connection.fetchval(ANNOUNCED)
    if used + announced_bytes > quota:
        raise _full(quota, used)


def _full(quota: int, used: int) -> Conflict:
    return Conflict(
        f"Files of runs and archives of services may take {quota / MiB:,.0f} MiB in the organisation, and"
        f" {used / MiB:,.1f} MiB of that are in use or on their way. Nothing was kept. Remove files, or delete runs,"
        " whose files go with them; an archive goes a day after its last service; or have the quota raised"
        " (files_quota_mib)."
    )
