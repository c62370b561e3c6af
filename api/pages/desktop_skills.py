"""Skills of the organisation, under Settings."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import field, go, page, read_form, viewer
from api.pages.settings import place, sentences
from api.routes.desktop_templates import DesktopConfigurer
from api.routes.desktops import DesktopReader
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid
from windlass.core.permissions import Permission

router = APIRouter(include_in_schema=False)

ADDRESS = "/settings/skills"
Problems = tuple[tuple[str, str], ...]


@router.get(ADDRESS)
async def skills(request: Request, caller: DesktopReader, engine: EngineDep, name: str = "") -> Response:
    """All skills, and the form filled with one of them."""
    texts = {each.name: each.text for each in await engine.skills.catalogue(caller)}
    return await show(request, caller, engine, (name, texts[name]) if name in texts else ("", ""))


async def show(
    request: Request, caller: Caller, engine: Engine, filled: tuple[str, str], problems: Problems = ()
) -> Response:
    """The list and the form."""
    values: dict[str, Any] = {
        "skills": await engine.skills.catalogue(caller),
        "filled": filled,
        "problems": problems,
        "may_write": caller.may(Permission.DESKTOPS_CONFIGURE),
        "seen": viewer(request),
        "title": "Skills",
    }
    return await page(request, caller, "skills.html", place("Skills"), values, 422 if problems else 200)


@router.post(ADDRESS)
async def put(request: Request, caller: DesktopConfigurer, engine: EngineDep) -> Response:
    """Write a skill down, or another in its place."""
    form = read_form(request)
    name, text = field(form, "name", 64), form.get("text", [""])[0].replace("\r\n", "\n")
    try:
        await engine.skills.put(caller, name, text)
    except (Conflict, Invalid) as problem:
        return await show(request, caller, engine, (name, text), sentences(problem))
    return go(ADDRESS, f"Tasks that begin from now on are told {name}")


@router.post(ADDRESS + "/{name}/delete")
async def remove(name: str, caller: DesktopConfigurer, engine: EngineDep) -> Response:
    """Delete a skill."""
    await engine.skills.remove(caller, name)
    return go(ADDRESS, f"{name} is deleted")
