"""What the hosts of a service printed, as long as their files are on the machine of whoever asks."""

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import NotFound

MOST_BYTES = 64 * 1024  # of each host
NEWEST = 12  # hosts looked at: of those that are gone the last few have a file
BOOT_ID = re.compile("[0-9a-f]{32}")
QUERY = """
select h.boot_id, h.node, h.replica, h.pid, h.started_at, h.ended_at from host h
where h.service_id = $1 order by h.ended_at is not null, h.started_at desc limit $2
"""


@dataclass(frozen=True, slots=True)
class HostLog:
    """The last lines of a host, which serves or has ended; `text` is None where its machine is another one."""

    replica: int
    node: str
    pid: int | None
    started_at: datetime
    ended_at: datetime | None
    text: str | None
    is_cut: bool


class HostLogs:
    """Reads the files in which a services worker of this machine keeps what hosts print."""

    def __init__(self, database: Database, folder: Path, here: str) -> None:
        self._database, self._folder, self._here = database, folder, here

    async def of(self, caller: Caller, name: str) -> tuple[HostLog, ...]:
        """Those of a service: the hosts that serve first, then the newest that have ended. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            service_id: UUID | None = await connection.fetchval("select id from service where name = $1", name)
            if service_id is None:
                raise NotFound("service", name)
            rows = await connection.fetch(QUERY, service_id, NEWEST)
        found = await asyncio.gather(*(asyncio.to_thread(self._read, service_id, row) for row in rows))
        return tuple(each for each in found if each is not None)

    def _read(self, service_id: UUID, row: Row) -> HostLog | None:
        """The log of a host; None where it has ended and its file is gone."""
        facts = (row["replica"], row["node"], row["pid"] or None, row["started_at"], row["ended_at"])
        if row["node"] == self._here and BOOT_ID.fullmatch(row["boot_id"]):
            with suppress(FileNotFoundError):  # its worker tidies up meanwhile
                for path in self._folder.glob(f"host-*-{str(service_id)[-8:]}-{row['boot_id']}.log"):
                    return HostLog(*facts, *_tail(path))
        return None if row["ended_at"] else HostLog(*facts, None, is_cut=False)


def _tail(path: Path) -> tuple[str, bool]:
    """The last lines of a file, and whether there are more before them."""
    with path.open("rb") as file:
        begins = max(file.seek(0, os.SEEK_END) - MOST_BYTES, 0)
        file.seek(begins)
        said = file.read(MOST_BYTES)
    whole = said.partition(b"\n")[2] if begins else said
    return whole.decode(errors="replace").strip("\n"), begins > 0
