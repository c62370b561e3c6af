"""What an organisation sets for itself; where it sets nothing the installation's setting holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from windlass.contracts.ids import TenantId
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Rule:
    """A setting there is: a whole number of units within bounds; `is_ceiling`: no more than the installation's."""

    name: str
    least: int
    most: int
    unit: str
    summary: str
    is_ceiling: bool = False


SCREENSHOT_LINK = Rule(
    "screenshot_link_minutes",
    1,
    10_080,
    "minutes",
    "How long the signed address of a screenshot in a bucket is good for",
)
FILES_QUOTA = Rule(
    "files_quota_mib",
    0,
    1 << 30,
    "MiB",
    "How much files of runs and archives of services may take altogether, each content counted once",
    is_ceiling=True,
)
RULES = {rule.name: rule for rule in (SCREENSHOT_LINK, FILES_QUOTA)}

LIST = "select name, value, changed_at, changed_by from tenant_setting"
VALUE = "select value from tenant_setting where name = $1"
PUT = """
insert into tenant_setting (tenant_id, name, value, changed_by) values ($1, $2, $3, $4)
on conflict (tenant_id, name) do update set value = excluded.value, changed_by = excluded.changed_by,
  changed_at = clock_timestamp()
"""
DROP = "delete from tenant_setting where name = $1 returning value"


@dataclass(frozen=True, slots=True)
class TenantSetting:
    """A setting as it holds for an organisation; `is_own`: it set that itself, else the installation did."""

    rule: Rule
    value: int
    installation: int
    changed_at: datetime | None = None
    changed_by: str = ""

    @property
    def most(self) -> int:
        """What it may be set to at most."""
        return min(self.rule.most, self.installation) if self.rule.is_ceiling else self.rule.most

    @property
    def is_own(self) -> bool:
        """Whether the organisation set it itself."""
        return self.changed_at is not None


class TenantSettings:
    """The settings of organisations, over those of the installation."""

    def __init__(self, database: Database, installation: Mapping[str, int]) -> None:
        self._database, self._installation = database, installation

    async def value(self, tenant_id: TenantId, rule: Rule) -> int:
        """What holds for the organisation."""
        async with self._database.tenant(tenant_id) as connection:
            own: int | None = await connection.fetchval(VALUE, rule.name)
        installation = self._installation[rule.name]
        if own is None:
            return installation
        return min(own, installation) if rule.is_ceiling else own

    async def catalogue(self, caller: Caller) -> list[TenantSetting]:
        """Every setting there is, as it holds for the caller's organisation."""
        async with self._database.tenant(caller.tenant_id) as connection:
            own = {row["name"]: row for row in await connection.fetch(LIST)}
        return [
            TenantSetting(rule, row["value"], self._installation[name], row["changed_at"], row["changed_by"])
            if (row := own.get(name))
            else TenantSetting(rule, self._installation[name], self._installation[name])
            for name, rule in RULES.items()
        ]

    async def get(self, caller: Caller, name: str) -> TenantSetting:
        """One setting. Raises NotFound."""
        _rule(name)
        return next(each for each in await self.catalogue(caller) if each.rule.name == name)

    async def put(self, caller: Caller, name: str, value: int) -> TenantSetting:
        """Set it for the caller's organisation, from now on. Raises NotFound, Invalid."""
        self.check(caller, name, value)
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await connection.fetchval(VALUE, name)
            await connection.execute(PUT, caller.tenant_id, name, value, caller.name)
            known = None if before is None else {"value": before}
            await record(connection, caller, "setting.put", f"setting:{name}", before=known, after={"value": value})
        return await self.get(caller, name)

    def check(self, caller: Caller, name: str, value: int) -> None:
        """Go on only with a value that it may have. Raises NotFound, Invalid."""
        rule = _rule(name)
        most = TenantSetting(rule, value, self._installation[name]).most
        if not rule.least <= value <= most:
            wrong = FieldError("value", f"must be between {rule.least} and {most} {rule.unit}")
            raise Invalid("The setting was not changed.", (wrong,))

    async def reset(self, caller: Caller, name: str) -> None:
        """Have the installation's setting hold again. The second time nothing changes. Raises NotFound."""
        _rule(name)
        async with self._database.tenant(caller.tenant_id) as connection:
            before = await connection.fetchval(DROP, name)
            if before is not None:
                await record(connection, caller, "setting.reset", f"setting:{name}", before={"value": before})


def of_installation(settings: Settings) -> dict[str, int]:
    """What holds where an organisation sets nothing."""
    return {SCREENSHOT_LINK.name: settings.screenshot_link_minutes, FILES_QUOTA.name: settings.files_quota_mib}


def _rule(name: str) -> Rule:
    if name not in RULES:
        raise NotFound("setting", name)
    return RULES[name]
