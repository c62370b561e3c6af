"""The page of one service: how it is, and its flows, of which somebody may say other things than it does itself."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.services import SHAPES, WORDS, show
from api.pages.shell import Place
from api.routes.flows import FlowChangeBody
from api.routes.services import ServiceReader, ServiceWriter
from windlass.core.callers import Caller
from windlass.core.checkups import Checkup
from windlass.core.permissions import Permission

router = APIRouter(include_in_schema=False)

TEXTS = ("display", "description", "author", "organization")


@router.get("/services/{name}")
async def service(name: str, request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """One service."""
    return await _show(request, caller, engine, name)


@router.post("/services/check")
async def check_all(request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """Ask all hosts how they are."""
    return await show(request, caller, engine, checkups=await engine.checkups.of_all(caller))


@router.post("/services/{name}/check")
async def check(name: str, request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """Ask its host how it is."""
    return await _show(request, caller, engine, name, checkup=await engine.checkups.of(caller, name))


@router.post("/services/{name}/flows/{flow}")
async def change(name: str, flow: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Say something else of a flow than its service does."""
    try:
        body = FlowChangeBody.model_validate(_wish(read_form(request)))
    except ValidationError as wrong:
        problems = tuple((f"{each['loc'][0]}: {each['msg']}", "") for each in wrong.errors())
        return await _show(request, caller, engine, name, problems=problems)
    changed = await engine.flows.change(caller, name, flow, body.given())
    return go(f"/services/{name}", f"{changed.display} is changed")


@router.post("/services/{name}/flows/{flow}/switch")
async def switch(name: str, flow: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Have it start no more, or again."""
    is_on = field(read_form(request), "enabled", 5) == "on"
    changed = await engine.flows.change(caller, name, flow, {"enabled": is_on})
    return go(f"/services/{name}", f"{changed.display} is {'on' if is_on else 'off'}")


async def _show(
    request: Request,
    caller: Caller,
    engine: Engine,
    name: str,
    *,
    checkup: Checkup | None = None,
    problems: tuple[tuple[str, str], ...] = (),
) -> Response:
    found = await engine.services.get(caller, name)
    values: dict[str, Any] = {
        "service": found,
        "flows": await engine.flows.of(caller, name),
        "checkup": checkup,
        "shapes": SHAPES,
        "words": WORDS,
        "seen": viewer(request),
        "may_write": caller.may(Permission.SERVICES_WRITE),
        "problems": problems,
        "title": found.name,
    }
    place = Place("Services", (("Services", "/services"), (found.name, "")))
    return await page(request, caller, "service.html", place, values, 422 if problems else 200)


def _wish(form: Form) -> dict[str, Any]:
    """What was filled in; an empty field is the service's own word."""
    said: dict[str, Any] = {name: field(form, name, 10_000) or None for name in TEXTS}
    tags = [each.strip() for each in field(form, "tags", 6000).split(",")]
    return {**said, "tags": [each for each in tags if each] or None}
