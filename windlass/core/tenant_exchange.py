"""Exchange of an organisation: what it is made of as one document, and such a document taken in, item by item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import new_id
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from windlass.core.exchange import Exchange, Item, Outcome, written
from windlass.core.permissions import Permission
from windlass.core.tenant_sections import Section, field_errors

P = Permission
NEEDED = (
    *(P.TENANTS_WRITE, P.SERVICES_WRITE, P.SERVERS_WRITE, P.AGENTS_WRITE, P.TASKS_WRITE, P.TASKS_WRITE_ALL),
    *(P.SCHEDULES_WRITE, P.DESKTOPS_CONFIGURE),
)
SERVICES = "services"
SEALED = ("headers", "secrets")  # where an item names what it does not tell
KEPT_BACKUPS = 20
BACK_UP = "insert into tenant_backup (id, tenant_id, created_by, document) values ($1, $2, $3, $4)"
FORGET = "delete from tenant_backup where id in (select id from tenant_backup order by created_at desc, id offset $1)"
BACKUPS = "select id, created_at from tenant_backup order by created_at desc, id"

Document = dict[str, list[Payload]]  # by section


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: of each section the items that can be, and those that are refused already, in their order."""

    services: tuple[Item | Outcome, ...]
    others: Mapping[str, Sequence[Payload | Outcome]]


@dataclass(frozen=True, slots=True)
class TenantImport:
    """What became of a document, section by section; `backup_id` names how things were before."""

    sections: Mapping[str, Sequence[Outcome]]
    backup_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TenantBackup:
    """How an organisation was before an import."""

    id: UUID
    created_at: datetime


class TenantExchange:
    """An organisation as a document; whoever takes one in may write all that is in it."""

    def __init__(self, database: Database, services: Exchange, before: Sequence[Section], after: Sequence[Section]):
        """`before` and `after` the services: what stands on nothing of theirs, and what may."""
        self._database, self._services = database, services
        self._before, self._after = tuple(before), tuple(after)

    async def export(self, caller: Caller) -> Document:
        """All there is, in the order in which it is taken in. Raises Forbidden."""
        _require(caller)
        document = await self._all(caller)
        counts = {name: len(items) for name, items in document.items()}
        async with self._database.tenant(caller.tenant_id) as connection:
            await record(connection, caller, "tenant.export", f"tenant:{caller.tenant_id}", after=counts)
        return document

    async def take(self, caller: Caller, sent: Sent, *, is_dry: bool) -> TenantImport:
        """Add and change what the items say, one by one; nothing is deleted, and secrets stay.

        How things were is kept first. Killed midway, the same document goes on: what is as it says already is left
        alone. Raises Forbidden.
        """
        _require(caller)
        known = {each.name: await each.all(caller) for each in (*self._before, *self._after)}
        planned = {
            each.name: [_planned(each, caller, known[each.name], item) for item in sent.others.get(each.name, ())]
            for each in (*self._before, *self._after)
        }
        planned[SERVICES] = list((await self._services.take(caller, sent.services, is_dry=True)).items)
        changes = any(each.outcome in {"added", "changed"} for items in planned.values() for each in items)
        if is_dry or not changes:
            return TenantImport(self._ordered(planned))
        backup_id = await self._back_up(caller)
        done: dict[str, Sequence[Outcome]] = {}
        for section in self._before:
            done[section.name] = await _brought(section, caller, known, sent, planned)
        done[SERVICES] = (await self._services.take(caller, sent.services, is_dry=False)).items
        for section in self._after:
            done[section.name] = await _brought(section, caller, known, sent, planned)
        return TenantImport(done, backup_id)

    async def backups(self, caller: Caller) -> list[TenantBackup]:
        """How things were before the last imports, the newest first. Raises Forbidden."""
        _require(caller)
        async with self._database.tenant(caller.tenant_id) as connection:
            return [TenantBackup(**row) for row in await connection.fetch(BACKUPS)]

    async def backup(self, caller: Caller, backup_id: UUID) -> Document:
        """The organisation as it was, to be imported like any document. Raises Forbidden, NotFound."""
        _require(caller)
        async with self._database.tenant(caller.tenant_id) as connection:
            document: Any = await connection.fetchval("select document from tenant_backup where id = $1", backup_id)
            if document is None:
                raise NotFound("backup", backup_id)
            after = {"backup": str(backup_id)}
            await record(connection, caller, "tenant.export", f"tenant:{caller.tenant_id}", after=after)
        return document

    async def _all(self, caller: Caller) -> Document:
        found: Document = {each.name: list((await each.all(caller)).values()) for each in self._before}
        found[SERVICES] = [written(each) for each in await self._services.all(caller)]
        return found | {each.name: list((await each.all(caller)).values()) for each in self._after}

    async def _back_up(self, caller: Caller) -> UUID:
        backup_id, document = new_id(), await self._all(caller)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute(BACK_UP, backup_id, caller.tenant_id, caller.person_id, document)
            await connection.execute(FORGET, KEPT_BACKUPS)
            after = {"backup": str(backup_id)}
            await record(connection, caller, "tenant.import", f"tenant:{caller.tenant_id}", after=after)
        return backup_id

    def _ordered(self, planned: Mapping[str, Sequence[Outcome]]) -> Mapping[str, Sequence[Outcome]]:
        names = (*(each.name for each in self._before), SERVICES, *(each.name for each in self._after))
        return {name: planned.get(name, ()) for name in names}


