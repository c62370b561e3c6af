"""What an organisation sets for itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, status
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.tenants import TenantReader, TenantWriter
from windlass.core.tenant_settings import TenantSetting

router = APIRouter(prefix="/v1/settings", tags=["settings"])

NamePath = Annotated[str, Path(max_length=63)]


class SettingBody(Body):
    """A setting's value."""

    value: Annotated[int, Field(strict=True, ge=0, le=1 << 31, examples=[15])]


class SettingView(BaseModel):
    """A setting as it holds for your organisation; `is_own`: it set that itself, else `installation` holds."""

    name: str
    value: int
    unit: str
    least: int
    most: int
    summary: str
    is_own: bool
    installation: int
    changed_at: datetime | None
    changed_by: str


class SettingList(BaseModel):
    """All settings there are."""

    items: Sequence[SettingView]
    next: None = None


@router.get("")
async def catalogue(caller: TenantReader, engine: EngineDep) -> SettingList:
    """All settings of the organisation you work in, and where each comes from."""
    return SettingList(items=[view(each) for each in await engine.tenant_settings.catalogue(caller)])


@router.get("/{name}")
async def read(name: NamePath, caller: TenantReader, engine: EngineDep) -> SettingView:
    """One setting."""
    return view(await engine.tenant_settings.get(caller, name))


@router.put("/{name}")
async def put(name: NamePath, body: SettingBody, caller: TenantWriter, engine: EngineDep) -> SettingView:
    """Set it for the organisation you work in, from now on."""
    return view(await engine.tenant_settings.put(caller, name, body.value))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def reset(name: NamePath, caller: TenantWriter, engine: EngineDep) -> None:
    """Have the installation's setting hold again. The second time nothing changes."""
    await engine.tenant_settings.reset(caller, name)


def view(setting: TenantSetting) -> SettingView:
    """The setting as clients see it."""
    rule = setting.rule
    return SettingView(
        name=rule.name,
        value=setting.value,
        unit=rule.unit,
        least=rule.least,
        most=setting.most,
        summary=rule.summary,
        is_own=setting.is_own,
        installation=setting.installation,
        changed_at=setting.changed_at,
        changed_by=setting.changed_by,
    )
