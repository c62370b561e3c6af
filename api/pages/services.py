"""The pages of services: which programs are served, and how they are doing."""

import re
from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.shell import Place
from api.routes.services import ServiceReader, ServiceWriter
from windlass.core.archives import LARGEST_BYTES, ArchiveRefused
from windlass.core.callers import Caller
from windlass.core.checkups import Checkup
from windlass.core.doors import BadGateway, GatewayTimeout
from windlass.core.errors import Conflict, FieldError, Invalid
from windlass.core.permissions import Permission
from windlass.core.sent_archives import upload_named
from windlass.core.services import NewService, ServiceChange, checked_name
from windlass.core.sources import checked_project, module_of

router = APIRouter(include_in_schema=False)

SHAPES = {
    "draft": "untried",
    "running": "finished",
    "deploying": "starting",
    "deploy_failed": "failed",
    "unhealthy": "failed",
    "dead": "offline",
}
WORDS = {
    "draft": "Draft",
    "running": "Up",
    "deploying": "Starting",
    "deploy_failed": "Not deployed",
    "unhealthy": "Failed",
    "dead": "Off",
}
FIELDS = {"name": "far_name"}  # of the form that registers
LABELS = {"name": "Name", "project": "Project", "import_path": "App", "url": "OpenAPI document"}
IMPORT_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@router.get("/services")
async def services(request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """All services."""
    return await show(request, caller, engine)


async def show(
    request: Request,
    caller: Caller,
    engine: Engine,
    filled: dict[str, str] | None = None,
    problems: tuple[tuple[str, str], ...] = (),
    checkups: Sequence[Checkup] = (),
) -> Response:
    """The list, and the form that adds one."""
    values = {
        "checkups": checkups,
        "services": await engine.services.catalogue(caller),
        "shapes": SHAPES,
        "words": WORDS,
        "seen": viewer(request),
        "short_reason": short_reason,
        "may_write": caller.may(Permission.SERVICES_WRITE),
        "filled": dict.fromkeys(("name", "project", "import_path", "far_name", "url"), "") | (filled or {}),
        "problems": problems,
        "wrong": {field: text for text, field in problems},
        "most_bytes": LARGEST_BYTES,
        "title": "Services",
    }
    place = Place("Services", (("Services", ""),))
    return await page(request, caller, "services.html", place, values, 422 if problems else 200)


@router.post("/services")
async def add(request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Have a program served."""
    form = read_form(request)
    filled = {name: field(form, name, 1000) for name in ("name", "project", "import_path")}
    try:
        wanted = wish(form)
        filled["project"] = await placed(engine, caller, wanted.project, module_of(wanted.import_path))
        await engine.services.add(caller, replace(wanted, project=filled["project"]))
    except ArchiveRefused as problem:
        return await show(request, caller, engine, {**filled, "project": ""}, refusals(problem))
    except Invalid as problem:
        wrong = tuple((f"{LABELS.get(each.field, each.field)} {each.message}", each.field) for each in problem.errors)
        return await show(request, caller, engine, filled, wrong or ((problem.detail, ""),))
    except Conflict as problem:
        about = "project" if upload_named(filled["project"]) else "name"
        return await show(request, caller, engine, filled, ((problem.detail, about),))
    return go("/services", f"{filled['name']} starts now")


async def placed(engine: Engine, caller: Caller, project: str, module: str) -> str:
    """The project as filled in; where that names an upload, the archive in it. Raises ArchiveRefused, Conflict."""
    upload_id = upload_named(project)
    if upload_id is None:
        return project
    async with engine.uploads.place(caller.person_id):
        return await engine.sent_archives.keep(caller, upload_id, module)


def refusals(problem: ArchiveRefused) -> tuple[tuple[str, str], ...]:
    """What is wrong with an archive, as the form says it; it is asked for where the project is."""
    return tuple((f"The archive {each.message}", "project") for each in problem.errors)


@router.post("/services/register")
async def register(request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Have the flows of a service that others run in the catalogue."""
    form = read_form(request)
    name, url = field(form, "far_name", 63), field(form, "url", 1000)
    filled = {"far_name": name, "url": url}
    try:
        found = await engine.registrations.register(caller, name, url)
    except Invalid as problem:
        wrong = tuple(
            (f"{LABELS.get(each.field, each.field)} {each.message}", FIELDS.get(each.field, "url"))
            for each in problem.errors
        )
        return await show(request, caller, engine, filled, wrong or ((problem.detail, "url"),))
    except (BadGateway, Conflict, GatewayTimeout) as problem:
        return await show(request, caller, engine, filled, ((problem.detail, "url"),))
    return go(f"/services/{found.name}", f"{found.name} is registered")


@router.post("/services/{name}/refresh")
async def refresh(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Start its program anew; of one that others run, read its flows anew."""
    if (await engine.services.get(caller, name)).url:
        found = await engine.registrations.refresh(caller, name)
        return go(_back(request, name), f"{name} was not read" if found.has_failed else f"{name} is read anew")
    await engine.services.refresh(caller, name)
    return go(_back(request, name), f"{name} starts anew")


@router.post("/services/{name}/switch")
async def switch(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Switch it off, or on again."""
    service = await engine.services.get(caller, name)
    await engine.services.change(caller, name, ServiceChange(enabled=not service.enabled), service.etag)
    return go(_back(request, name), f"{name} is {'off' if service.enabled else 'on'}")


@router.get("/services/{name}/delete")
async def confirm(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Ask before a service goes, with what goes with it."""
    found = await engine.services.get(caller, name)
    place = Place("Services", (("Services", "/services"), (found.name, f"/services/{found.name}"), ("Delete", "")))
    return await page(
        request, caller, "service_delete.html", place, {"service": found, "title": f"Delete {found.name}"}
    )


@router.post("/services/{name}/delete")
async def remove(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """End a service; its runs stay on record."""
    try:
        await engine.services.remove(caller, name)
    except Conflict as problem:
        return await show(request, caller, engine, problems=((problem.detail, ""),))
    return go("/services", f"{name} is deleted")


def _back(request: Request, name: str) -> str:
    """The page the button was on: the service's own, or the list."""
    return f"/services/{name}" if field(read_form(request), "here", 1) else "/services"


def short_reason(reason: str) -> str:
    """Why a service failed, in one line: what a traceback ends with."""
    last = reason.strip().rsplit("\n", 1)[-1]
    return last if len(last) <= 160 else f"\u2026{last[-159:]}"


def _wrong_name(name: str) -> tuple[FieldError, ...]:
    try:
        checked_name(name)
    except Invalid as wrong:
        return wrong.errors
    return ()


def _wrong_project(project: str) -> list[FieldError]:
    if upload_named(project):
        return []
    try:
        checked_project(project or "?")
    except ValueError as wrong:
        return [FieldError("project", str(wrong))]
    return []


def wish(form: Form) -> NewService:
    """The service that the form asks for. Raises Invalid."""
    project, import_path = field(form, "project", 1000), field(form, "import_path", 300)
    errors = [*_wrong_name(field(form, "name", 63)), *_wrong_project(project)]
    if not IMPORT_PATH.fullmatch(import_path):
        errors.append(FieldError("import_path", "must be module:app"))
    if errors:
        raise Invalid("The service was not added.", tuple(errors))
    return NewService(field(form, "name", 63), project, import_path)
