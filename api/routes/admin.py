"""The installation, for the operator of the platform: its health, its settings, its tenants; no tenant's content."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.dependencies import CursorsDep, DatabaseDep, PlatformReader, SettingsDep
from api.paging import ListQuery, PageOf
from api.routes.health import Readiness, readiness
from api.routes.tenants import TenantsDep
from windlass.core.health import Part, examine
from windlass.core.identity import Refusals

router = APIRouter(prefix="/v1/admin", tags=["admin"])

LIST = "admin/tenants"
REFUSALS = "admin/refused-sign-ins"


class TenantSummaryView(BaseModel):
    """A tenant and its size."""

    id: UUID
    name: str
    created_at: datetime
    deleted_at: datetime | None
    members: int


class RefusalView(BaseModel):
    """An attempt to sign in as somebody nobody knows."""

    id: int
    at: datetime
    email: str
    address: str
    request_id: str


class SettingView(BaseModel):
    """A setting as it is in force; secrets are only `set` or not."""

    name: str
    value: str | None
    is_default: bool


class SettingList(BaseModel):
    """Every setting."""

    items: Sequence[SettingView]
    next: None = None


@router.get("/tenants")
async def list_all_tenants(
    query: Annotated[ListQuery, Query()], caller: PlatformReader, tenants: TenantsDep, cursors: CursorsDep
) -> PageOf[TenantSummaryView]:
    """Every tenant of the installation, the newest first."""
    place = cursors.read(caller, LIST, query)
    found = await tenants.everywhere(caller, limit=query.limit + 1, after=UUID(place[0]) if place else None)
    items, next_ = cursors.page(caller, LIST, query, found, lambda tenant: (tenant.id,))
    return PageOf(items=[TenantSummaryView.model_validate(item, from_attributes=True) for item in items], next=next_)


@router.get("/refused-sign-ins")
async def list_refused_sign_ins(
    query: Annotated[ListQuery, Query()], caller: PlatformReader, database: DatabaseDep, cursors: CursorsDep
) -> PageOf[RefusalView]:
    """The newest attempts to sign in as somebody nobody knows; those of people are in the audit log of their tenant."""
    place = cursors.read(caller, REFUSALS, query)
    found = await Refusals(database).newest(caller, limit=query.limit + 1, after=place[0] if place else None)
    items, next_ = cursors.page(caller, REFUSALS, query, found, lambda refusal: (refusal.id,))
    return PageOf(items=[RefusalView.model_validate(item, from_attributes=True) for item in items], next=next_)


@router.get("/health")
async def health(_: PlatformReader, request: Request) -> Readiness:
    """How every part of the installation is."""
    parts: list[Part] = request.state.health
    return readiness(await examine(parts))


@router.get("/settings")
async def settings(_: PlatformReader, settings: SettingsDep) -> SettingList:
    """The settings this gateway runs with."""
    return SettingList(
        items=[
            SettingView(name=name, value=value, is_default=is_default)
            for name, value, is_default in settings.in_force()
        ]
    )