async def _brought(
    section: Section,
    caller: Caller,
    known: Mapping[str, Mapping[str, Payload]],
    sent: Sent,
    planned: Mapping[str, Sequence[Outcome]],
) -> list[Outcome]:
    """What became of the items of a section."""
    done: list[Outcome] = []
    pairs = zip(sent.others.get(section.name, ()), planned.get(section.name, ()), strict=True)
    for item, plan in pairs:
        if isinstance(item, Outcome) or plan.outcome in {"same", "refused"}:
            done.append(plan)
            continue
        try:
            await section.bring(caller, known[section.name].get(item["name"]), item)
            done.append(plan)
        except Invalid as refused:
            done.append(Outcome(plan.name, "refused", field_errors(refused)))
        except (Conflict, Forbidden, NotFound) as refused:
            done.append(Outcome(plan.name, "refused", (FieldError("name", refused.detail),)))
    return done


def _planned(section: Section, caller: Caller, known: Mapping[str, Payload], item: Payload | Outcome) -> Outcome:
    """What would become of an item, as far as it shows before it is tried."""
    if isinstance(item, Outcome):
        return item
    plan = _plan(section.name, known, item)
    try:
        if plan.outcome != "same":
            section.check(caller, item)
    except Invalid as refused:
        return Outcome(plan.name, "refused", field_errors(refused))
    except NotFound as refused:
        return Outcome(plan.name, "refused", (FieldError("name", refused.detail),))
    return plan


def _plan(section: str, known: Mapping[str, Payload], item: Payload) -> Outcome:
    """What would become of an item; secrets that it names and that nobody has set here are missing."""
    before = known.get(item["name"])
    missing = tuple(
        f"{section}.{item['name']}.{place}.{each}"
        for place in SEALED
        for each in sorted(set(item.get(place) or ()) - set((before or {}).get(place) or ()))
    )
    if before is None:
        return Outcome(item["name"], "added", missing_secrets=missing)
    names = dict.fromkeys(SEALED)
    is_same = {**before, **names} == {**item, **names}
    return Outcome(item["name"], "same" if is_same else "changed", missing_secrets=missing)


def _require(caller: Caller) -> None:
    """Raises Forbidden."""
    if lacking := [str(each) for each in NEEDED if not caller.may(each)]:
        raise Forbidden(f"A whole organisation is exchanged by who may write all of it; here lacks {lacking[0]}.")
