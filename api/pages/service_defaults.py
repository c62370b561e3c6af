"""The page of what services have where they say nothing themselves."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import Form, field, go, page, read_form, typed, viewer
from api.pages.shell import Place
from api.routes.service_defaults import COUNTS, DefaultsBody
from api.routes.services import ServiceReader, ServiceWriter
from windlass.core.callers import Caller
from windlass.core.errors import Invalid
from windlass.core.permissions import Permission

router = APIRouter(include_in_schema=False)

FIELDS = ("env", "secrets", "replicas", "memory_mib")
CHARACTERS = 200_000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@router.get("/services/defaults")
async def show(request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """The defaults, and the form that changes them."""
    return await _show(request, caller, engine)


@router.post("/services/defaults")
async def put(request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Have what is filled in from now on."""
    form = read_form(request)
    try:
        await engine.service_defaults.put(caller, _body(form).wish())
    except ValidationError as wrong:
        problems = tuple(dict.fromkeys((_said_of(each), "") for each in wrong.errors()))
    except Invalid as wrong:
        problems = tuple((f"{each.field} {each.message}", "") for each in wrong.errors)
    else:
        return go("/services/defaults", "The defaults are changed")
    filled = {each: field(form, each, CHARACTERS) for each in FIELDS}
    return await _show(request, caller, engine, {**filled, "secrets": _names(filled["secrets"])}, problems)


async def _show(
    request: Request,
    caller: Caller,
    engine: Engine,
    filled: dict[str, str] | None = None,
    problems: tuple[tuple[str, str], ...] = (),
) -> Response:
    found = await engine.service_defaults.get(caller)
    known = {
        "env": "\n".join(sorted(found.env)),
        "secrets": "\n".join(found.secret_names),
        "replicas": str(found.replicas),
        "memory_mib": str(found.memory_mib or ""),
    }
    values = {
        "defaults": found,
        "filled": filled or known,
        "problems": problems,
        "counts": COUNTS,
        "seen": viewer(request),
        "may_write": caller.may(Permission.SERVICES_WRITE),
        "characters": CHARACTERS,
        "title": "Defaults of services",
    }
    place = Place("Services", (("Services", "/services"), ("Defaults", "")))
    return await page(request, caller, "service_defaults.html", place, values, 422 if problems else 200)


def _body(form: Form) -> DefaultsBody:
    """What was filled in. Raises ValidationError."""
    return DefaultsBody.model_validate(
        {
            **{each: _variables(typed(form, each, CHARACTERS)) for each in ("env", "secrets")},
            "replicas": field(form, "replicas", 10) or 1,
            "limits": {"memory_mib": field(form, "memory_mib", 10) or None},
        }
    )


def _variables(text: str) -> dict[str, str | None]:
    """One a line, NAME=VALUE; a name alone keeps the value it has."""
    pairs = (line.partition("=") for line in text.splitlines() if line.strip())
    return {name.strip(): value if sign else None for name, sign, value in pairs}


def _names(text: str) -> str:
    """Secrets as they are shown again: of what has a value the name alone."""
    return "\n".join(name for name in _variables(text) if NAME.fullmatch(name))


def _said_of(error: Mapping[str, Any]) -> str:
    """What is wrong with a field; of secrets no line, which may be one that lacks its name."""
    place = [str(each) for each in error["loc"]]
    if place[0] == "secrets" and len(place) > 1 and not NAME.fullmatch(place[1]):
        return "secrets: each line must be NAME=VALUE"
    return f"{'.'.join(place)}: {error['msg']}"
