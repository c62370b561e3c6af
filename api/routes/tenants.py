"""The organisations you belong to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, status
from pydantic import BaseModel

from api.bodies import Body, Name
from api.dependencies import requires
from api.routes.members import MembersDep, MemberView, view
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.identity import TenantOfPerson
from windlass.core.permissions import Permission, Role
from windlass.core.tenants import Tenants

router = APIRouter(prefix="/v1/tenants", tags=["tenants"])

TenantReader = Annotated[Caller, Depends(requires(Permission.TENANTS_READ))]
TenantCreator = Annotated[Caller, Depends(requires(Permission.TENANTS_CREATE))]
TenantWriter = Annotated[Caller, Depends(requires(Permission.TENANTS_WRITE))]
TenantOwner = Annotated[Caller, Depends(requires(Permission.TENANTS_OWN))]


class NameTenant(Body):
    """A tenant's name."""

    name: Name


class HandOver(Body):
    """The member who becomes the owner."""

    person_id: UUID


class TenantView(BaseModel):
    """A tenant you may enter, and as what; `is_current` is the one you work in now."""

    id: UUID
    name: str
    role: Role
    created_at: datetime
    is_current: bool


class TenantList(BaseModel):
    """All your tenants."""

    items: Sequence[TenantView]
    next: None = None


async def get_tenants(request: Request) -> Tenants:
    """The organisations."""
    tenants: Tenants = request.state.tenants
    return tenants


TenantsDep = Annotated[Tenants, Depends(get_tenants)]


@router.get("")
async def list_tenants(caller: TenantReader, tenants: TenantsDep) -> TenantList:
    """Your tenants; switch with `POST /v1/auth/switch`."""
    return TenantList(items=[_view(caller, tenant) for tenant in await tenants.mine(caller)])


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_tenant(body: NameTenant, caller: TenantCreator, tenants: TenantsDep) -> TenantView:
    """Make a tenant that you own."""
    return _view(caller, await tenants.create(caller, body.name))


@router.get("/{tenant_id}")
async def get_tenant(tenant_id: UUID, caller: TenantReader, tenants: TenantsDep) -> TenantView:
    """One of your tenants."""
    return _view(caller, await tenants.get(caller, tenant_id))


@router.patch("/{tenant_id}")
async def rename_tenant(tenant_id: UUID, body: NameTenant, caller: TenantWriter, tenants: TenantsDep) -> TenantView:
    """Give the tenant you work in another name."""
    return _view(caller, await tenants.rename(caller, tenant_id, body.name))


@router.delete("/{tenant_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_tenant(tenant_id: UUID, caller: TenantOwner, tenants: TenantsDep) -> None:
    """End the tenant you work in: nobody enters it any more, every session and key in it ends."""
    await tenants.delete(caller, tenant_id)


@router.post("/{tenant_id}/transfer")
async def hand_over(tenant_id: UUID, body: HandOver, caller: TenantOwner, members: MembersDep) -> MemberView:
    """Make another member the owner of the tenant you work in; you become an admin."""
    if tenant_id != caller.tenant_id:
        raise NotFound("tenant", tenant_id)
    return view(await members.hand_over(caller, body.person_id))


def _view(caller: Caller, tenant: TenantOfPerson) -> TenantView:
    return TenantView(
        id=tenant.id,
        name=tenant.name,
        role=tenant.role,
        created_at=tenant.created_at,
        is_current=tenant.id == caller.tenant_id,
    )
