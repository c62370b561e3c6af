"""Services: the programs of a tenant that offer agents."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from windlass.contracts.ids import ServiceId, new_id
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, Stale
from windlass.core.vault import Vault
from windlass.core.wakeup import Wakeup

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
RESERVED = frozenset({"backups", "boot", "exchange", "export", "import", "health", "defaults", "claude", "desktop"})
INHERITED = 0
FAILED = frozenset({"unhealthy", "deploy_failed"})
UNREAD = "Its flows were not read yet. Refresh it."
MOST_VARIABLES = 500  # of a service, its secrets among them: its processes are given all of them at their start
CHANGED_CHANNEL = "services"  # tells the services workers to look


@dataclass(frozen=True, slots=True)
class NewService:
    """The wish to have a program served: its folder and `module:app` inside it. Without both it is a draft.

    One that others run has neither, but the `url` of its OpenAPI document. `display` is what it is called on pages.
    """

    name: str
    project: str = ""
    import_path: str = ""
    env: dict[str, str] = field(default_factory=dict[str, str])
    enabled: bool = True
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    python: str = ""
    url: str = ""
    replicas: int | None = None  # as the organisation's defaults say
    display: str = ""


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """What is to become different; None leaves it as it is. In `env` and `secrets` a None takes one away.

    `INHERITED` replicas are those that the organisation's defaults say.
    """

    project: str | None = None
    import_path: str | None = None
    env: dict[str, str | None] | None = None
    enabled: bool | None = None
    secrets: dict[str, str | None] | None = None
    name: str | None = None
    python: str | None = None
    replicas: int | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """One of the processes that serve a service: its host, and how it has been doing since when."""

    n: int
    state: str
    since: datetime | None
    reason: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class Service:
    """A service and how it is doing; `pid` is the process of a host, `flows` are the names of its agents.

    `python` is the version it asks for, empty where it takes the platform's. `url` is where the document of one is
    that others run. `replicas` hosts are wanted, `hosts` are those that should be there now: none while it is off.
    `display` is what it is called on pages, empty where that is its name. Without `own_replicas` the number is that of
    the organisation's defaults.
    """

    id: ServiceId
    name: str
    display: str
    project: str
    import_path: str
    python: str
    url: str
    env: dict[str, str]
    replicas: int
    own_replicas: bool
    enabled: bool
    state: str
    reason: str | None
    isolation: str
    created_at: datetime
    updated_at: datetime
    hosts: tuple[Replica, ...]
    pid: int | None
    flows: tuple[str, ...]
    secret_names: tuple[str, ...]
    secrets: bytes | None = field(repr=False)  # sealed

    @property
    def has_failed(self) -> bool:
        """Whether it does not come up: runs of its agents fail, and somebody has to look."""
        return self.state in FAILED

    @property
    def up(self) -> int:
        """How many of its hosts serve."""
        return sum(each.state == "running" for each in self.hosts)

    @property
    def etag(self) -> str:
        """Changes with every edit, and with nothing else."""
        sealed = hashlib.sha256(self.secrets or b"").hexdigest()
        edited = [
            self.name,
            self.project,
            self.import_path,
            self.python,
            self.replicas if self.own_replicas else INHERITED,
            sorted(self.env.items()),
            self.enabled,
            sealed,
            *([self.url] if self.url else []),
            *([{"display": self.display}] if self.display else []),
        ]
        return hashlib.sha256(json.dumps(edited).encode()).hexdigest()[:16]


COLUMNS = ", ".join(f"s.{column.name}" for column in fields(Service) if column.name not in {"pid", "flows", "hosts"})
QUERY = f"""
select {COLUMNS}, array(select f.name from flow f where f.service_id = s.id order by f.position) as flows,
  (select h.pid from host h where h.service_id = s.id and h.ended_at is null and h.up_at is not null
   order by h.started_at desc limit 1) as pid,
  (select coalesce(jsonb_agg(jsonb_build_object('n', p, 'state', coalesce(r.state, 'deploying'), 'since', r.since,
     'reason', r.reason, 'pid', (select h.pid from host h where h.service_id = s.id and h.replica = p
       and h.ended_at is null and h.up_at is not null order by h.started_at desc limit 1)) order by p), '[]')
   from generate_series(1, s.replicas) p left join replica r on r.service_id = s.id and r.n = p
   where s.enabled and not s.stopped and s.state <> 'draft' and s.url = '') as hosts
from service s where $1::text is null or s.name = $1 order by s.name
"""  # noqa: S608 - column names are constants


CHANGE = """
update service set project = $2, import_path = $3, env = $4, enabled = $5, state = $6, reason = null,
  stopped = stopped and enabled = $5, secrets = $7, secret_names = $8, python = $9,
  generation = generation + 1, updated_at = now() where id = $1
"""
# Who reads what is inherited and who says it wait for each other: neither sees what the other has not committed.
DEFAULTS_LOCK = "hashtextextended('service defaults:' || $1, 0)"
INHERITING = f"select pg_advisory_xact_lock_shared({DEFAULTS_LOCK})"
# No host is replaced for these. What others run inherits nothing.
CHANGE_LIGHTLY = """
update service set replicas = case when $3 or url <> '' then $2
    else coalesce((select replicas from service_defaults), 1) end,
  own_replicas = $3, display = $4, updated_at = now() where id = $1
"""
EDITED = ("name", "display", "project", "import_path", "python", "replicas", "enabled")
LIVE = """
select count(*) from run join flow on flow.name = run.agent where flow.service_id = $1 and run.ended_at is null
"""
RENAMED = """
with flows as (update flow set name = $3 || substr(name, length($2) + 1) where service_id = $1)
update task_version set agent = $3 || substr(agent, length($2) + 1) where starts_with(agent, $2 || '/')
"""
REFRESH = """
update service set generation = generation + 1, updated_at = now(),
  state = case when stopped and enabled then 'deploying' else state end, stopped = false
where name = $1 and state <> 'draft' and url = '' returning name
"""


class Services:
    """The services of a tenant; the services worker makes true what is written here."""

    def __init__(self, database: Database, wakeup: Wakeup, vault: Vault) -> None:
        self._database = database
        self._wakeup = wakeup
        self._vault = vault

    async def add(self, caller: Caller, wish: NewService) -> Service:
        """Record a service; its host starts within a second. Raises Invalid, Conflict."""
        name = checked_name(wish.name)
        check_count(len(wish.env) + len(wish.secrets))
        query = (
            "insert into service (id, tenant_id, name, project, import_path, env, enabled, state, created_by, "
            "secrets, secret_names, python, url, reason, replicas, own_replicas, display) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
            "coalesce($15, (select replicas from service_defaults where $13 = ''), 1), $15::int is not null, $16)"
        )
        service_id = new_id()
        state = _first_state(wish)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(INHERITING, str(caller.tenant_id))
            try:
                await connection.execute(
                    query, service_id, caller.tenant_id, name, wish.project, wish.import_path, wish.env, wish.enabled,
                    state, caller.person_id, self._sealed(caller, service_id, wish.secrets), sorted(wish.secrets),
                    wish.python, wish.url, UNREAD if wish.url else None, wish.replicas, wish.display,
                )  # fmt: skip
            except asyncpg.UniqueViolationError as error:
                raise Conflict(f"There is already a service {name}. It was not changed.") from error
            await record(
                connection, caller, "service.add", f"service:{name}", after={"project": wish.project or wish.url}
            )
        self._wakeup.send(CHANGED_CHANNEL, name)
        return await self.get(caller, name)

    async def change(self, caller: Caller, name: str, wish: ServiceChange, if_match: str | None = None) -> Service:
        """Change what is asked for and nothing else; its hosts are replaced within a second, its runs go on.

        Another name takes its agents and the tasks that start them along; runs stay under the one they had. Raises
        NotFound, Stale when `if_match` is not the service's etag any more, Conflict where it cannot be renamed.
        """
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(INHERITING, str(caller.tenant_id))  # before the row, as whoever says it does
            await connection.execute("select from service where name = $1 for no key update", name)
            row = await connection.fetchrow(QUERY, name)
            if row is None:
                raise NotFound("service", name)
            before = _service(row)
            if if_match is not None and if_match != before.etag:
                raise Stale(f"The service {name} was changed since you read it. Nothing was changed; read it again.")
            after = self._changed(caller, before, wish)
            if after.name != before.name:
                await _rename(connection, before, after.name)
            if after.etag != before.etag:
                await _write(connection, before, after)
                known, edited = ({each: getattr(one, each) for each in EDITED} for one in (before, after))
                await record(connection, caller, "service.change", f"service:{name}", before=known, after=edited)
        self._wakeup.send(CHANGED_CHANNEL, after.name)
        return await self.get(caller, after.name)

    async def refresh(self, caller: Caller, name: str) -> Service:
        """Start the service's program anew, as its files are now; its runs go on from their steps. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            if await connection.fetchval(REFRESH, name) is None:
                if url := await connection.fetchval("select url from service where name = $1", name):
                    raise Conflict(f"The service {name} runs elsewhere, at {url}: it has no program here.")
                if url is not None:
                    raise Conflict(f"The service {name} is a draft: say where its program is first.")
                raise NotFound("service", name)
            await record(connection, caller, "service.refresh", f"service:{name}")
        self._wakeup.send(CHANGED_CHANNEL, name)
        return await self.get(caller, name)

    def _changed(self, caller: Caller, service: Service, wish: ServiceChange) -> Service:
        wanted: dict[str, Any] = {name: getattr(wish, name) for name in EDITED if name != "name"}
        given = {name: value for name, value in wanted.items() if value is not None}
        if service.url and (given.keys() - {"enabled", "display"} or wish.env or wish.secrets):
            raise Invalid(f"{service.name} runs elsewhere: only its names and whether it is on can be changed here.")
        name = service.name if wish.name is None else checked_name(wish.name, "changed")
        if wish.replicas is not None:
            given |= {"replicas": wish.replicas or service.replicas, "own_replicas": wish.replicas != INHERITED}
        changed = replace(service, **given, env=_merged(service.env, wish.env), name=name)
        if wish.secrets is None:
            check_count(_count(changed), _count(service))
            return changed
        known = service.secrets and self._vault.open(caller.tenant_id, sealed_for(service.id), service.secrets)
        secrets = _merged(known or {}, wish.secrets)
        sealed = self._sealed(caller, service.id, secrets)
        changed = replace(changed, secrets=sealed, secret_names=tuple(sorted(secrets)))
        check_count(_count(changed), _count(service))
        return changed

    def _sealed(self, caller: Caller, service_id: UUID, secrets: Mapping[str, str]) -> bytes | None:
        return self._vault.seal(caller.tenant_id, sealed_for(service_id), secrets) if secrets else None

    async def catalogue(self, caller: Caller) -> list[Service]:
        """All services of the tenant by name."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [_service(row) for row in await connection.fetch(QUERY, None)]

    async def get(self, caller: Caller, name: str) -> Service:
        """The service of that name. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(QUERY, name)
        if row is None:
            raise NotFound("service", name)
        return _service(row)

    async def remove(self, caller: Caller, name: str) -> None:
        """Delete a service and its agents; its runs stay on record. Raises NotFound, Conflict while runs are live."""
        service = await self.get(caller, name)
        async with self._database.tenant(caller.tenant_id) as connection:
            running = await connection.fetchval(LIVE, service.id)
            if running:
                raise Conflict(f"{_are_live(running, name)}. Cancel what is live first; nothing was deleted.")
            await connection.execute("delete from service where id = $1", service.id)
            await record(connection, caller, "service.delete", f"service:{name}", before={"project": service.project})
        self._wakeup.send(CHANGED_CHANNEL, name)


async def _write(connection: Connection, before: Service, after: Service) -> None:
    """Keep what is different: another number of replicas, or another display, leaves those that are there alone."""
    await connection.execute(CHANGE_LIGHTLY, before.id, after.replicas, after.own_replicas, after.display)
    light = {each: getattr(before, each) for each in ("replicas", "own_replicas", "display")}
    if replace(after, **light).etag == before.etag:
        return
    is_other = after.enabled != before.enabled or before.state == "draft"
    state = _first_state(after) if is_other else after.state
    columns = (after.project, after.import_path, after.env, after.enabled, state)
    await connection.execute(CHANGE, before.id, *columns, after.secrets, list(after.secret_names), after.python)


async def _rename(connection: Connection, service: Service, name: str) -> None:
    """Have what is known under the service's name follow it. Raises Conflict."""
    try:
        await connection.execute("update service set name = $2 where id = $1", service.id, name)
    except asyncpg.UniqueViolationError as error:
        raise Conflict(f"There is already a service {name}. Nothing was changed.") from error
    running = await connection.fetchval(LIVE, service.id)
    if running:
        raise Conflict(f"{_are_live(running, service.name)}, known by its name. Nothing was changed.")
    await connection.execute(RENAMED, service.id, service.name, name)


def _are_live(count: int, name: str) -> str:
    return f"1 run of {name} is live" if count == 1 else f"{count} runs of {name} are live"


def sealed_for(service_id: UUID) -> str:
    """What the secrets of a service are sealed for."""
    return f"service/{service_id}"


def _merged(known: Mapping[str, str], wish: Mapping[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in {**known, **(wish or {})}.items() if value is not None}


def _count(service: Service) -> int:
    return len(service.env) + len(service.secret_names)


def check_count(count: int, before: int = 0) -> None:
    """Go on only with so many variables and secrets, or with no more than before. Raises Invalid."""
    most = max(MOST_VARIABLES, before)
    if count > most:
        most_said = f"a service has at most {MOST_VARIABLES} variables, its secrets among them"
        rule = f"{most_said}, and this would make {count}, {count - most} too many"
        told = f"Nothing was changed, and what there was is kept: {rule}. Take some away first."
        raise Invalid(told, (FieldError("env", rule),))


def _first_state(wish: NewService | Service) -> str:
    """The state of a service before anybody has looked after it. One that others run waits to be read."""
    if wish.url:
        is_read = isinstance(wish, Service) and bool(wish.flows)
        return ("running" if is_read else "unhealthy") if wish.enabled else "dead"
    if not (wish.project and wish.import_path):
        return "draft"
    return "deploying" if wish.enabled else "dead"


def checked_name(name: str, done: str = "added") -> str:
    """A name a service may have. Raises Invalid."""
    wanted = name.strip().lower()
    if not NAME.fullmatch(wanted) or wanted in RESERVED:
        rule = "must be lower-case letters, digits, - or _, at most 63, and not a reserved word"
        raise Invalid(f"{name!r} cannot name a service; nothing was {done}.", (FieldError("name", rule),))
    return wanted


def _service(row: Row) -> Service:
    values: dict[str, Any] = {**row, "flows": tuple(row["flows"]), "secret_names": tuple(row["secret_names"])}
    values["hosts"] = tuple(_replica(each) for each in row["hosts"])
    return Service(**values)


def _replica(values: dict[str, Any]) -> Replica:
    since: str | None = values["since"]
    began = None if since is None else datetime.fromisoformat(since)
    return Replica(values["n"], values["state"], began, values["reason"], values["pid"])
