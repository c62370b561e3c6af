"""Desktops as the people of a tenant see them: make one, find it again, wish it otherwise."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from windlass.contracts.desktops import BYTES, STANDARD, DesktopStatus, Template, Wish, script_bytes
from windlass.contracts.ids import DesktopId, TenantId, new_id
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.desktop_templates import find_template
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from windlass.core.permissions import Permission
from windlass.core.wakeup import DESKTOPS, Wakeup


@dataclass(frozen=True, slots=True)
class NewDesktop:
    """The wish for a desktop; `id`: a wish that is repeated under it is one desktop."""

    name: str | None = None
    template: str = STANDARD
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Desktop:
    """One desktop as it stands; `reason` says why it is lost, or what it waits for.

    `made_of` is its template as it was at the desktop's last start, `template_version` says which one that was.
    """

    id: DesktopId
    name: str
    template: str
    template_version: int
    made_of: Template
    owner: UUID
    owner_name: str
    wish: Wish
    revision: int
    status: DesktopStatus
    reason: str
    node: str | None
    image: str | None
    created_at: datetime
    status_at: datetime
    expires_at: datetime | None
    holder: UUID | None = None  # who has the screen in hand
    holder_name: str = ""
    held_at: datetime | None = None
    home_bytes: int | None = None  # when it was weighed last
    asked_name: str = ""  # who would like to have it
    changed_at: datetime | None = None  # when it was wished as it is
    steps: Mapping[str, str] = field(default_factory=dict[str, str])  # of a start: what it has come to, and when


class Herald(Protocol):
    """Carries a wish to the desktop's workflow, at once where it can; the row is what counts."""

    def wished(self, tenant_id: TenantId, desktop: Desktop) -> None:
        """A desktop is wanted otherwise than before."""
        ...


HELD = "case when held_until > clock_timestamp() and desktop_has_container(status) then holder end as holder"
ASKED = "case when asked_at > held_at then asked_name else '' end as asked_name"
STEPS = """
case when status = 'starting' and (steps->>'placed')::timestamptz > changed_at then steps else '{}' end as steps
"""
SPECIAL = {"holder": HELD, "asked_name": ASKED, "steps": STEPS}
COLUMNS = ", ".join(SPECIAL.get(column.name, column.name) for column in fields(Desktop))
NAMES = tuple(column.name for column in fields(Desktop))
VISIBLE = "deleted_at is null and ($1::uuid is null or owner = $1)"
LIST = f"select {COLUMNS} from desktop where {VISIBLE} order by created_at desc, id desc limit 500"  # noqa: S608 - constants
MACHINES = "select problem from living_machines() order by problem nulls first limit 1"
MOST_SCRIPT_BYTES = 1 << 20
TOO_LONG = (
    "A script has at most 1 MiB; nothing was queued. Give it in several tasks, or have it fetch the rest: "
    "what a task leaves in the home is there for the next one."
)
NOBODY = "No worker for desktops is running: nothing was made. Start one with: python -m workers desktops"


