"""What the hosts of a service printed, as long as their files are on the machine of whoever asks."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from windlass.core.callers import Caller
from windlass.core.database import Database, Row
from windlass.core.errors import FieldError, Invalid, NotFound

MOST_BYTES = 64 * 1024  # of each host
NEWEST = 12  # hosts looked at: of those that are gone the last few have a file
BOOT_ID = re.compile("[0-9a-f]{32}")
CURSOR = re.compile(r"([0-9a-f]{32}:\d{1,15}(\.[0-9a-f]{32}:\d{1,15}){0,49})?")
QUERY = """
select h.boot_id, h.node, h.replica, h.pid, h.started_at, h.ended_at from host h
where h.service_id = $1 order by h.ended_at is not null, h.started_at desc limit $2
"""


@dataclass(frozen=True, slots=True)
class HostLog:
    """The last lines of a host, which serves or has ended; `text` is None where its machine is another one.

    `rest` is what `text` ends with: a line without its end, which is told again. `is_cut`: more was printed before.
    """

    id: str
    replica: int
    node: str
    pid: int | None
    started_at: datetime
    ended_at: datetime | None
    text: str | None
    is_cut: bool
    rest: str = ""
    end: int = 0  # how far whole lines of the file have been told


@dataclass(frozen=True, slots=True)
class _Piece:
    """What was read of a file."""

    text: str
    is_cut: bool
    rest: str
    end: int


def cursor_of(logs: Sequence[HostLog]) -> str:
    """Where to go on reading."""
    return ".".join(f"{each.id}:{each.end}" for each in logs if each.text is not None)


class HostLogs:
    """Reads the files in which a services worker of this machine keeps what hosts print."""

    def __init__(self, database: Database, folder: Path, here: str) -> None:
        self._database, self._folder, self._here = database, folder, here

    async def of(self, caller: Caller, name: str, since: str = "") -> tuple[HostLog, ...]:
        """Those of a service: the hosts that serve first, then the newest that have ended. Raises NotFound, Invalid.

        `since` is the cursor of what was read before: of hosts it names only what came after that.
        """
        ends = _ends(since)
        async with self._database.tenant(caller.tenant_id) as connection:
            service_id: UUID | None = await connection.fetchval("select id from service where name = $1", name)
            if service_id is None:
                raise NotFound("service", name)
            rows = await connection.fetch(QUERY, service_id, NEWEST)
        found = await asyncio.gather(*(asyncio.to_thread(self._read, service_id, row, ends) for row in rows))
        return tuple(each for each in found if each is not None)

    def _read(self, service_id: UUID, row: Row, ends: Mapping[str, int]) -> HostLog | None:
        """The log of a host; None where it has ended and its file is gone."""
        facts = (row["boot_id"], row["replica"], row["node"], row["pid"] or None, row["started_at"], row["ended_at"])
        if row["node"] == self._here and BOOT_ID.fullmatch(row["boot_id"]):
            with suppress(FileNotFoundError):  # its worker tidies up meanwhile
                for path in self._folder.glob(f"host-*-{str(service_id)[-8:]}-{row['boot_id']}.log"):
                    piece = _tail(path, ends.get(row["boot_id"]), has_ended=row["ended_at"] is not None)
                    return HostLog(*facts, piece.text, piece.is_cut, piece.rest, piece.end)
        return None if row["ended_at"] else HostLog(*facts, None, is_cut=False)


def _ends(cursor: str) -> dict[str, int]:
    """How far each host was read. Raises Invalid."""
    if not CURSOR.fullmatch(cursor):
        raise Invalid("Nothing was read.", (FieldError("since", "must be the cursor of an answer before"),))
    pairs = (each.partition(":") for each in cursor.split(".") if each)
    return {boot_id: int(end) for boot_id, _, end in pairs}


def _tail(path: Path, since: int | None, *, has_ended: bool) -> _Piece:
    """The last lines of a file; after a place as they are, for whoever follows has them below what is there."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        begins = max(size - MOST_BYTES, min(since or 0, size))
        file.seek(begins)
        said = file.read(MOST_BYTES)
    is_cut = begins > (since or 0)
    kept = said.partition(b"\n")[2] if is_cut and b"\n" in said else said
    rest = b"" if has_ended else kept[kept.rfind(b"\n") + 1 :]
    end = begins + len(said) - len(rest)
    text = kept.decode(errors="replace")
    return _Piece(text.strip("\n") if since is None else text, is_cut, rest.decode(errors="replace"), end)
