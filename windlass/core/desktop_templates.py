"""Templates of desktops: the installation's, which always exist, and a tenant's own, within the operator's bounds."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self

from windlass.contracts.desktops import STANDARD, Template
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.egress import Networks, checked_ways
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, Stale
from windlass.core.settings import Settings

MiB = 1 << 20
MOST_OWN = 50
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
IMAGE = re.compile(r"sha256:[0-9a-f]{64}")
SMALLEST_BYTES, SMALLEST_HOME_BYTES = 256 * MiB, 16 * MiB
COLUMNS = "name, version, made_of, changed_at, changed_by, tenant_id = current_tenant() as is_own"
LIST = f"""
select distinct on (name) {COLUMNS} from desktop_template where deleted_at is null
order by name, tenant_id = current_tenant() desc
"""  # noqa: S608 - constants
ONE = f"select {COLUMNS} from desktop_template_of(current_tenant(), $1)"  # noqa: S608 - constants
OWN = "select count(*) from desktop_template where tenant_id = current_tenant() and deleted_at is null and name <> $1"
PUT = """
insert into desktop_template as t (tenant_id, name, made_of, changed_by) values ($1, $2, $3, $4)
on conflict (tenant_id, name) do update set version = t.version + 1, made_of = excluded.made_of,
  changed_by = excluded.changed_by, changed_at = clock_timestamp(), deleted_at = null
"""
DROP = """
update desktop_template set version = version + 1, deleted_at = clock_timestamp(), changed_at = clock_timestamp()
where tenant_id = $1 and name = $2 and deleted_at is null
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a machine one desktop may have, and which private networks it may reach, as the operator says."""

    memory_bytes: int
    cpus: float
    lifetime_s: int
    processes: int = 4096
    home_bytes: int = 100 << 30
    private: Networks = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The bounds of an installation."""
        memory, hours = settings.desktop_most_memory_mib * MiB, settings.desktop_most_hours
        home, private = settings.desktop_most_home_mib * MiB, settings.egress_networks
        return cls(memory, settings.desktop_most_cpus, hours * 3600, home_bytes=home, private=private)

    def held(self, made_of: Template) -> Template:
        """A template with no more than this: it may have been written down under other bounds."""
        return replace(
            made_of,
            memory_bytes=min(made_of.memory_bytes, self.memory_bytes),
            cpus=min(made_of.cpus, self.cpus),
            processes=min(made_of.processes, self.processes),
        )


@dataclass(frozen=True, slots=True)
class DesktopTemplate:
    """One template as it stands; `version` counts its changes, `is_own`: the tenant's, not the installation's."""

    name: str
    version: int
    made_of: Template
    changed_at: datetime
    changed_by: str
    is_own: bool

    @property
    def etag(self) -> str:
        """Changes with every edit, and when the tenant's own takes the place of the installation's."""
        return f"{'own' if self.is_own else 'built-in'}-{self.version}"


class DesktopTemplates:
    """The templates of a tenant. A change is for desktops that start after it; a running one stays as it was made."""

    def __init__(self, database: Database, bounds: Bounds) -> None:
        self._database, self._bounds = database, bounds

    async def catalogue(self, caller: Caller) -> list[DesktopTemplate]:
        """All templates by name, `standard` first."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _catalogue(connection)

    async def get(self, caller: Caller, name: str) -> DesktopTemplate:
        """The template of that name. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _get(connection, name)

    async def put(self, caller: Caller, name: str, made_of: Template, if_match: str | None = None) -> DesktopTemplate:
        """Write a template down, or another in its place. Raises Invalid, Conflict, Stale."""
        made_of = self.check(caller, name, made_of)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 5))", str(caller.tenant_id))
            before = await _find(connection, name)
            _match(before, name, if_match)
            if await connection.fetchval(OWN, name) >= MOST_OWN:
                raise Conflict(f"There are {MOST_OWN} templates, and {MOST_OWN} is the limit. Nothing was changed.")
            await connection.execute(PUT, caller.tenant_id, name, asdict(made_of), caller.name)
            known = asdict(before.made_of) if before else None
            await record(
                connection, caller, "desktop-template.put", f"desktop-template:{name}",
                before=known, after=asdict(made_of),
            )  # fmt: skip
            return await _get(connection, name)

    async def remove(self, caller: Caller, name: str) -> None:
        """Delete the tenant's own; one of the installation's of that name is in force again.

        Desktops that were made of it go on with what they are made of. Raises NotFound, Conflict.
        """
        async with self._database.tenant(caller.tenant_id) as connection:
            found = await _get(connection, name)
            if not found.is_own:
                raise Conflict(f"The template {name} is the installation's and stays. Nothing was changed.")
            await connection.execute(DROP, caller.tenant_id, name)
            subject = f"desktop-template:{name}"
            await record(connection, caller, "desktop-template.delete", subject, before=asdict(found.made_of))

    def check(self, caller: Caller, name: str, made_of: Template) -> Template:
        """The template as it is kept. Raises Invalid, with everything that is out of bounds."""
        if not NAME.fullmatch(name):
            rule = "must be lower-case letters, digits and -, at most 63"
            raise Invalid("No template was changed.", (FieldError("name", rule),))
        bounds = self._bounds
        limits: tuple[tuple[str, float, float], ...] = (
            ("width", 640, 3840),
            ("height", 480, 2160),
            ("memory_bytes", SMALLEST_BYTES, bounds.memory_bytes),
            ("home_bytes", SMALLEST_HOME_BYTES, bounds.home_bytes),
            ("cpus", 0.1, bounds.cpus),
            ("processes", 64, bounds.processes),
            ("lifetime_s", 60, bounds.lifetime_s),
            ("idle_s", 60, made_of.lifetime_s),
        )
        values = asdict(made_of)
        wrong = [
            FieldError(name, f"must be between {least:g} and {most:.15g}")
            for name, least, most in limits
            if not least <= values[name] <= most
        ]
        if made_of.image and not IMAGE.fullmatch(made_of.image):
            wrong.append(FieldError("image", "must be the digest of an image: sha256: and 64 hexadecimal digits"))
        ways, closed = checked_ways(made_of.egress, bounds.private)
        if wrong or closed:
            raise Invalid("No template was changed.", (*wrong, *closed))
        return replace(made_of, egress=ways)


async def find_template(connection: Connection, name: str) -> DesktopTemplate:
    """The template of that name, in a transaction of its tenant. Raises Invalid, with the names there are."""
    found = await _find(connection, name)
    if found is None:
        known = ", ".join(each.name for each in await _catalogue(connection))
        raise Invalid("Nothing was made.", (FieldError("template", f"must be one of: {known}"),))
    return found


async def _catalogue(connection: Connection) -> list[DesktopTemplate]:
    found = [_template(row) for row in await connection.fetch(LIST)]
    return sorted(found, key=lambda each: each.name != STANDARD)


async def _get(connection: Connection, name: str) -> DesktopTemplate:
    found = await _find(connection, name)
    if found is None:
        raise NotFound("desktop template", name)
    return found


async def _find(connection: Connection, name: str) -> DesktopTemplate | None:
    rows: Sequence[Row] = await connection.fetch(ONE, name)
    return _template(rows[0]) if rows else None


def _match(before: DesktopTemplate | None, name: str, if_match: str | None) -> None:
    if if_match is not None and (before is None or if_match != before.etag):
        raise Stale(f"The template {name} was changed since you read it. Nothing was changed; read it again.")


def _template(row: Row) -> DesktopTemplate:
    values: dict[str, Any] = {**row, "made_of": Template.of(row["made_of"])}
    return DesktopTemplate(**values)
