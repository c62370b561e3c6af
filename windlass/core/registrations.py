"""Flows that are read from what services say of themselves: of those that run elsewhere, and of ours when asked."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
import orjson

from windlass.contracts.events import Payload
from windlass.core.audit import record
from windlass.core.callers import Caller
from windlass.core.database import Database
from windlass.core.doors import BadGateway, GatewayTimeout
from windlass.core.elsewhere import Elsewhere
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound, WindlassError
from windlass.core.hosts import Hosts
from windlass.core.services import NewService, Service, Services
from windlass.core.wakeup import Wakeup
from windlass.core.wanted import FLOWS
from windlass.forms import Model, json_schema, validate

DOCUMENT_BYTES, DOCUMENT_S = 4 << 20, 20.0
FORM_BYTES, FORM_S, FORMS_AT_ONCE = 1 << 20, 10.0, 8
FORMS_BYTES, READ_S = 8 << 20, 60.0  # of all forms of a service together, and all it says; of several services, all
AT_ONCE = 4  # services that are read side by side: each may say some MiB
MOST_FLOWS = 200
MARKS = ("x-windlass", "x-kodosumi")
NO_FORM: Payload = {"elements": [], "schema": json_schema([])}
METHODS = ("get", "post", "put", "patch", "delete")
OPEN_API = "openapi.json"
UP = "update service set state = 'running', reason = null, updated_at = now() where id = $1 and enabled returning name"
# The host that was started last, while it serves; with the row locked no other one's flows are written down meanwhile.
HOST = """
select (select h.boot_id from host h where h.service_id = s.id and h.ended_at is null and h.up_at is not null
  order by h.started_at desc limit 1) as boot_id, s.name