class Desktops:
    """The desktops of a tenant; their workflows make true what is wished here."""

    def __init__(self, database: Database, wakeup: Wakeup, herald: Herald, per_person: int) -> None:
        self._database, self._wakeup, self._herald = database, wakeup, herald
        self.per_person = per_person

    async def create(self, caller: Caller, wish: NewDesktop) -> Desktop:
        """Record a desktop, `starting`. Raises Invalid, Conflict at the limit, Unavailable without a machine."""
        row: dict[str, Any] = {
            "id": str(wish.id or new_id()),
            "owner": str(caller.person_id),
            "owner_name": caller.name,
            "name": wish.name,
            "template": wish.template,
        }
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                template = await find_template(connection, wish.template)
                row |= {"template_version": template.version, "made_of": asdict(template.made_of)}
                await _require_machine(connection)
                desktop = await self._create(connection, caller, row)
        except asyncpg.UniqueViolationError as error:
            if getattr(error, "constraint_name", "") in ("stream_pkey", "desktop_pkey"):
                return await self.get(caller, UUID(row["id"]))  # the same wish again: the answer to the first was lost
            raise Conflict(f"You have a desktop {wish.name!r} already. It was not changed.") from error
        self._tell(caller, desktop)
        return desktop

    async def catalogue(self, caller: Caller) -> list[Desktop]:
        """The desktops one may see, the newest first."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return [whole_desktop(row) for row in await connection.fetch(LIST, _owner(caller))]

    async def get(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """The desktop, unless it is not yours to see. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _get(connection, _owner(caller), desktop_id)

    async def start(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """Have a desktop on. One that is on stays as it is. Raises NotFound, Unavailable without a machine."""
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await _get(connection, caller.person_id, desktop_id)
            if desktop.wish is Wish.ON and desktop.status.has_container:
                return desktop
            await _require_machine(connection)
            desktop = await _wish(connection, caller, desktop, Wish.ON, "desktop.start")
        self._tell(caller, desktop)
        return desktop

    async def wake(self, caller: Caller, desktop_id: UUID) -> None:
        """Have a desktop on that is off or lost: there is a task for it. Raises NotFound, Unavailable."""
        desktop = await self._own(caller, desktop_id)
        if not desktop.status.has_container:
            await self.start(caller, desktop_id)

    async def _own(self, caller: Caller, desktop_id: UUID) -> Desktop:
        async with self._database.tenant(caller.tenant_id) as connection:
            return await _get(connection, caller.person_id, desktop_id)

    async def stop(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """Have a desktop off: its container goes, its home stays. The second time nothing changes. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await _get(connection, caller.person_id, desktop_id)
            if desktop.wish is Wish.OFF:
                return desktop
            desktop = await _wish(connection, caller, desktop, Wish.OFF, "desktop.stop")
        self._tell(caller, desktop)
        return desktop

    async def pause(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """Freeze a desktop: it keeps its memory and does nothing. Raises NotFound, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await _get(connection, caller.person_id, desktop_id)
            if desktop.wish is Wish.PAUSED:
                return desktop
            if not desktop.status.is_on:
                raise Conflict(f"The desktop is {desktop.status}; only one that is idle or busy can be paused.")
            desktop = await _wish(connection, caller, desktop, Wish.PAUSED, "desktop.pause")
        self._tell(caller, desktop)
        return desktop

    async def resume(self, caller: Caller, desktop_id: UUID) -> Desktop:
        """Let a paused desktop go on. Raises NotFound, Conflict."""
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await _get(connection, caller.person_id, desktop_id)
            if desktop.wish is not Wish.PAUSED:
                raise Conflict(f"The desktop is {desktop.status}; only a paused one can be resumed.")
            desktop = await _wish(connection, caller, desktop, Wish.ON, "desktop.resume")
        self._tell(caller, desktop)
        return desktop

    async def remove(self, caller: Caller, desktop_id: UUID) -> None:
        """Delete a desktop with its home, and free its place. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            desktop = await _get(connection, caller.person_id, desktop_id)
            desktop = await _wish(connection, caller, desktop, Wish.GONE, "desktop.delete")
        self._tell(caller, desktop)

    async def _create(self, connection: Connection, caller: Caller, row: dict[str, Any]) -> Desktop:
        query = f"select {COLUMNS} from create_desktop($1, $2, $3)"  # noqa: S608 - constants
        created = await connection.fetchrow(query, caller.tenant_id, row, self.per_person)
        if created is None:
            limit = self.per_person
            raise Conflict(f"You have {limit} desktops, and {limit} is the limit. Delete one first; nothing was made.")
        after = {"name": created["name"], "template": created["template"], "version": created["template_version"]}
        await record(connection, caller, "desktop.create", f"desktop:{created['id']}", after=after)
        return whole_desktop(created)

    def _tell(self, caller: Caller, desktop: Desktop) -> None:
        self._herald.wished(caller.tenant_id, desktop)
        self._wakeup.poke(caller.tenant_id, desktop.id, 1)
        self._wakeup.touch(DESKTOPS, caller.tenant_id)


async def _require_machine(connection: Connection) -> None:
    """Raises Unavailable, in the words of the machine, when none can hold a desktop."""
    machines = await connection.fetch(MACHINES)
    if not machines:
        raise Unavailable(NOBODY)
    if machines[0]["problem"]:
        raise Unavailable(f"No desktop can be started: {machines[0]['problem']} Nothing was changed.")


async def _wish(connection: Connection, caller: Caller, desktop: Desktop, wish: Wish, action: str) -> Desktop:
    query = f"select {COLUMNS} from wish_desktop($1, $2, $3)"  # noqa: S608 - constants
    row = await connection.fetchrow(query, caller.tenant_id, desktop.id, wish)
    if row is None:
        raise NotFound("desktop", desktop.id)
    await record(connection, caller, action, f"desktop:{desktop.id}", before={"name": desktop.name})
    return whole_desktop(row)


def _owner(caller: Caller) -> UUID | None:
    """Whose desktops the caller may see: None means everybody's."""
    return None if Permission.DESKTOPS_READ_ALL in caller.permissions else caller.person_id


def check_work(inputs: Mapping[str, Any]) -> None:
    """Raises Invalid for a task without work, with two kinds of it, or with a script that is too long or unreadable."""
    script = inputs.get("script")
    if bool(script) is bool(inputs.get("prompt")):
        raise Invalid("A task is a script or a prompt. Give one of the two; nothing was queued.")
    try:
        size = len(script_bytes(str(script or "")))
    except ValueError as error:
        raise Invalid("Nothing was queued.", (FieldError("script", f"must be base64 after {BYTES}"),)) from error
    if size > MOST_SCRIPT_BYTES:
        raise Invalid(TOO_LONG, (FieldError("script", "has at most 1 MiB"),))


async def require_own(connection: Connection, caller: Caller, inputs: Mapping[str, Any]) -> None:
    """Raises NotFound when a run would work in a desktop that is not the caller's, Invalid without work."""
    check_work(inputs)
    query = "select id from desktop where id = $1 and owner = $2 and deleted_at is null"
    if await connection.fetchval(query, UUID(inputs["desktop"]), caller.person_id) is None:
        raise NotFound("desktop", inputs["desktop"])


async def find_desktop(connection: Connection, caller: Caller, desktop_id: UUID) -> Desktop:
    """The desktop, unless it is not the caller's to see, in a transaction of their tenant. Raises NotFound."""
    return await _get(connection, _owner(caller), desktop_id)


async def _get(connection: Connection, owner: UUID | None, desktop_id: UUID) -> Desktop:
    query = f"select {COLUMNS} from desktop where {VISIBLE} and id = $2"  # noqa: S608 - constants
    row = await connection.fetchrow(query, owner, desktop_id)
    if row is None:
        raise NotFound("desktop", desktop_id)
    return whole_desktop(row)


def whole_desktop(row: Row) -> Desktop:
    """The desktop of a row with all its columns."""
    values: dict[str, Any] = {name: row[name] for name in NAMES}
    if values["holder"] is None:  # a lease that lapsed is nobody's
        values["holder_name"], values["held_at"], values["asked_name"] = "", None, ""
    values["made_of"] = Template.of(values["made_of"])
    values["wish"], values["status"] = Wish(values["wish"]), DesktopStatus(values["status"])
    return Desktop(**values)
