"""Agents: what can be run, by name, with the form a person fills in."""

from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

from windlass.contracts.agents import (
    CLAUDE,
    CLAUDE_ELEMENTS,
    DESKTOP,
    DESKTOP_DESCRIPTION,
    DESKTOP_ELEMENTS,
    DESKTOP_SUMMARY,
    SAVED_ELEMENTS,
    Pin,
)
from windlass.contracts.events import Payload
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.masks import refused
from windlass.forms import json_schema, validate

SORTED_BY = 60  # characters of a summary: services say what they like, and a cursor must stay short


@dataclass(frozen=True, slots=True)
class Agent:
    """One thing that can be run; `kind` is `claude` or `flow`; a saved one has its newest version as `pin`.

    The owner is whoever saved it, or added its service. `url` is that of its service's document, if others run it.
    """

    name: str
    kind: str
    summary: str
    description: str = ""
    tags: tuple[str, ...] = ()
    meta: Payload = field(default_factory=dict[str, Any])
    elements: tuple[Payload, ...] = ()
    schema: Payload = field(default_factory=dict[str, Any])
    service: str | None = None
    service_display: str = ""
    service_state: str = "running"
    service_id: UUID | None = None
    flow_path: str = ""
    pin: Pin | None = None
    owner: str = ""
    url: str = ""

    @property
    def place(self) -> tuple[int, str, str]:
        """Where it stands in the catalogue: the built-in one first, then what is saved, then flows; by summary."""
        return 2 if self.service else 1 if self.pin else 0, self.summary[:SORTED_BY].casefold(), self.name

    @property
    def path(self) -> str:
        """The name as a part of a URL."""
        return quote(self.name, safe="/")

    @property
    def address(self) -> str:
        """Where its inputs are POSTed, if others run it; nothing where its runs are kept here."""
        return f"/-/{self.service}/{self.flow_path.strip('/')}" if self.url else ""

    @property
    def start_page(self) -> str:
        """Where a person starts it; of one that others run, the page that says where that is."""
        return f"/agents/{self.path}" if self.url else f"/start?agent={self.path}"

    def of_ours(self) -> Self:
        """The same agent, if its runs are kept here. Raises Conflict."""
        if self.url:
            raise Conflict(
                f"{self.name} runs elsewhere, so no run of it can be kept here. POST its inputs to {self.address}:"
                " they are carried there, and so is the answer back."
            )
        return self

    def validated(self, inputs: Payload) -> Payload:
        """The inputs converted by the form. Raises Invalid with a message for each field that cannot be used."""
        values, errors = validate(list(self.elements), inputs)
        errors |= refused(self.elements, values, inputs)
        if errors:
            found = tuple(FieldError(f"inputs.{name}", text) for name, texts in errors.items() for text in texts)
            raise Invalid(f"The inputs of {self.name} cannot be used; no run was started.", found)
        return values


def claude() -> Agent:
    """The built-in agent: one prompt, one answer of Claude."""
    return Agent(
        name=CLAUDE,
        kind="claude",
        summary="Claude",
        description="One prompt, one answer, streamed and kept.",
        tags=("built-in",),
        elements=tuple(CLAUDE_ELEMENTS),
        schema=json_schema(list(CLAUDE_ELEMENTS)),
    )


def desktop() -> Agent:
    """The built-in agent that works in a desktop; it is started from there, so no catalogue shows it."""
    return Agent(
        name=DESKTOP,
        kind=DESKTOP,
        summary=DESKTOP_SUMMARY,
        description=DESKTOP_DESCRIPTION,
        tags=("built-in",),
        elements=tuple(DESKTOP_ELEMENTS),
        schema=json_schema(list(DESKTOP_ELEMENTS)),
    )


def saved(name: str, pin: Pin, description: str = "", kind: str = CLAUDE) -> Agent:
    """A saved agent: whatever it is, it asks for one prompt."""
    return Agent(
        name=name,
        kind=kind,
        summary=name,
        description=description,
        tags=("saved",),
        meta={"version": str(pin.version)},
        elements=tuple(SAVED_ELEMENTS),
        schema=json_schema(list(SAVED_ELEMENTS)),
        pin=pin,
    )


BUILT_IN = {CLAUDE: claude, DESKTOP: desktop}
QUERY = """
select f.name, f.path, f.elements, f.schema, f.service_id, s.name as service, s.state, s.url,
  s.display as service_display, coalesce(e.display, f.summary) as summary,
  coalesce(e.description, f.description) as description, coalesce(e.tags, f.tags) as tags,
  f.meta || jsonb_strip_nulls(jsonb_build_object('author', e.author, 'organization', e.organization)) as meta,
  (select p.name from person p where p.id = s.created_by) as owner
from flow f join service s on s.id = f.service_id
left join flow_edit e on e.service_id = f.service_id and f.name = s.name || '/' || e.name
where s.enabled and e.enabled is not false and ($1::text is null or f.name = $1) order by summary, f.name
"""
FLOW_AT = QUERY.replace("($1::text is null or f.name = $1)", "s.name = $1 and trim(f.path, '/') = any ($2)").replace(
    "order by summary, f.name", "order by array_position($2, trim(f.path, '/')) limit 1"
)
TAGS = """
select tag, count(distinct f.name) as n
from flow f join service s on s.id = f.service_id
left join flow_edit e on e.service_id = f.service_id and f.name = s.name || '/' || e.name
cross join unnest(coalesce(e.tags, f.tags)) as tag
where s.enabled and e.enabled is not false group by tag order by tag
"""
SAVED = """
select a.name, a.id, a.version, a.created_by_name as owner, v.driver, v.description from agent a
join agent_version v on v.agent_id = a.id and v.version = a.version
where a.deleted_at is null and ($1::text is null or a.name = $1) order by a.name
"""


class Agents:
    """The catalogue of a tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def catalogue(
        self, caller: Caller, text: str | None = None, tag: str | None = None, service: str | None = None
    ) -> list[Agent]:
        """All agents by summary, those of a `service` whose words contain `text` and that carry `tag`."""
        async with self._database.tenant(caller.tenant_id) as connection:
            kept = [_saved(row) for row in await connection.fetch(SAVED, None)]
            flows = [_agent(row) for row in await connection.fetch(QUERY, None)]
        every = sorted([claude(), *kept, *flows], key=lambda agent: agent.place)
        found = [agent for agent in every if service in (None, agent.service)]
        return [agent for agent in found if _matches(agent, text, tag)]

    async def tags(self, caller: Caller) -> dict[str, int]:
        """How many flows of the catalogue carry each tag, by tag; what is not a flow is not counted."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return {row["tag"]: row["n"] for row in await connection.fetch(TAGS)}

    async def of_ours(self, caller: Caller) -> list[Agent]:
        """Those of the catalogue whose runs are kept here."""
        return [agent for agent in await self.catalogue(caller) if not agent.url]

    async def get(self, caller: Caller, name: str) -> Agent:
        """The agent of that name. Raises NotFound."""
        if name in BUILT_IN:
            return BUILT_IN[name]()
        async with self._database.tenant(caller.tenant_id) as connection:
            return await find_agent(connection, name)

    async def at(self, caller: Caller, address: str) -> Agent:
        """The flow at `{service}/{path}`; also where the path begins with the service's name again. Raises NotFound."""
        service, _, path = address.strip("/").partition("/")
        places = [path, path.removeprefix(service).strip("/")] if f"{path}/".startswith(f"{service}/") else [path]
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(FLOW_AT, service, places)
        if row is None:
            raise NotFound("flow", address.strip("/"))
        return _agent(row)

    async def of_run(self, caller: Caller, name: str, pin: Pin | None) -> Agent:
        """The agent that a run is made of; a saved one also when it was changed or deleted since. Raises NotFound."""
        return await self.get(caller, name) if pin is None else saved(name, pin)


async def find_agent(connection: Connection, name: str) -> Agent:
    """The agent of that name, in a transaction that sees its tenant. Raises NotFound."""
    if name in BUILT_IN:
        return BUILT_IN[name]()
    is_flow = "/" in name
    row = await connection.fetchrow(QUERY if is_flow else SAVED, name)
    if row is None:
        raise NotFound("agent", name)
    return _agent(row) if is_flow else _saved(row)


def _matches(agent: Agent, text: str | None, tag: str | None) -> bool:
    credits_ = (str(agent.meta.get(name) or "") for name in ("author", "organization"))
    words = " ".join((agent.name, agent.summary, agent.description, *agent.tags, *credits_)).casefold()
    return (not text or text.casefold() in words) and (not tag or tag in agent.tags)


def _saved(row: Row) -> Agent:
    agent = saved(row["name"], Pin(row["id"], row["version"]), row["description"], row["driver"])
    return replace(agent, owner=row["owner"])


def _agent(row: Row) -> Agent:
    return Agent(
        name=row["name"],
        kind="flow",
        summary=row["summary"] or row["name"],
        description=row["description"],
        tags=tuple(row["tags"]),
        meta=row["meta"],
        elements=tuple(row["elements"]),
        schema=row["schema"],
        service=row["service"],
        service_display=row["service_display"],
        service_state=row["state"],
        service_id=row["service_id"],
        flow_path=row["path"],
        owner=row["owner"] or "",
        url=row["url"],
    )