from service s where s.id = $1 for no key update
"""
SENSELESS = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
DOWN = "update service set state = 'unhealthy', reason = $2, updated_at = now() where id = $1 and enabled"


class Registrations:
    """The flows of a tenant's services, as these say; above all of those that others run."""

    def __init__(
        self, database: Database, services: Services, elsewhere: Elsewhere, hosts: Hosts, wakeup: Wakeup
    ) -> None:
        self._database, self._services = database, services
        self._elsewhere, self._hosts, self._wakeup = elsewhere, hosts, wakeup

    async def register(
        self, caller: Caller, name: str, url: str, until: float | None = None, *, display: str = ""
    ) -> Service:
        """Read the document at `url` and have its flows in the catalogue; the same one again reads it anew.

        Killed in between, the service is there without flows, and says so. `until` is a time of the loop. Raises
        Invalid, Conflict, BadGateway, GatewayTimeout: then nothing was added.
        """
        flows = await self._read(url, until)
        try:
            service = await self._services.add(caller, NewService(name, url=url, display=display))
        except Conflict:
            service = await self._services.get(caller, name.strip().lower())
            if service.url != url:
                raise
        return await self._keep(caller, service, flows)

    async def register_all(self, caller: Caller, wanted: Sequence[tuple[str, str]]) -> list[Service]:
        """Register several by name and address, side by side, in the time of one. Raises as `register` does.

        Of those that cannot be read the first says why, and the others are registered.
        """
        return await _side_by_side([partial(self.register, caller, name, url) for name, url in wanted])

    async def refresh_all(self, caller: Caller) -> list[Service]:
        """Read all that there are anew, as `register_all` does. Raises GatewayTimeout: some had no turn, and stay."""
        return await _side_by_side([partial(self.refresh, caller, each.name) for each in await self.all(caller)])

    async def refresh(self, caller: Caller, name: str, until: float | None = None) -> Service:
        """Read what it says anew; where that fails its flows stay, and the reason is on record. Raises NotFound."""
        service = await self._services.get(caller, name)
        if not service.url:
            raise NotFound("registered service", name)
        try:
            return await self._keep(caller, service, await self._read(service.url, until))
        except WindlassError as failed:
            async with self._database.tenant(caller.tenant_id) as connection:
                await connection.execute(DOWN, service.id, failed.detail[:1000])
        self._wakeup.touch("health")
        return await self._services.get(caller, service.name)

    async def discover(self, caller: Caller, name: str) -> Service:
        """Read the flows of a service anew, starting nothing: at its address, or from its host. Raises NotFound.

        Conflict where no host of it answers here: its flows are read when one comes up. BadGateway where what it says
        is no description; its flows stay.
        """
        service = await self._services.get(caller, name)
        if service.url:
            return await self.refresh(caller, name)
        async with self._database.tenant(caller.tenant_id) as connection:
            asked = await connection.fetchrow(HOST, service.id)
        said = await self._hosts.describe(caller.tenant_id, service.id) if asked and asked["boot_id"] else None
        if asked is None or said is None:
            raise Conflict(f"No host of {name} answers here, it is {service.state}. Its flows are read when one does.")
        try:
            await self._keep_ours(caller, service, asked["boot_id"], said["flows"])
        except (KeyError, *SENSELESS) as wrong:
            raise BadGateway(
                f"The host of {name} says nothing that can be its flows. They stay as they were."
            ) from wrong
        self._wakeup.touch("health")
        return await self._services.get(caller, name)

    async def _keep_ours(self, caller: Caller, service: Service, boot_id: str, flows: Sequence[Payload]) -> None:
        """Write its flows down, unless another host came up meanwhile: then they are those of that one."""
        async with self._database.tenant(caller.tenant_id) as connection:
            now = await connection.fetchrow(HOST, service.id)
            if now is None or now["boot_id"] != boot_id:
                return
            await connection.execute("delete from flow where service_id = $1", service.id)
            await connection.execute(FLOWS, caller.tenant_id, service.id, now["name"], flows)
            after = {"flows": len(flows)}
            await record(connection, caller, "service.read", f"service:{now['name']}", after=after)

    async def all(self, caller: Caller) -> list[Service]:
        """Those there are, by name."""
        return [each for each in await self._services.catalogue(caller) if each.url]

    async def _keep(self, caller: Caller, service: Service, flows: Sequence[Payload]) -> Service:
        async with self._database.tenant(caller.tenant_id) as connection:
            name: str | None = await connection.fetchval(UP, service.id)  # it may be called otherwise meanwhile
            if name is not None:
                await connection.execute("delete from flow where service_id = $1", service.id)
                await connection.execute(FLOWS, caller.tenant_id, service.id, name, flows)
            after = {"url": service.url, "flows": len(flows)}
            await record(connection, caller, "service.read", f"service:{service.name}", after=after)
        self._wakeup.touch("health")
        return await self._services.get(caller, name or service.name)

    async def _read(self, url: str, until: float | None) -> list[Payload]:
        """What a service says of its flows, in time. Raises Invalid, BadGateway, GatewayTimeout."""
        patience_s = READ_S if until is None else until - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(patience_s):
                return await self._said(url)
        except TimeoutError:
            raise GatewayTimeout(f"{url} did not show all of its forms within {patience_s:.2g} seconds.") from None

    async def _said(self, url: str) -> list[Payload]:
        """The flows that a document marks, with their forms, as long as these fit. Raises as `_read` does."""
        self._elsewhere.outbound.check(url)
        if urlsplit(url).query or not urlsplit(url).path.rpartition("/")[2]:
            rule = f"must be the address of an OpenAPI document, such as https://agents.example.com/{OPEN_API}"
            raise Invalid("Nothing was registered.", (FieldError("url", rule),))
        document = await self._elsewhere.read(url, DOCUMENT_BYTES, DOCUMENT_S)
        flows = list(_flows(document))
        if not flows:
            raise BadGateway(f"{url} names no flow: no operation is marked x-windlass or x-kodosumi.")
        turns, left = asyncio.Semaphore(FORMS_AT_ONCE), FORMS_BYTES

        async def filled(flow: Payload) -> Payload:
            nonlocal left
            async with turns:
                form = await self._form(f"{base_of(url)}{flow['path']}")
            size = len(orjson.dumps(form))
            left -= size if (fits := size <= left) else 0
            return {**flow, **(form if fits else NO_FORM)}

        return await asyncio.gather(*(filled(each) for each in flows[:MOST_FLOWS]))

    async def _form(self, url: str) -> Payload:
        """The form that a flow shows, without HTML; none where it shows none that can be drawn."""
        try:
            said = await self._elsewhere.read(url, FORM_BYTES, FORM_S)
            model = Model.model_validate(_without_html(said["elements"]))
            model.render()
            elements = model.get_model()
            validate(elements, {})
            return {"elements": elements, "schema": json_schema(elements)}
        except (WindlassError, ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return NO_FORM


async def _side_by_side(deeds: Sequence[Callable[[float], Awaitable[Service]]]) -> list[Service]:
    """Do all of it, a few at once and until one time; what fails keeps nothing else from being done. Raises it."""
    loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    until = loop.time() + READ_S

    async def in_turn(deed: Callable[[float], Awaitable[Service]]) -> Service:
        async with turns:
            if loop.time() >= until:
                words = f"was read within {READ_S:g} seconds, so the rest had no turn. Ask for fewer at once."
                raise GatewayTimeout(f"Not every service {words}")
            return await deed(until)

    done = await asyncio.gather(*(in_turn(each) for each in deeds), return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return [each for each in done if isinstance(each, Service)]


def _without_html(elements: Sequence[Payload]) -> list[Payload]:
    """The elements, and those of groups among them."""
    kept = [dict(each) for each in elements if each.get("type") != "html"]
    return [{**each, "elements": _without_html(each["elements"])} if "elements" in each else each for each in kept]


def base_of(url: str) -> str:
    """Where the service is whose document is there."""
    return url.rpartition("/")[0]


def _flows(document: object) -> Iterator[Payload]:
    """What the document marks, each path once: as its first marked operation says."""
    seen = set[str]()
    for path, item in _pairs(_pairs_of(document, "paths")):
        marked = (each for each in (_object(item.get(method)) for method in METHODS) if _is_marked(each))
        operation = next(marked, None)
        if operation is None or "{" in path or len(path) > 500 or not path.startswith("/"):
            continue
        name = name_of(path)
        if name not in seen:
            seen.add(name)
            yield {"name": name, "path": path, **_said(operation)}


def name_of(path: str) -> str:
    """What a flow is called: `/much/deeper` is `much.deeper`, `/` is `root`."""
    return re.sub(r"[^a-z0-9._-]", "-", path.strip("/").lower().replace("/", ".")) or "root"


def _said(operation: Mapping[str, Any]) -> Payload:
    tags = operation.get("tags")
    listed = cast("list[Any]", tags) if isinstance(tags, list) else []
    return {
        "summary": _text(operation.get("summary"), 200) or "",
        "description": _text(operation.get("description"), 10_000) or "",
        "tags": [each[:100] for each in listed if isinstance(each, str) and each][:50],
        "deprecated": operation.get("deprecated") is True,
        **{each: _text(operation.get(f"x-{each}"), 200) for each in ("author", "organization", "version")},
    }


def _text(value: object, most: int) -> str | None:
    return value[:most] if isinstance(value, str) else None


def _is_marked(operation: Mapping[str, Any]) -> bool:
    return any(operation.get(mark) is True for mark in MARKS)


def _pairs_of(document: object, name: str) -> Mapping[str, Any]:
    return _object(_object(document).get(name))


def _pairs(mapping: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in mapping.items():
        yield name, _object(value)


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
