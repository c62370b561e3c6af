"""What has become of the files of a session since it began: which were added, changed, removed, and how, in lines."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.errors import NotFound

MOST, COMPARED = 200, 50  # files that are listed, and that are compared
MOST_BYTES, MOST_LINES, MOST_SHOWN = 256 * 1024, 1_000, 400  # of one file; lines that differ; lines of a comparison
MOST_SIGNS = 500  # of a line
CONTEXT = 3
STARTS = re.compile(r"([-+])(\d+)")  # of the parts, in the head of a hunk
CHANGED = """
select path, b.digest as was, f.digest as now, b.size_bytes as was_bytes, coalesce(f.size_bytes, 0) as now_bytes
from session_before b left join session_file f using (session_id, path)
where b.session_id = $1 and b.digest is distinct from f.digest order by path limit $2
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that is not as it was; a digest that is none: there was none then, or there is none now."""

    path: str
    was: str | None
    now: str | None
    was_bytes: int
    now_bytes: int

    @property
    def kind(self) -> str:
        """What has become of it."""
        return "added" if self.was is None else "removed" if self.now is None else "changed"


@dataclass(frozen=True, slots=True)
class Compared:
    """A change line by line, as a unified diff with its counts; `problem` says why there is none."""

    file: Changed
    lines: Sequence[str] = ()
    added: int = 0
    removed: int = 0
    problem: str = ""


class Changes:
    """The changes of the files of a tenant's sessions."""

    def __init__(self, database: Database, contents: Contents) -> None:
        self._database, self._contents = database, contents

    async def changed(self, tenant_id: TenantId, session_id: UUID) -> list[Changed]:
        """The files that are not as they were, by their path."""
        async with self._database.tenant(tenant_id) as connection:
            return [Changed(**row) for row in await connection.fetch(CHANGED, session_id, MOST)]

    async def compared(self, tenant_id: TenantId, session_id: UUID) -> list[Compared]:
        """The same, line by line; those after the first fifty are named alone."""
        changes = await self.changed(tenant_id, session_id)
        told = [await self._compare(tenant_id, each) for each in changes[:COMPARED]]
        return [*told, *(Compared(each, problem="It is one of too many to compare.") for each in changes[COMPARED:])]

    async def _compare(self, tenant_id: TenantId, file: Changed) -> Compared:
        if max(file.was_bytes, file.now_bytes) > MOST_BYTES:
            return Compared(file, problem="It is too large to compare.")
        try:
            was, now = [await self._lines(tenant_id, each) for each in (file.was, file.now)]
        except UnicodeDecodeError:
            return Compared(file, problem="It is not a text.")
        except NotFound:
            return Compared(file, problem="What was in it is no longer in store.")
        return await asyncio.to_thread(compare, file, was, now)

    async def _lines(self, tenant_id: TenantId, digest: str | None) -> list[str]:
        content = b"" if digest is None else await self._contents.get(tenant_id, digest)
        if b"\0" in content:
            raise UnicodeDecodeError("utf-8", content[:1], 0, 1, "a text holds no zero")
        return content.decode().splitlines()


def compare(file: Changed, was: Sequence[str], now: Sequence[str]) -> Compared:
    """What changed between two texts. What takes too long to find is not looked for, nor where both are the same."""
    same, rest = _alike(was, now)
    if max(len(was), len(now)) - same - rest > MOST_LINES and was and now:
        return Compared(file, problem=f"More than {MOST_LINES} lines differ.")
    lead, tail = max(same - CONTEXT, 0), max(rest - CONTEXT, 0)
    old, new = (text[lead : len(text) - tail] for text in (was, now))
    lines = list(islice(unified_diff(old, new, n=CONTEXT, lineterm=""), 2, None))  # without the names
    added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    more = len(lines) - MOST_SHOWN
    shown = [_shown(line, lead) for line in lines[:MOST_SHOWN]]
    return Compared(file, [*shown, *([f" … {more} more lines"] if more > 0 else [])], added, removed)


def _alike(was: Sequence[str], now: Sequence[str]) -> tuple[int, int]:
    """With how many lines both begin, and with how many others both end."""
    most = min(len(was), len(now))
    same = next((place for place in range(most) if was[place] != now[place]), most)
    return same, next((place for place in range(most - same) if was[-1 - place] != now[-1 - place]), most - same)


def _shown(line: str, lead: int) -> str:
    """A line as it is shown: not endless, and the heads count from the first line of the text."""
    if line.startswith("@@"):
        return STARTS.sub(lambda start: f"{start[1]}{int(start[2]) + lead}", line)
    return line if len(line) <= MOST_SIGNS else f"{line[:MOST_SIGNS]} …"
