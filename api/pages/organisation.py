"""What the organisation sets for itself, under Settings."""

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import field, go, page, read_form, viewer
from api.pages.settings import Problem, place, sentences
from api.routes.tenants import TenantReader, TenantWriter
from windlass.core.callers import Caller
from windlass.core.errors import FieldError, Invalid
from windlass.core.permissions import Permission

router = APIRouter(include_in_schema=False)

ADDRESS = "/settings/organisation"
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@router.get(ADDRESS)
async def settings(request: Request, caller: TenantReader, engine: EngineDep) -> Response:
    """Every setting, what holds, and where that comes from."""
    return await show(request, caller, engine)


async def show(
    request: Request,
    caller: Caller,
    engine: Engine,
    wrong: tuple[str, str] = ("", ""),
    problems: tuple[Problem, ...] = (),
) -> Response:
    """The settings; `wrong` is the name of one that was not taken, and what was written."""
    values: dict[str, Any] = {
        "settings": await engine.tenant_settings.catalogue(caller),
        "wrong": wrong,
        "problems": problems,
        "may_write": caller.may(Permission.TENANTS_WRITE),
        "seen": viewer(request),
        "title": "Organisation",
    }
    return await page(request, caller, "organisation.html", place("Organisation"), values, 422 if problems else 200)


@router.post(ADDRESS + "/{name}")
async def put(name: str, request: Request, caller: TenantWriter, engine: EngineDep) -> Response:
    """Set one, or leave it to the installation again."""
    form = read_form(request)
    if field(form, "reset", 5):
        await engine.tenant_settings.reset(caller, name)
        return go(ADDRESS, "What the installation has holds again")
    text = field(form, "value", 20)
    try:
        await engine.tenant_settings.put(caller, name, number(text))
    except Invalid as problem:
        return await show(request, caller, engine, (name, text), sentences(problem))
    return go(ADDRESS, "It holds from now on")


def number(text: str) -> int:
    """The whole number that was written. Raises Invalid."""
    if not NUMBER.fullmatch(text):
        raise Invalid("The setting was not changed.", (FieldError("value", "must be a whole number"),))
    return int(text)
