"""Exchange of services and what they inherit: one document, taken in item by item, after a backup."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts.ids import new_id
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.exchanged_defaults import NAME as DEFAULTS
from windlass.core.exchanged_defaults import ExchangedDefaults, bring_defaults, read_defaults
from windlass.core.service_defaults import ServiceDefaults
from windlass.core.services import INHERITED, NewService, ServiceChange, Services, check_count

KEPT_BACKUPS = 20
FEWER = "take as many out of its env in the document and send that again"
EDITS = """
select s.name as service, e.name, e.display, e.description, e.tags, e.author, e.organization, e.enabled
from flow_edit e join service s on s.id = e.service_id order by s.name, e.name
"""
KEEP_EDIT = """
insert into flow_edit
  (tenant_id, service_id, name, display, description, tags, author, organization, enabled, edited_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
# Of a service, as its stores call it too.
PROGRAM = ("project", "import_path", "python", "replicas", "enabled", "display")
BACK_UP = "insert into service_backup (id, tenant_id, created_by, document) values ($1, $2, $3, $4)"
FORGET = """
delete from service_backup where id in (select id from service_backup order by created_at desc, id offset $1)
"""
BACKUPS = """
select id, created_at,
  (select count(*) from jsonb_array_elements(document) as each where each->>'name' <> 'defaults') as services
from service_backup order by created_at desc, id
"""


@dataclass(frozen=True, slots=True)
class FlowEdit:
    """What somebody has set of a flow; None: what its service says stands."""

    name: str
    display: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    author: str | None = None
    organization: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A service as it travels: of its secrets only the names."""

    name: str
    project: str = ""
    import_path: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    enabled: bool = True
    secrets: tuple[str, ...] = ()
    flows: tuple[FlowEdit, ...] = ()
    python: str = ""
    url: str = ""
    replicas: int | None = None  # as the defaults of the organisation say
    display: str = ""


Item = Exchanged | ExchangedDefaults


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item, or would: `added`, `changed`, `same` or `refused`, with the reasons.

    `missing_secrets` are those that the document names and nobody has set here.
    """

    name: str
    outcome: str
    errors: tuple[FieldError, ...] = ()
    missing_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """What became of a document; `backup_id` names how things were before, where anything was to change."""

    items: tuple[Outcome, ...]
    backup_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """How the services were before an import."""

    id: UUID
    created_at: datetime
    services: int


class Exchange:
    """The services of a tenant as documents."""

    def __init__(self, database: Database, services: Services, defaults: ServiceDefaults) -> None:
        self._database, self._services, self._defaults = database, services, defaults

    async def export(self, caller: Caller) -> list[Item]:
        """What services inherit, where anything was said, and all services as they are, by name.

        Who does this is recorded: variables are shown with their values.
        """
        found = await self._whole(caller)
        count = sum(isinstance(each, Exchanged) for each in found)
        async with self._database.tenant(caller.tenant_id) as connection:
            await record(connection, caller, "service.export", "services", after={"services": count})
        return found

    async def take(self, caller: Caller, items: Sequence[Item | Outcome], *, is_dry: bool) -> Import:
        """Add and change what the items say, one by one; those refused already are only passed on.

        Nothing is deleted, and secrets stay. How things were is kept first. Killed midway, the same document goes on:
        what is as it says already is left alone.
        """
        known = {each.name: each for each in await self._whole(caller)}
        planned = [each if isinstance(each, Outcome) else _plan(known.get(each.name), each) for each in items]
        if is_dry or not any(each.outcome in {"added", "changed"} for each in planned):
            return Import(tuple(planned))
        backup_id = await self._back_up(caller, list(known.values()))
        done = [await self._apply(caller, known, item, plan) for item, plan in zip(items, planned, strict=True)]
        return Import(tuple(done), backup_id)

    async def backups(self, caller: Caller) -> list[Backup]:
        """How things were before the last imports, the newest first."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [Backup(**row) for row in await connection.fetch(BACKUPS)]

    async def backup(self, caller: Caller, backup_id: UUID) -> list[Item]:
        """The services as they were; to be imported like any document, and recorded like an export. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            document = await connection.fetchval("select document from service_backup where id = $1", backup_id)
            if document is None:
                raise NotFound("backup", backup_id)
            await record(connection, caller, "service.export", "services", after={"backup": str(backup_id)})
        return [_read(each) for each in document]

    async def all(self, caller: Caller) -> list[Exchanged]:
        """All services as they are, by name."""
        edits: dict[str, list[FlowEdit]] = {}
        async with self._database.tenant(caller.tenant_id) as connection:
            for row in await connection.fetch(EDITS):
                values: dict[str, Any] = dict(row)
                edits.setdefault(values.pop("service"), []).append(edit_of(values))
        return [
            Exchanged(
                each.name,
                each.project,
                each.import_path,
                each.env,
                each.enabled,
                each.secret_names,
                tuple(edits.get(each.name, ())),
                each.python,
                each.url,
                each.replicas if each.own_replicas else None,
                each.display,
            )
            for each in await self._services.catalogue(caller)
        ]

    async def _whole(self, caller: Caller) -> list[Item]:
        """The services, after what they inherit."""
        defaults = await read_defaults(self._defaults, caller)
        return [*(() if defaults is None else (defaults,)), *await self.all(caller)]

    async def _back_up(self, caller: Caller, items: Sequence[Item]) -> UUID:
        backup_id = new_id()
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(
                BACK_UP, backup_id, caller.tenant_id, caller.person_id, [written(each) for each in items]
            )
            await connection.execute(FORGET, KEPT_BACKUPS)
            await record(connection, caller, "service.import", "services", after={"backup": str(backup_id)})
        return backup_id

    async def _apply(self, caller: Caller, known: Mapping[str, Item], item: Item | Outcome, plan: Outcome) -> Outcome:
        if isinstance(item, Outcome) or plan.outcome == "same":
            return plan
        try:
            if isinstance(item, ExchangedDefaults):
                await bring_defaults(self._defaults, caller, item)
            else:
                await self._bring(caller, known.get(item.name), item)
        except (Conflict, Invalid, NotFound) as refused:  # somebody changed it meanwhile
            errors = refused.errors if isinstance(refused, Invalid) else ()
            return Outcome(item.name, "refused", errors or (FieldError("name", refused.detail),))
        return plan

    async def _bring(self, caller: Caller, before: Item | None, item: Exchanged) -> None:
        if not isinstance(before, Exchanged):
            asked = {each: getattr(item, each) for each in ("name", "url", *PROGRAM)}
            service = await self._services.add(caller, NewService(env=dict(item.env), **asked))
        elif item.url:
            service = await self._services.change(
                caller, item.name, ServiceChange(enabled=item.enabled, display=item.display)
            )
        else:
            gone = dict.fromkeys(before.env.keys() - item.env.keys())
            asked = {each: getattr(item, each) for each in PROGRAM}
            change = replace(ServiceChange(env={**item.env, **gone}, **asked), replicas=item.replicas or INHERITED)
            service = await self._services.change(caller, item.name, change)
        async with self._database.tenant(caller.tenant_id) as connection:
            await _keep_edits(connection, caller, service.id, item.flows)


async def _keep_edits(connection: Connection, caller: Caller, service_id: UUID, edits: Sequence[FlowEdit]) -> None:
    query = "select true from service where id = $1 for no key update"  # whoever changes one of them waits
    if await connection.fetchval(query, service_id) is None:
        raise NotFound("service", service_id)
    await connection.execute("delete from flow_edit where service_id = $1", service_id)
    for each in edits:
        said = (each.display, each.description, each.tags, each.author, each.organization, each.enabled)
        await connection.execute(KEEP_EDIT, caller.tenant_id, service_id, each.name, *said, caller.person_id)


def written(service: Item) -> dict[str, Any]:
    """A service as JSON, or what all inherit."""
    if isinstance(service, ExchangedDefaults):
        return service.written()
    flows = [{each.name: getattr(edit, each.name) for each in fields(FlowEdit)} for edit in service.flows]
    return {each.name: getattr(service, each.name) for each in fields(Exchanged)} | {"flows": flows}


def edit_of(values: Mapping[str, Any]) -> FlowEdit:
    """What is set of a flow, from JSON or a row."""
    known: dict[str, Any] = dict(values)
    tags = known.pop("tags")
    return FlowEdit(**known, tags=None if tags is None else tuple(tags))


def _read(document: Mapping[str, Any]) -> Item:
    if document["name"] == DEFAULTS:
        return ExchangedDefaults.of(document)
    known: dict[str, Any] = dict(document)
    secrets, flows = tuple(known.pop("secrets")), tuple(edit_of(each) for each in known.pop("flows"))
    return Exchanged(**known, secrets=secrets, flows=flows)


def _plan(before: Item | None, item: Item) -> Outcome:
    missing = tuple(sorted(set(item.secrets) - set(before.secrets if before else ())))
    if isinstance(item, Exchanged) and (many := _too_many(before, item)):
        return Outcome(item.name, "refused", many)
    if before is None:
        return Outcome(item.name, "added", missing_secrets=missing)
    if isinstance(before, Exchanged) and isinstance(item, Exchanged) and (wrong := _misplaced(before, item)):
        return Outcome(item.name, "refused", (wrong,))
    return Outcome(item.name, "same" if _said(before) == _said(item) else "changed", missing_secrets=missing)


def _too_many(before: Item | None, item: Exchanged) -> tuple[FieldError, ...]:
    """Why it cannot have all these variables beside the secrets that stay; what it has already, it may keep."""
    secrets, known = (len(before.secrets), len(before.env)) if before else (0, 0)
    try:
        check_count(secrets + len(item.env), secrets + known)
    except Invalid as refused:
        return tuple(replace(each, message=f"{each.message}: {FEWER}") for each in refused.errors)
    return ()


def _misplaced(before: Exchanged, item: Exchanged) -> FieldError | None:
    """Why the service that is there cannot be the one that is meant."""
    if before.url != item.url:
        return FieldError("url", "is another than that of the service here")
    for name in ("project", "import_path"):
        if getattr(before, name) and not getattr(item, name):
            return FieldError(name, "is missing, and the service here is no draft")
    return None


def _said(service: Item) -> tuple[Any, ...]:
    """All but the secrets, of which a document says nothing."""
    if isinstance(service, ExchangedDefaults):
        return dict(service.env), service.replicas, service.memory_mib
    flows = sorted(service.flows, key=lambda each: each.name)
    told = (each for each in PROGRAM if each != "replicas" or not service.url)  # what others run has none
    return (*(getattr(service, each) for each in told), dict(service.env), flows)
