"""The page of one service: how it is, and its flows, of which somebody may say other things than it does itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import Form, field, go, page, read_form, viewer
from api.pages.services import SHAPES, WORDS, placed, refusals, show
from api.pages.shell import Place
from api.routes.flows import FlowChangeBody
from api.routes.services import ServiceChangeBody, ServiceReader, ServiceWriter
from windlass.contracts.hosts import MOST_REPLICAS
from windlass.core.archives import LARGEST_BYTES, ArchiveRefused
from windlass.core.callers import Caller
from windlass.core.checkups import Checkup
from windlass.core.errors import Conflict, Invalid, Stale
from windlass.core.permissions import Permission
from windlass.core.sent_archives import upload_named
from windlass.core.services import INHERITED, Service, ServiceChange
from windlass.core.sources import module_of

router = APIRouter(include_in_schema=False)

EDITED = ("name", "display", "project", "import_path", "python", "replicas")
TEXTS = ("display", "description", "author", "organization")
LABELS = {"import_path": "App", "description": "Description", "display": "Name", "organization": "Organisation"}
RULES = {
    "name": "must be 1 to 63 characters long",
    "import_path": "must be module:app",
    "python": "must be a version such as 3.12, or empty",
    "replicas": f"must be a number from 1 to {MOST_REPLICAS}",
}


@router.get("/services/{name}")
async def service(name: str, request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """One service."""
    return await show_service(request, caller, engine, name)


@router.post("/services/check")
async def check_all(request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """Ask all hosts how they are."""
    return await show(request, caller, engine, checkups=await engine.checkups.of_all(caller))


@router.post("/services/{name}/check")
async def check(name: str, request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """Ask its host how it is."""
    return await show_service(request, caller, engine, name, Said(await engine.checkups.of(caller, name)))


@router.post("/services/{name}/edit")
async def edit(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Change where its program is, what it runs on and how often, or its name."""
    form = read_form(request)
    filled, etag = {each: field(form, each, 1000) for each in EDITED}, field(form, "etag", 100)
    try:
        wish = _changes(filled, "replicas" in form)
        if upload_named(filled["project"]):
            before = await engine.services.get(caller, name)
            module = module_of(wish.import_path or before.import_path, {*before.env, *before.secret_names})
            filled["project"] = await placed(engine, caller, filled["project"], module)
            wish = replace(wish, project=filled["project"])
        changed = await engine.services.change(caller, name, wish, etag or None)
    except ArchiveRefused as wrong:
        filled["project"] = (await engine.services.get(caller, name)).project
        problems = refusals(wrong)
    except ValidationError as wrong:
        problems = tuple((_said_of(each), str(each["loc"][0])) for each in wrong.errors())
    except Invalid as wrong:
        problems = tuple((f"{_label(each.field)} {each.message}", each.field) for each in wrong.errors)
    except (Conflict, Stale) as wrong:
        problems = ((wrong.detail, "project" if upload_named(filled["project"]) else "name"),)
    else:
        return go(f"/services/{changed.name}", f"{changed.name} is changed")
    kept = {**filled, "etag": etag}  # what was changed meanwhile must be seen before it is written over
    return await show_service(request, caller, engine, name, Said(problems=problems, filled=kept))


@router.post("/services/{name}/flows/{flow}")
async def change(name: str, flow: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Say something else of a flow than its service does."""
    try:
        body = FlowChangeBody.model_validate(_wish(read_form(request)))
    except ValidationError as wrong:
        problems = tuple((_said_of(each), "") for each in wrong.errors())
        return await show_service(request, caller, engine, name, Said(problems=problems))
    changed = await engine.flows.change(caller, name, flow, body.given())
    return go(f"/services/{name}", f"{changed.display} is changed")


@router.post("/services/{name}/flows/{flow}/switch")
async def switch(name: str, flow: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Have it start no more, or again."""
    is_on = field(read_form(request), "enabled", 5) == "on"
    changed = await engine.flows.change(caller, name, flow, {"enabled": is_on})
    return go(f"/services/{name}", f"{changed.display} is {'on' if is_on else 'off'}")


def _changes(filled: Mapping[str, str], has_replicas: bool) -> ServiceChange:
    """What is to become different, without an archive that is on its way. Raises ValidationError."""
    given = {each: text for each, text in filled.items() if text or each in {"python", "display"}}
    if upload_named(filled["project"]):
        del given["project"]
    wish = ServiceChangeBody.model_validate(given).wish()
    return replace(wish, replicas=INHERITED) if has_replicas and not filled["replicas"] else wish


def _said_of(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, in the words of the page."""
    name = str(error["loc"][0])
    return f"{_label(name)} {RULES.get(name) or str(error['msg']).removeprefix('Value error, ')}"


def _label(name: str) -> str:
    """What a field is called on the page."""
    return LABELS.get(name, name.capitalize())


@dataclass(frozen=True, slots=True)
class Said:
    """What the page has to say to what somebody just did: how the host is, or what is wrong with what was filled in."""

    checkup: Checkup | None = None
    problems: tuple[tuple[str, str], ...] = ()
    filled: dict[str, str] | None = None
    variable: tuple[str, str] = ("", "")  # its kind and name, where it could not be set


NOTHING = Said()


async def show_service(request: Request, caller: Caller, engine: Engine, name: str, said: Said = NOTHING) -> Response:
    """The page of a service."""
    found = await engine.services.get(caller, name)
    values: dict[str, Any] = {
        "service": found,
        "trouble": trouble_of(found),
        "filled": said.filled,
        "variable": said.variable,
        "flows": await engine.flows.of(caller, name),
        "checkup": said.checkup,
        "shapes": SHAPES,
        "words": WORDS,
        "seen": viewer(request),
        "may_write": caller.may(Permission.SERVICES_WRITE),
        "problems": said.problems,
        "wrong": {field: text for text, field in said.problems},
        "most_bytes": LARGEST_BYTES,
        "title": found.name,
    }
    place = Place("Services", (("Services", "/services"), (found.name, "")))
    return await page(request, caller, "service.html", place, values, 422 if said.problems else 200)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a service is not as it should be, what was kept, and what to do."""

    title: str
    happened: str
    kept: str
    next: str
    lines: str


LATER = "It is tried again by itself; if it goes on, mend the service and refresh it."


def trouble_of(service: Service) -> Trouble | None:
    """What there is to say of a service's reason: its first line, and below it what was printed last."""
    if not service.reason:
        return None
    happened, _, lines = service.reason.partition("\n")
    if service.state == "running" and service.up < service.replicas:
        kept = "The others serve, and every run goes on."
        return Trouble(f"{service.up} of {service.replicas} replicas are up", happened, kept, LATER, lines)
    serves = "The process before goes on serving, and its runs go on."
    others = "Its runs and their steps are on record. Other services are not touched."
    title, kept, further = {
        "running": ("The newest version did not start", serves, "Mend it and refresh."),
        "deploy_failed": (
            "It cannot be deployed",
            others,
            "Mend it and refresh; it is tried again within five minutes.",
        ),
        "unhealthy": ("It does not come up", others, "Mend it and refresh; it is tried again within 30 s."),
    }.get(service.state, ("It is being started", others, "Wait; runs that are started now wait too."))
    return Trouble(title, happened, kept, further, lines)


def _wish(form: Form) -> dict[str, Any]:
    """What was filled in; an empty field is the service's own word."""
    said: dict[str, Any] = {name: field(form, name, 10_000) or None for name in TEXTS}
    tags = [each.strip() for each in field(form, "tags", 6000).split(",")]
    return {**said, "tags": [each for each in tags if each] or None}
