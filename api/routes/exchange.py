"""Exchange of services: all of them as one document, and such a document taken in."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.flows import Tag
from api.routes.services import (
    Display,
    EnvName,
    EnvValue,
    LimitsBody,
    Project,
    Python,
    Replicas,
    ServiceWriter,
    Url,
    only_url,
)
from windlass.core.errors import FieldError, Invalid
from windlass.core.exchange import Exchanged, Item, Outcome, edit_of, written
from windlass.core.exchanged_defaults import NAME as DEFAULTS
from windlass.core.exchanged_defaults import ExchangedDefaults
from windlass.core.services import checked_name

router = APIRouter(prefix="/v1/services", tags=["services"])

KIND = "windlass.services/1"
MOST_ITEMS = 500
FlowName = Annotated[str, Field(min_length=1, max_length=200)]


class ExchangedFlow(Body):
    """What somebody has set of a flow; a null: what its service says stands."""

    name: FlowName
    display: str | None = Field(None, min_length=1, max_length=200)
    description: str | None = Field(None, max_length=10_000)
    tags: list[Tag] | None = Field(None, max_length=50)
    author: str | None = Field(None, max_length=200)
    organization: str | None = Field(None, max_length=200)
    enabled: bool = True


class ExchangedService(Body):
    """A service as it travels; of its secrets only the names. How many it may have is counted beside what is there."""

    name: str = Field(min_length=1, max_length=63)
    project: Project = ""
    import_path: str = Field("", max_length=300, pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")
    env: dict[EnvName, EnvValue] = Field(default_factory=dict[str, str])
    enabled: bool = True
    secrets: list[EnvName] = Field(default_factory=list[str])
    python: Python = ""
    replicas: Replicas | None = None
    url: Url = ""
    display: Display = ""
    flows: list[ExchangedFlow] = Field(default_factory=list[ExchangedFlow], max_length=500)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        return only_url(self)


class DefaultsItem(Body):
    """What services inherit, as it travels; of its secrets only the names."""

    name: Literal["defaults"] = DEFAULTS
    env: dict[EnvName, EnvValue] = Field(default_factory=dict[str, str], max_length=100)
    secrets: list[EnvName] = Field(default_factory=list[str], max_length=100)
    replicas: Replicas = 1
    limits: LimitsBody = Field(default_factory=LimitsBody)


class Document(BaseModel):
    """The services of an organisation and what they inherit, to be kept or imported somewhere."""

    kind: Literal["windlass.services/1"] = KIND
    exported_at: datetime | None = None
    # An older gateway takes no such key, not even one that is null.
    defaults: dict[str, Any] | None = Field(
        None, exclude_if=lambda said: said is None, description="What services inherit; left out where nobody said any."
    )
    services: Sequence[dict[str, Any]]


class DocumentBody(Body):
    """A document as `GET /v1/services/export` answers it; its items are looked at one by one."""

    kind: Literal["windlass.services/1"] = KIND
    exported_at: datetime | None = None
    defaults: dict[str, Any] | None = Field(default=None, description="What services inherit; without it that stays.")
    services: list[dict[str, Any]] = Field(max_length=MOST_ITEMS)


class ErrorView(BaseModel):
    """What is wrong with an item."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    message: str


class OutcomeView(BaseModel):
    """What became of an item, or would; `missing_secrets` are to be set by hand."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    outcome: Literal["added", "changed", "same", "refused"]
    errors: Sequence[ErrorView]
    missing_secrets: Sequence[str]


class ImportView(BaseModel):
    """What became of a document; `backup_id` names how things were before, where anything was changed."""

    dry_run: bool
    backup_id: UUID | None
    items: Sequence[OutcomeView]


class BackupView(BaseModel):
    """How the services were before an import."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    services: int


class BackupList(BaseModel):
    """The last 20 backups, the newest first."""

    items: Sequence[BackupView]
    next: None = None


@router.get("/export")
async def export(caller: ServiceWriter, engine: EngineDep) -> Document:
    """All services and what they inherit as one document, variables with their values, secrets by name alone."""
    return _document(await engine.exchange.export(caller))


@router.post("/import")
async def take(
    body: DocumentBody,
    caller: ServiceWriter,
    engine: EngineDep,
    dry_run: Annotated[bool, Query(description="Only say what would become of each item.")] = False,
) -> ImportView:
    """Add and change what a document says, item by item, after a backup; nothing is deleted and secrets stay."""
    done = await engine.exchange.take(caller, checked(body), is_dry=dry_run)
    views = [OutcomeView.model_validate(each) for each in done.items]
    return ImportView(dry_run=dry_run, backup_id=done.backup_id, items=views)


@router.get("/backups")
async def backups(caller: ServiceWriter, engine: EngineDep) -> BackupList:
    """How the services were before the last imports."""
    return BackupList(items=[BackupView.model_validate(each) for each in await engine.exchange.backups(caller)])


@router.get("/backups/{backup_id}")
async def backup(backup_id: UUID, caller: ServiceWriter, engine: EngineDep) -> Document:
    """The services as they were, to be imported like any document."""
    return _document(await engine.exchange.backup(caller, backup_id))


def checked(body: DocumentBody) -> list[Item | Outcome]:
    """The items of a document as the core has them, and of those that are wrong, why; what all inherit comes first."""
    seen: set[str] = set()
    first = () if body.defaults is None else (_checked_defaults(body.defaults),)
    return [*first, *(_checked(raw, place, seen) for place, raw in enumerate(body.services))]


def _document(items: Sequence[Item]) -> Document:
    defaults = next((each.written() for each in items if isinstance(each, ExchangedDefaults)), None)
    services = [written(each) for each in items if isinstance(each, Exchanged)]
    return Document(exported_at=datetime.now(UTC), defaults=defaults, services=services)


def _checked_defaults(raw: dict[str, Any]) -> ExchangedDefaults | Outcome:
    try:
        return ExchangedDefaults.of(DefaultsItem.model_validate(raw).model_dump())
    except ValidationError as wrong:
        return Outcome(DEFAULTS, "refused", errors_of(wrong))


def errors_of(wrong: ValidationError) -> tuple[FieldError, ...]:
    """What is wrong with an item, by field."""
    return tuple(FieldError(".".join(map(str, each["loc"])), each["msg"]) for each in wrong.errors())


def _checked(raw: dict[str, Any], place: int, seen: set[str]) -> Exchanged | Outcome:
    """An item as the core has it, or why it is refused; a name may stand once."""
    named = raw.get("name")
    name = named[:63] if isinstance(named, str) and named else f"item {place + 1}"
    try:
        item = ExchangedService.model_validate(raw)
        name = checked_name(item.name)
    except ValidationError as wrong:
        return Outcome(name, "refused", errors_of(wrong))
    except Invalid as wrong:
        return Outcome(name, "refused", wrong.errors)
    twice = {each.name for each in item.flows}
    if name in seen or len(twice) < len(item.flows):
        field = "name" if name in seen else "flows"
        return Outcome(name, "refused", (FieldError(field, "stands twice in the document"),))
    seen.add(name)
    flows = tuple(edit_of(each.model_dump()) for each in item.flows)
    plain = item.model_dump(exclude={"name", "secrets", "flows"})  # all else is what it is called there too
    return Exchanged(name=name, secrets=tuple(item.secrets), flows=flows, **plain)
