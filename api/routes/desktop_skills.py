"""Skills: what models are told before they work in an organisation's desktops."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, status
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.desktop_templates import DesktopConfigurer
from api.routes.desktops import DesktopReader
from windlass.core.skills import MOST_BYTES, Skill

router = APIRouter(prefix="/v1/desktop-skills", tags=["desktops"])

NamePath = Annotated[str, Path(max_length=63)]


class SkillBody(Body):
    """A skill's text."""

    text: str = Field(min_length=1, max_length=MOST_BYTES, examples=["Invoices are filed in ~/invoices, by month."])


class SkillView(BaseModel):
    """A skill as it stands."""

    name: str
    text: str
    size_bytes: int
    changed_at: datetime
    changed_by: str


class SkillList(BaseModel):
    """All skills, in the order in which they are told."""

    items: Sequence[SkillView]
    next: None = None


@router.get("")
async def catalogue(caller: DesktopReader, engine: EngineDep) -> SkillList:
    """All skills of the organisation, in the order in which they are told."""
    return SkillList(items=[view(each) for each in await engine.skills.catalogue(caller)])


@router.get("/{name}")
async def read(name: NamePath, caller: DesktopReader, engine: EngineDep) -> SkillView:
    """One skill."""
    return view(await engine.skills.get(caller, name))


@router.put("/{name}")
async def put(name: NamePath, body: SkillBody, caller: DesktopConfigurer, engine: EngineDep) -> SkillView:
    """Write a skill down: 8 kB at most, 24 kB with all others. Prompt tasks that begin from now on see it."""
    return view(await engine.skills.put(caller, name, body.text))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(name: NamePath, caller: DesktopConfigurer, engine: EngineDep) -> None:
    """Delete a skill."""
    await engine.skills.remove(caller, name)


def view(skill: Skill) -> SkillView:
    """The skill as clients see it."""
    return SkillView.model_validate(skill, from_attributes=True)
