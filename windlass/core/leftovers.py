"""What is left over: uploads that no run took, and bytes of files, values, attachments and archives nothing names."""

import asyncio
from collections.abc import Sequence

from windlass.core.contents import key_of
from windlass.core.database import Database
from windlass.core.file_uploads import chunk_key, folder_of
from windlass.core.maintenance import Occasion, count
from windlass.core.sources import key_of as archive_key
from windlass.core.storage import Objects

BATCH = 200
EXPIRED = """
select id from upload where expires_at < clock_timestamp() - interval '1 hour'
order by expires_at limit $1 for update skip locked
"""  # an hour later: what is sent at the last moment has arrived by then
CHUNKS = """
select c.tenant_id, c.file_id, c.n, c.digest from upload_chunk c join upload_file f on f.id = c.file_id
where f.upload_id = any ($1)
"""
DROP = "delete from upload where id = any ($1)"
UNNAMED = """
select c.tenant_id, c.digest, c.size_bytes from file_content c
where c.touched_at < clock_timestamp() - interval '1 day'
  and not exists (select from run_file f where f.tenant_id = c.tenant_id and f.digest = c.digest)
  and not exists (select from upload_file f where f.tenant_id = c.tenant_id and f.digest = c.digest)
limit $1 for update of c skip locked
"""  # a day: what has just come is named in a moment
FORGET = """
delete from file_content c using unnest($1::uuid[], $2::text[]) as gone (tenant_id, digest)
where c.tenant_id = gone.tenant_id and c.digest = gone.digest
"""
UNUSED = """
select a.tenant_id, a.digest, a.size_bytes from artifact a
where a.touched_at < clock_timestamp() - interval '1 day'
  and not exists (select from artifact_use u where u.tenant_id = a.tenant_id and u.digest = a.digest)
  and not exists (select from session_file f where f.tenant_id = a.tenant_id and f.digest = a.digest)
  and not exists (select from session_before f where f.tenant_id = a.tenant_id and f.digest = a.digest)
  and not exists (select from session_attachment f where f.tenant_id = a.tenant_id and f.digest = a.digest)
limit $1 for update of a skip locked
"""
FORGET_UNUSED = FORGET.replace("file_content", "artifact")
UNSERVED = """
select a.tenant_id, a.digest, a.size_bytes from service_archive a
where a.touched_at < clock_timestamp() - interval '1 day'
  and not exists (select from service s where s.tenant_id = a.tenant_id and s.project = 'archive:' || a.digest)
  and not exists (select from service_backup b where b.tenant_id = a.tenant_id
                  and b.document @> jsonb_build_array(jsonb_build_object('project', 'archive:' || a.digest)))
limit $1 for update of a skip locked
"""
FORGET_UNSERVED = FORGET.replace("file_content", "service_archive")
GONE = """
delete from host where boot_id in (
  select h.boot_id from host h where h.ended_at < clock_timestamp() - interval '30 days'
    and exists (select from host newer where newer.service_id = h.service_id and newer.started_at > h.started_at)
  order by h.ended_at limit $1)
"""  # the last one stays: it says how it ended


class Leftovers:
    """Removes what is left over, bytes first: killed in between, the next one removes both again."""

    def __init__(self, jobs: Database, objects: Objects) -> None:
        self._jobs, self._objects = jobs, objects

    async def remove(self, occasion: Occasion) -> bool:
        """Remove some of it; whether there may be more."""
        uploads, files = await self._drop_uploads(occasion), await self._remove_contents(occasion)
        artifacts, archives = await self._remove_artifacts(occasion), await self._remove_archives(occasion)
        return uploads + files + artifacts + archives + await self._forget_processes(occasion) > 0

    async def _drop_uploads(self, occasion: Occasion) -> int:
        async with self._jobs.open() as connection, connection.transaction():
            ids = [row["id"] for row in await connection.fetch(EXPIRED, BATCH)]
            chunks = await connection.fetch(CHUNKS, ids)
            await self._delete([chunk_key(*each.values()) for each in chunks])
            await connection.execute(DROP, ids)
            await count(connection, occasion, {"uploads": len(ids)})
        return len(ids)

    async def _remove_contents(self, occasion: Occasion) -> int:
        """Whoever is given one of them meanwhile waits for the row, and then finds that it must be sent again."""
        async with self._jobs.open() as connection, connection.transaction():
            rows = await connection.fetch(UNNAMED, BATCH)
            await self._delete([f"{folder_of(row['tenant_id'])}/{row['digest']}" for row in rows])
            await connection.execute(FORGET, [row["tenant_id"] for row in rows], [row["digest"] for row in rows])
            freed = sum(row["size_bytes"] for row in rows)
            await count(connection, occasion, {"files": len(rows), "freed_bytes": freed})
        return len(rows)

    async def _remove_artifacts(self, occasion: Occasion) -> int:
        """Whoever is about to store one of them again waits for the row, and then stores it anew."""
        async with self._jobs.open() as connection, connection.transaction():
            rows = await connection.fetch(UNUSED, BATCH)
            await self._delete([key_of(row["tenant_id"], row["digest"]) for row in rows])
            await connection.execute(FORGET_UNUSED, [row["tenant_id"] for row in rows], [row["digest"] for row in rows])
            freed = sum(row["size_bytes"] for row in rows)
            await count(connection, occasion, {"artifacts": len(rows), "freed_bytes": freed})
        return len(rows)

    async def _remove_archives(self, occasion: Occasion) -> int:
        """Whoever sends one of them again, or is about to name it, waits for the row."""
        async with self._jobs.open() as connection, connection.transaction():
            rows = await connection.fetch(UNSERVED, BATCH)
            await self._delete([archive_key(row["tenant_id"], row["digest"]) for row in rows])
            gone = [row["tenant_id"] for row in rows], [row["digest"] for row in rows]
            await connection.execute(FORGET_UNSERVED, *gone)
            freed = sum(row["size_bytes"] for row in rows)
            await count(connection, occasion, {"archives": len(rows), "freed_bytes": freed})
        return len(rows)

    async def _forget_processes(self, occasion: Occasion) -> int:
        """Those of services that ended long ago."""
        async with self._jobs.open() as connection, connection.transaction():
            gone = int((await connection.execute(GONE, BATCH)).rpartition(" ")[2])
            await count(connection, occasion, {"processes": gone})
        return gone

    async def _delete(self, keys: Sequence[str]) -> None:
        """Delete to the end, also when nobody waits for it any more: their rows are locked until no byte can go."""
        task = asyncio.ensure_future(self._objects.delete(keys))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise
