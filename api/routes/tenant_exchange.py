"""Exchange of a whole organisation: what it is made of as one document, and such a document taken in."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.bodies import Body, Name
from api.dependencies import EngineDep, get_database
from api.routes.agents import AgentBody
from api.routes.desktop_templates import TemplateBody
from api.routes.exchange import MOST_ITEMS, DefaultsItem, OutcomeView, checked, errors_of
from api.routes.exchange import DocumentBody as ServicesBody
from api.routes.schedules import ScheduleBody
from api.routes.servers import ServerBody
from api.routes.settings import SettingBody
from api.routes.tasks import TaskBody
from api.routes.tenants import TenantWriter
from windlass.contracts.events import Payload
from windlass.core.database import Database
from windlass.core.errors import FieldError
from windlass.core.exchange import Outcome
from windlass.core.exchanged_defaults import DefaultsSection
from windlass.core.tenant_exchange import Document, Sent, TenantExchange
from windlass.core.tenant_sections import MOST_ITEMS as MOST_OF_ONE
from windlass.core.tenant_sections import (
    AgentSection,
    ScheduleSection,
    ServerSection,
    SettingSection,
    SkillSection,
    TaskSection,
    TemplateSection,
    plain,
)

router = APIRouter(prefix="/v1/exchange", tags=["exchange"])

KIND = "windlass.tenant/1"
Items = Annotated[list[dict[str, Any]], Field(max_length=MOST_OF_ONE)]
SectionName = Annotated[str, Field(min_length=1, max_length=63)]


class ExchangedSetting(SettingBody):
    """A setting of the organisation's own."""

    name: SectionName


class ExchangedTemplate(TemplateBody):
    """A template of desktops of its own."""

    name: SectionName


class ExchangedSkill(Body):
    """A text that models are told before they work in a desktop."""

    name: SectionName
    text: str = Field(max_length=100_000)


class ExchangedServer(ServerBody):
    """An MCP server; of its headers only the names."""

    headers: list[Annotated[str, Field(max_length=100)]] | None = Field(None, max_length=20)  # type: ignore[assignment] # no secret travels


class ExchangedSchedule(ScheduleBody):
    """A schedule; its task by name."""

    task: Name
    task_id: None = None  # type: ignore[assignment] # it is another one in every organisation


async def tenant_exchange(engine: EngineDep, database: Annotated[Database, Depends(get_database)]) -> TenantExchange:
    """The organisation's things, in the order in which they stand on one another."""
    first = (
        *(SettingSection(engine.tenant_settings), TemplateSection(engine.desktop_templates)),
        *(SkillSection(engine.skills), ServerSection(engine.servers), DefaultsSection(engine.service_defaults)),
    )
    last = (
        *(AgentSection(engine.saved_agents), TaskSection(engine.tasks)),
        ScheduleSection(engine.schedules, engine.tasks),
    )
    return TenantExchange(database, engine.exchange, first, last)


TenantExchangeDep = Annotated[TenantExchange, Depends(tenant_exchange)]

MODELS: Mapping[str, type[Body]] = {
    "settings": ExchangedSetting,
    "desktop_templates": ExchangedTemplate,
    "desktop_skills": ExchangedSkill,
    "mcp_servers": ExchangedServer,
    "service_defaults": DefaultsItem,
    "agents": AgentBody,
    "tasks": TaskBody,
    "schedules": ExchangedSchedule,
}


class TenantDocument(BaseModel):
    """What an organisation is made of, without people, keys, secrets and runs."""

    kind: Literal["windlass.tenant/1"] = KIND
    exported_at: datetime | None = None
    settings: Sequence[dict[str, Any]]
    desktop_templates: Sequence[dict[str, Any]]
    desktop_skills: Sequence[dict[str, Any]]
    mcp_servers: Sequence[dict[str, Any]]
    # No backup of before knows of them, and an older gateway takes no such section, not even an empty one.
    service_defaults: Sequence[dict[str, Any]] = Field((), exclude_if=lambda said: not said)
    services: Sequence[dict[str, Any]]
    agents: Sequence[dict[str, Any]]
    tasks: Sequence[dict[str, Any]]
    schedules: Sequence[dict[str, Any]]


class TenantDocumentBody(Body):
    """A document as `GET /v1/exchange/export` answers it; its items are looked at one by one."""

    kind: Literal["windlass.tenant/1"]
    exported_at: datetime | None = None
    settings: Items = Field(default_factory=list[dict[str, Any]])
    desktop_templates: Items = Field(default_factory=list[dict[str, Any]])
    desktop_skills: Items = Field(default_factory=list[dict[str, Any]])
    mcp_servers: Items = Field(default_factory=list[dict[str, Any]])
    service_defaults: Items = Field(default_factory=list[dict[str, Any]])
    services: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]], max_length=MOST_ITEMS)
    agents: Items = Field(default_factory=list[dict[str, Any]])
    tasks: Items = Field(default_factory=list[dict[str, Any]])
    schedules: Items = Field(default_factory=list[dict[str, Any]])


class SectionView(BaseModel):
    """What became of the items of one kind."""

    section: str
    items: Sequence[OutcomeView]


class TenantImportView(BaseModel):
    """What became of a document, in the order it is taken in; `backup_id` names how things were before."""

    dry_run: bool
    backup_id: UUID | None
    sections: Sequence[SectionView]


class TenantBackupView(BaseModel):
    """How the organisation was before an import."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime


class TenantBackupList(BaseModel):
    """The last 20 backups, the newest first."""

    items: Sequence[TenantBackupView]
    next: None = None


@router.get("/export")
async def export(caller: TenantWriter, exchange: TenantExchangeDep) -> TenantDocument:
    """The whole organisation as one document: no people, keys, runs or secrets, of these the names."""
    return _document(await exchange.export(caller))


@router.post("/import")
async def take(
    body: TenantDocumentBody,
    caller: TenantWriter,
    exchange: TenantExchangeDep,
    dry_run: Annotated[bool, Query(description="Only say what would become of each item.")] = False,
) -> TenantImportView:
    """Add and change what a document says, item by item, after a backup; nothing is deleted and secrets stay."""
    done = await exchange.take(caller, sent(body), is_dry=dry_run)
    sections = [
        SectionView(section=name, items=[OutcomeView.model_validate(each) for each in items])
        for name, items in done.sections.items()
    ]
    return TenantImportView(dry_run=dry_run, backup_id=done.backup_id, sections=sections)


@router.get("/backups")
async def backups(caller: TenantWriter, exchange: TenantExchangeDep) -> TenantBackupList:
    """How the organisation was before the last imports."""
    found = await exchange.backups(caller)
    return TenantBackupList(items=[TenantBackupView.model_validate(each) for each in found])


@router.get("/backups/{document_id}")
async def backup(document_id: UUID, caller: TenantWriter, exchange: TenantExchangeDep) -> TenantDocument:
    """The organisation as it was, to be imported like any document."""
    return _document(await exchange.backup(caller, document_id))


def sent(body: TenantDocumentBody) -> Sent:
    """The items of a document as the core has them, and of those that are wrong, why."""
    services = checked(ServicesBody(services=body.services))
    others = {name: _items(model, getattr(body, name)) for name, model in MODELS.items()}
    return Sent(tuple(services), others)


def _document(document: Document) -> TenantDocument:
    return TenantDocument.model_validate({"exported_at": datetime.now(UTC), **document})


def _items(model: type[Body], items: Sequence[dict[str, Any]]) -> list[Payload | Outcome]:
    seen: set[str] = set()
    return [_item(model, raw, place, seen) for place, raw in enumerate(items)]


def _item(model: type[Body], raw: dict[str, Any], place: int, seen: set[str]) -> Payload | Outcome:
    """An item as the core has it, or why it is refused; a name may stand once in its section."""
    named = raw.get("name")
    name = named[:100] if isinstance(named, str) and named else f"item {place + 1}"
    try:
        item = plain(model.model_validate(raw).model_dump(exclude={"task_id"}))
    except ValidationError as wrong:
        return Outcome(name, "refused", errors_of(wrong))
    if item["name"] in seen:
        return Outcome(name, "refused", (FieldError("name", "stands twice in the document"),))
    seen.add(item["name"])
    return item
