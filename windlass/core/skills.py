"""Skills of an organisation: Markdown that models are told before they work in one of its desktops."""

import re
from dataclasses import dataclass
from datetime import datetime

from windlass.contracts.ids import TenantId
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MOST_BYTES, MOST_BYTES_IN_ALL = 8_000, 24_000
COLUMNS = "name, text, changed_at, changed_by"
LIST = f"select {COLUMNS} from desktop_skill order by name"  # noqa: S608 - constants
ONE = f"select {COLUMNS} from desktop_skill where name = $1"  # noqa: S608 - constants
OTHERS = "select coalesce(sum(octet_length(text)), 0) from desktop_skill where name <> $1"
PUT = """
insert into desktop_skill (tenant_id, name, text, changed_by) values ($1, $2, $3, $4)
on conflict (tenant_id, name) do update set text = excluded.text, changed_by = excluded.changed_by,
  changed_at = clock_timestamp()
"""
DROP = "delete from desktop_skill where name = $1"


@dataclass(frozen=True, slots=True)
class Skill:
    """One text, under a name."""

    name: str
    text: str
    changed_at: datetime
    changed_by: str

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        return len(self.text.encode())


class Skills:
    """The skills of a tenant, by name: in that order they are told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant_id: TenantId) -> list[Skill]:
        """All of them, for whoever tells them."""
        async with self._database.tenant(tenant_id) as connection:
            return [Skill(**row) for row in await connection.fetch(LIST)]

    async def catalogue(self, caller: Caller) -> list[Skill]:
        """All of them, for whoever reads them."""
        return await self.of(caller.tenant_id)

    async def get(self, caller: Caller, name: str) -> Skill:
        """The skill of that name. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(ONE, name)
        if row is None:
            raise NotFound("desktop skill", name)
        return Skill(**row)

    async def put(self, caller: Caller, name: str, text: str) -> Skill:
        """Write a skill down, or another in its place, for tasks that begin from now on. Raises Invalid, Conflict."""
        size_bytes = checked_skill(name, text)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 6))", str(caller.tenant_id))
            others = await connection.fetchval(OTHERS, name)
            if others + size_bytes > MOST_BYTES_IN_ALL:
                raise Conflict(
                    f"All skills together may have {MOST_BYTES_IN_ALL} bytes, and the others have {others}. "
                    "Shorten one first; nothing was changed."
                )
            before = await connection.fetchrow(ONE, name)
            await connection.execute(PUT, caller.tenant_id, name, text, caller.name)
            known = {"text": before["text"]} if before else None
            subject = f"desktop-skill:{name}"
            await record(connection, caller, "desktop-skill.put", subject, before=known, after={"text": text})
        return await self.get(caller, name)

    async def remove(self, caller: Caller, name: str) -> None:
        """Delete a skill. Raises NotFound."""
        found = await self.get(caller, name)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(DROP, name)
            subject = f"desktop-skill:{name}"
            await record(connection, caller, "desktop-skill.delete", subject, before={"text": found.text})


def checked_skill(name: str, text: str) -> int:
    """How many bytes the text has. Raises Invalid."""
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        size_bytes = MOST_BYTES + 1
    wrong: list[FieldError] = []
    if not NAME.fullmatch(name):
        wrong.append(FieldError("name", "must be lower-case letters, digits and -, at most 63"))
    if not text.strip() or size_bytes > MOST_BYTES or "\0" in text:
        wrong.append(FieldError("text", f"must have between 1 and {MOST_BYTES} bytes of text"))
    if wrong:
        raise Invalid("No skill was changed.", tuple(wrong))
    return size_bytes
