"""Exchange of services, as both clients offer it."""

from datetime import datetime
from typing import Any

from pydantic import Field

from windlass.client.calls import Call, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Json, Page, Record

PATH, TENANT = "/v1/services", "/v1/exchange"


class Problem(Record):
    """What is wrong with an item."""

    field: str
    message: str = ""


class Outcome(Record):
    """What became of an item, or would: `added`, `changed`, `same` or `refused`."""

    name: str
    outcome: str = ""
    errors: list[Problem] = Field(default_factory=list[Problem])
    missing_secrets: list[str] = Field(default_factory=list[str])


class Import(Record):
    """What became of a document; `backup_id` names how things were before."""

    dry_run: bool = False
    backup_id: str | None = None
    items: list[Outcome] = Field(default_factory=list[Outcome])


class SectionOutcomes(Record):
    """What became of the items of one kind."""

    section: str
    items: list[Outcome] = Field(default_factory=list[Outcome])


class TenantImport(Record):
    """What became of a document of an organisation; `backup_id` names how things were before."""

    dry_run: bool = False
    backup_id: str | None = None
    sections: list[SectionOutcomes] = Field(default_factory=list[SectionOutcomes])


class Backup(Record):
    """How the services were before an import."""

    id: str
    created_at: datetime | None = None
    services: int = 0


def export_services() -> Call[Json]:
    """All services as one document."""
    return Call("GET", f"{PATH}/export", _as_it_is)


def import_services(document: Json, *, dry_run: bool) -> Call[Import]:
    """Take a document in, or only say what would become of it."""
    return Call("POST", f"{PATH}/import?dry_run={str(dry_run).lower()}", Import.model_validate, document)


def list_backups() -> Call[Page[Backup]]:
    """How the services were before the last imports."""
    return Call("GET", f"{PATH}/backups", Page[Backup].model_validate)


def get_backup(backup_id: str) -> Call[Json]:
    """The services as they were, to be imported like any document."""
    return Call("GET", f"{PATH}/backups/{segment(backup_id)}", _as_it_is)


def export_tenant() -> Call[Json]:
    """The whole organisation as one document."""
    return Call("GET", f"{TENANT}/export", _as_it_is)


def import_tenant(document: Json, *, dry_run: bool) -> Call[TenantImport]:
    """Take a document of an organisation in, or only say what would become of it."""
    return Call("POST", f"{TENANT}/import?dry_run={str(dry_run).lower()}", TenantImport.model_validate, document)


def list_tenant_backups() -> Call[Page[Backup]]:
    """How the organisation was before the last imports."""
    return Call("GET", f"{TENANT}/backups", Page[Backup].model_validate)


def get_tenant_backup(backup_id: str) -> Call[Json]:
    """The organisation as it was, to be imported like any document."""
    return Call("GET", f"{TENANT}/backups/{segment(backup_id)}", _as_it_is)


def _as_it_is(document: Any) -> Json:
    return document


class Exchange:
    """The services as documents."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def export(self) -> Json:
        """All services as one document."""
        return self._client.send(export_services())

    def take(self, document: Json, *, dry_run: bool = False) -> Import:
        """Take a document in, or only say what would become of it."""
        return self._client.send(import_services(document, dry_run=dry_run))

    def backups(self) -> Page[Backup]:
        """How the services were before the last imports."""
        return self._client.send(list_backups())

    def backup(self, backup_id: str) -> Json:
        """The services as they were."""
        return self._client.send(get_backup(backup_id))

    def export_tenant(self) -> Json:
        """The whole organisation as one document."""
        return self._client.send(export_tenant())

    def take_tenant(self, document: Json, *, dry_run: bool = False) -> TenantImport:
        """Take a document of an organisation in, or only say what would become of it."""
        return self._client.send(import_tenant(document, dry_run=dry_run))

    def tenant_backups(self) -> Page[Backup]:
        """How the organisation was before the last imports."""
        return self._client.send(list_tenant_backups())

    def tenant_backup(self, backup_id: str) -> Json:
        """The organisation as it was."""
        return self._client.send(get_tenant_backup(backup_id))


class AsyncExchange:
    """The services as documents."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def export(self) -> Json:
        """All services as one document."""
        return await self._client.send(export_services())

    async def take(self, document: Json, *, dry_run: bool = False) -> Import:
        """Take a document in, or only say what would become of it."""
        return await self._client.send(import_services(document, dry_run=dry_run))

    async def backups(self) -> Page[Backup]:
        """How the services were before the last imports."""
        return await self._client.send(list_backups())

    async def backup(self, backup_id: str) -> Json:
        """The services as they were."""
        return await self._client.send(get_backup(backup_id))

    async def export_tenant(self) -> Json:
        """The whole organisation as one document."""
        return await self._client.send(export_tenant())

    async def take_tenant(self, document: Json, *, dry_run: bool = False) -> TenantImport:
        """Take a document of an organisation in, or only say what would become of it."""
        return await self._client.send(import_tenant(document, dry_run=dry_run))

    async def tenant_backups(self) -> Page[Backup]:
        """How the organisation was before the last imports."""
        return await self._client.send(list_tenant_backups())

    async def tenant_backup(self, backup_id: str) -> Json:
        """The organisation as it was."""
        return await self._client.send(get_tenant_backup(backup_id))
