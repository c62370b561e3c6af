"""What the services of an organisation have where they say nothing themselves: variables, replicas, limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import FieldError, Invalid
from windlass.core.services import CHANGED_CHANNEL, DEFAULTS_LOCK
from windlass.core.vault import Vault
from windlass.core.wakeup import Wakeup

PLACE = "services/defaults"  # what its secrets are sealed for

READ = "select env, secrets, secret_names, replicas, memory_mib, updated_at, updated_by from service_defaults"
# A service that is added in the same instant inherits what is said here, or is seen by it.
SAYING = f"select pg_advisory_xact_lock({DEFAULTS_LOCK})"
PLANT = "insert into service_defaults (tenant_id) values ($1) on conflict do nothing"
WRITE = """
update service_defaults set env = $1, secrets = $2, secret_names = $3, replicas = $4, memory_mib = $5,
  updated_at = now(), updated_by = $6
"""
FOLLOW = "update service set replicas = $1 where not own_replicas and url = '' and replicas <> $1"


@dataclass(frozen=True, slots=True)
class NewDefaults:
    """All that is inherited from now on: a variable that is not named goes, one without a value keeps its own.

    Without `secrets` these stay as they are.
    """

    env: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    secrets: Mapping[str, str | None] | None = field(default_factory=dict[str, str | None], repr=False)
    replicas: int = 1
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is inherited; `memory_mib` is what a process may use, None: half of its machine."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_names: tuple[str, ...] = ()
    replicas: int = 1
    memory_mib: int | None = None
    updated_at: datetime | None = None
    updated_by: str = ""


class ServiceDefaults:
    """The defaults of a tenant's services. What a service says itself stands, whatever is said here.

    Variables and limits count from the next start of a process on; another number of replicas counts at once.
    """

    def __init__(self, database: Database, wakeup: Wakeup, vault: Vault) -> None:
        self._database, self._wakeup, self._vault = database, wakeup, vault

    async def get(self, caller: Caller) -> Defaults:
        """The defaults as they are."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(READ)
        return Defaults() if row is None else _defaults(row)

    async def put(self, caller: Caller, wish: NewDefaults) -> Defaults:
        """Have these from now on; the second time nothing changes. Raises Invalid where a value is missing."""
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(SAYING, str(caller.tenant_id))
            await connection.execute(PLANT, caller.tenant_id)
            row = await connection.fetchrow(f"{READ} for no key update")
            assert row is not None  # noqa: S101 - it was planted
            sealed: bytes | None = row["secrets"]
            known = {} if sealed is None else self._vault.open(caller.tenant_id, PLACE, sealed)
            wish = replace(wish, secrets=dict.fromkeys(known) if wish.secrets is None else wish.secrets)
            env, secrets = _filled("env", row["env"], wish.env), _filled("secrets", known, wish.secrets or {})
            sealed = self._vault.seal(caller.tenant_id, PLACE, secrets) if secrets else None
            names = sorted(secrets)
            await connection.execute(WRITE, env, sealed, names, wish.replicas, wish.memory_mib, caller.name)
            await connection.execute(FOLLOW, wish.replicas)
            await _record(connection, caller, _defaults(row), wish)
        self._wakeup.send(CHANGED_CHANNEL, "")
        return await self.get(caller)


def _filled(place: str, known: Mapping[str, str], wish: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that are named, with the values they are given or have. Raises Invalid."""
    missing = [name for name, value in wish.items() if value is None and name not in known]
    if missing:
        wrong = tuple(FieldError(f"{place}.{name}", "has no value yet, so it needs one") for name in missing)
        raise Invalid("The defaults were not changed.", wrong)
    return {name: known[name] if value is None else value for name, value in wish.items()}


async def _record(connection: Connection, caller: Caller, before: Defaults, wish: NewDefaults) -> None:
    """Who said what, of variables by name alone."""
    known = {"env": sorted(before.env), "secrets": list(before.secret_names)}
    said = {"env": sorted(wish.env), "secrets": sorted(wish.secrets or ())}
    await record(
        connection, caller, "service.defaults", "services",
        before={**known, "replicas": before.replicas, "memory_mib": before.memory_mib},
        after={**said, "replicas": wish.replicas, "memory_mib": wish.memory_mib},
    )  # fmt: skip


def _defaults(row: Row) -> Defaults:
    return Defaults(
        row["env"], tuple(row["secret_names"]), row["replicas"], row["memory_mib"], row["updated_at"], row["updated_by"]
    )
