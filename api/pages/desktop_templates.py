"""Templates of desktops, under Settings: what there is, and a form that makes or changes one."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.settings import place
from api.routes.desktop_templates import DesktopConfigurer
from api.routes.desktops import DesktopReader
from windlass.contracts.desktops import STANDARD, Template
from windlass.core.callers import Caller
from windlass.core.desktop_templates import DesktopTemplate
from windlass.core.errors import Conflict, FieldError, Invalid, Stale
from windlass.core.permissions import Permission

router = APIRouter(include_in_schema=False)

MiB = 1 << 20
ADDRESS = "/settings/desktops"
NUMBERS = {  # of the form: what the template calls it, and how many of its units one of the form's is
    "width": ("width", 1),
    "height": ("height", 1),
    "memory_mib": ("memory_bytes", MiB),
    "home_mib": ("home_bytes", MiB),
    "cpus": ("cpus", 1),
    "processes": ("processes", 1),
    "idle_minutes": ("idle_s", 60),
    "hours": ("lifetime_s", 3600),
}
FIELDS = {of: name for name, (of, _) in NUMBERS.items()}
Problems = tuple[tuple[str, str], ...]


@router.get(ADDRESS)
async def desktop_templates(request: Request, caller: DesktopReader, engine: EngineDep, name: str = "") -> Response:
    """All templates, and the form filled with one of them."""
    found = await engine.desktop_templates.catalogue(caller)
    chosen = next((each for each in found if each.name == name), None)
    standard = next(each for each in found if each.name == STANDARD)
    filled = as_form(chosen.name, chosen.made_of, chosen.etag) if chosen else as_form("", standard.made_of, "")
    return await show(request, caller, found, filled)


async def show(
    request: Request, caller: Caller, found: list[DesktopTemplate], filled: dict[str, str], problems: Problems = ()
) -> Response:
    """The list and the form."""
    values: dict[str, Any] = {
        "templates": found,
        "filled": filled,
        "problems": problems,
        "may_write": caller.may(Permission.DESKTOPS_CONFIGURE),
        "seen": viewer(request),
        "title": "Desktop templates",
    }
    answer = place("Desktop templates")
    return await page(request, caller, "desktop_templates.html", answer, values, 422 if problems else 200)


@router.post(ADDRESS)
async def put(request: Request, caller: DesktopConfigurer, engine: EngineDep) -> Response:
    """Make a template, or change one that nobody has changed meanwhile."""
    form = read_form(request)
    name = field(form, "name", 63)
    try:
        await engine.desktop_templates.put(caller, name, wish(form), field(form, "etag", 100) or None)
    except Invalid as problem:
        said = tuple((f"{_label(error.field)} {error.message}", _field(error.field)) for error in problem.errors)
        return await _again(request, caller, engine, form, said)
    except (Conflict, Stale) as problem:
        return await _again(request, caller, engine, form, ((problem.detail, ""),))
    return go(ADDRESS, f"{name} is in force for desktops that start from now on")


@router.post(ADDRESS + "/{name}/delete")
async def remove(name: str, caller: DesktopConfigurer, engine: EngineDep) -> Response:
    """Delete one of the organisation's own."""
    await engine.desktop_templates.remove(caller, name)
    return go(ADDRESS, f"{name} is deleted")


async def _again(request: Request, caller: Caller, engine: Engine, form: Form, problems: Problems) -> Response:
    filled = {name: field(form, name) for name in ("name", "etag", "summary", "image", "egress", *NUMBERS)}
    return await show(request, caller, await engine.desktop_templates.catalogue(caller), filled, problems)


def as_form(name: str, made_of: Template, etag: str) -> dict[str, str]:
    """A template as the form shows it."""
    numbers = {each: f"{getattr(made_of, of) / unit:.10g}" for each, (of, unit) in NUMBERS.items()}
    words = {"name": name, "etag": etag, "summary": made_of.summary, "image": made_of.image}
    return {**words, **numbers, "egress": "\n".join(made_of.egress)}


def wish(form: Form) -> Template:
    """The template that the form asks for. Raises Invalid."""
    wrong: list[FieldError] = []
    values: dict[str, Any] = {"summary": field(form, "summary", 200), "image": field(form, "image", 71)}
    values["egress"] = tuple(field(form, "egress", 30_000).split())
    for name, (of, unit) in NUMBERS.items():
        try:
            number = float(field(form, name, 20)) * unit
            values[of] = number if of == "cpus" else int(number)
        except (ValueError, OverflowError):
            wrong.append(FieldError(of, "must be a number"))
    if wrong:
        raise Invalid("No template was changed.", tuple(wrong))
    return Template.of(values)


def _field(name: str) -> str:
    """The field of the form that an error is about."""
    return FIELDS.get(name, name.partition(".")[0])


def _label(name: str) -> str:
    return _field(name).replace("_mib", "").replace("_minutes", "").capitalize()
