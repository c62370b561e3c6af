"""Templates of desktops: what there is, and what an organisation makes its own desktops of."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, status
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import EngineDep, requires
from api.routes.desktops import DesktopReader
from windlass.contracts.desktops import Template
from windlass.core.callers import Caller
from windlass.core.desktop_templates import DesktopTemplate
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/desktop-templates", tags=["desktops"])

DesktopConfigurer = Annotated[Caller, Depends(requires(Permission.DESKTOPS_CONFIGURE))]

NamePath = Annotated[str, Path(max_length=63)]
Way = Annotated[str, Field(min_length=1, max_length=260)]


class TemplateBody(Body):
    """What desktops of the template are made of; what is not sent is as in the standard."""

    summary: str = Field("", max_length=200, description="In a few words, for whoever chooses.")
    image: str = Field("", max_length=71, description="The digest of an image made FROM windlass-desktop; else that.")
    width: int = Field(1280, le=1 << 31)
    height: int = Field(800, le=1 << 31)
    memory_bytes: int = Field(1 << 30, le=1 << 50)
    home_bytes: int = Field(10 << 30, le=1 << 50, description="What may be in its home; with more it is ended.")
    cpus: float = Field(1.0, le=1 << 31)
    processes: int = Field(256, le=1 << 31)
    idle_s: int = Field(3_600, le=1 << 31, description="After so long without work it is shut down.")
    lifetime_s: int = Field(12 * 3_600, le=1 << 31, description="After so long it is shut down whatever it does.")
    egress: Sequence[Way] = Field((), max_length=200, examples=[["example.org:443", "*.example.org:443"]])


class TemplateView(BaseModel):
    """A template as it stands; a desktop takes up a change at its next start."""

    name: str
    version: int = Field(description="Counts its changes.")
    is_own: bool = Field(description="The organisation's own; else the installation's, which is always there.")
    summary: str
    image: str
    width: int
    height: int
    memory_bytes: int
    home_bytes: int
    cpus: float
    processes: int
    idle_s: int
    lifetime_s: int
    egress: Sequence[str]
    changed_at: datetime
    changed_by: str
    etag: str = Field(description="For `If-Match`: changes with every edit, and with nothing else.")


class TemplateList(BaseModel):
    """All templates one may choose from."""

    items: Sequence[TemplateView]
    next: None = None


@router.get("")
async def catalogue(caller: DesktopReader, engine: EngineDep) -> TemplateList:
    """All templates, `standard` first."""
    return TemplateList(items=[view(each) for each in await engine.desktop_templates.catalogue(caller)])


@router.get("/{name}")
async def read(name: NamePath, caller: DesktopReader, engine: EngineDep) -> TemplateView:
    """One template."""
    return view(await engine.desktop_templates.get(caller, name))


@router.put("/{name}")
async def put(
    name: NamePath,
    body: TemplateBody,
    caller: DesktopConfigurer,
    engine: EngineDep,
    if_match: Annotated[str | None, Header(max_length=100)] = None,
) -> TemplateView:
    """Write a template down, whole; desktops take it up at their next start. A stale `If-Match` is a 412."""
    wanted = None if if_match is None else if_match.strip().removeprefix("W/").strip('"')
    return view(await engine.desktop_templates.put(caller, name, Template.of(body.model_dump()), wanted))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(name: NamePath, caller: DesktopConfigurer, engine: EngineDep) -> None:
    """Delete one of one's own; an installation's of that name is in force again. Desktops made of it go on."""
    await engine.desktop_templates.remove(caller, name)


def view(template: DesktopTemplate) -> TemplateView:
    """The template as clients see it."""
    shown = {name: getattr(template, name) for name in TemplateView.model_fields if hasattr(template, name)}
    return TemplateView.model_validate({**asdict(template.made_of), **shown})
