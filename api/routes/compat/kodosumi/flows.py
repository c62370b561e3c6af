"""Kodosumi's flows: the list, the register, and the forms at `/-/{expose}/{path}`."""

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, field_validator

from api.dependencies import AuthenticationDep, EngineDep, Me, RequestUuid, SettingsDep
from api.engine import Engine
from api.routes.agents import AgentReader
from api.routes.compat.kodosumi.uploads import settled
from api.routes.compat.kodosumi.words import PREFIX, read_object
from api.routes.runs import RunStarter
from api.routes.services import ServiceReader, ServiceWriter
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.health import Part, examine
from windlass.core.runs import Run, StartRun
from windlass.version import __version__

router = APIRouter(prefix=PREFIX, tags=["compat"])

Json = dict[str, Any]
EXTRA = "x-kodosumi_extra"
Words = Annotated[str | None, Query(max_length=200)]


class FlowView(BaseModel):
    """A flow as Kodosumi lists it; `url` follows the base URL."""

    uid: str
    method: str
    url: str
    source: str
    summary: str | None
    description: str | None
    deprecated: bool
    author: str | None
    organization: str | None
    tags: Sequence[str]
    base_url: str


class FlowPage(BaseModel):
    """Some flows; `offset` is the uid to go on after, null at the end."""

    items: Sequence[FlowView]
    offset: str | None


class Routes(BaseModel):
    """The names of the services that should be up."""

    routes: Sequence[str]


class Sources(BaseModel):
    """Addresses of OpenAPI documents."""

    url: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(min_length=1, max_length=20)]

    @field_validator("url", mode="before")
    @classmethod
    def _is_several(cls, sent: Any) -> Any:
        return [sent] if isinstance(sent, str) else sent


class Register(BaseModel):
    """What the register holds."""

    summaries: Sequence[str | None]
    urls: Sequence[str]
    sources: Sequence[str]
    total: int


class HealthView(BaseModel):
    """How the installation is; there is no Ray any more."""

    kodosumi_version: str
    python_version: str
    ray_version: None = None
    ray_status: Sequence[Json] = ()
    spooler_status: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Posted:
    """What was posted to a form."""

    inputs: Json
    extra: str
    id: UUID

    @classmethod
    def read(cls, request: Request, body: bytes, id: UUID) -> Self:
        """What a request posts: a body that is no JSON object counts as empty."""
        return cls(read_object(body) or {}, request.headers.get(EXTRA, ""), id)


@router.get("/health")
async def health(_: Me, request: Request) -> HealthView:
    """The versions, and the worst that a part of the installation says."""
    parts: list[Part] = request.state.health
    report = await examine(parts)
    return HealthView(
        kodosumi_version=__version__,
        python_version=platform.python_version(),
        spooler_status={"status": str(report.grade)},
    )


@router.get("/flow")
async def flows(
    caller: AgentReader,
    engine: EngineDep,
    settings: SettingsDep,
    q: Words = None,
    pp: Annotated[int, Query(ge=1, le=1000)] = 10,
    offset: Annotated[str, Query(max_length=64)] = "",
) -> FlowPage:
    """The flows of all services by summary."""
    found = _listed(await engine.agents.catalogue(caller, q), settings.url)
    start = next((place for place, each in enumerate(found, 1) if each.uid == offset), 0)
    items = found[start : start + pp]
    return FlowPage(items=items, offset=items[-1].uid if len(found) > start + pp else None)


@router.post("/flow/register", status_code=status.HTTP_201_CREATED)
async def add(body: Sources, caller: ServiceWriter, engine: EngineDep, settings: SettingsDep) -> Sequence[FlowView]:
    """Register services that others run by their OpenAPI documents; one that is registered is read anew."""
    named = {each.url: each.name for each in await engine.registrations.all(caller)}
    wanted = [(named.get(url) or _slug(url), url) for url in body.url]
    done = await engine.registrations.register_all(caller, wanted)
    names = {each.name for each in done}
    return [each for each in _listed(await engine.agents.catalogue(caller), settings.url) if _service(each) in names]


@router.post("/flow/unregister")
async def take_out(body: Sources, caller: ServiceWriter, engine: EngineDep) -> Mapping[str, Sequence[str]]:
    """Take services that others run out of the catalogue, by the addresses they were registered with."""
    named = {each.url: each.name for each in await engine.registrations.all(caller)}
    if unknown := [url for url in body.url if url not in named]:
        raise NotFound("registered service", unknown[0])
    for url in body.url:
        await engine.services.remove(caller, named[url])
    return {"deletes": body.url}


@router.get("/flow/tags")
async def tags(caller: AgentReader, engine: EngineDep) -> Mapping[str, int]:
    """How many flows carry each tag."""
    return await engine.agents.tags(caller)


@router.get("/flow/register")
async def register(caller: ServiceReader, engine: EngineDep) -> Routes:
    """The services that should be up."""
    return Routes(routes=[each.name for each in await engine.services.catalogue(caller) if each.enabled])


@router.put("/flow/register")
async def registered(caller: ServiceWriter, engine: EngineDep, settings: SettingsDep) -> Register:
    """What the register holds, services that others run read anew; those of ours it follows by itself."""
    await engine.registrations.refresh_all(caller)
    found = _listed(await engine.agents.catalogue(caller), settings.url)
    return Register(
        summaries=sorted({each.summary or "" for each in found}),
        urls=sorted(each.url for each in found),
        sources=sorted({each.source for each in found}),
        total=len(found),
    )


@router.get("/-/{path:path}", response_class=JSONResponse)
async def form(
    path: str, request: Request, caller: AgentReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """The form of a flow, and what it says about itself; elsewhere what the service's own route says."""
    try:
        return JSONResponse(shown(await engine.agents.at(caller, path)))
    except NotFound:
        return await engine.proxy.forward(request, caller, _root_of(path), lambda: known.still(caller))


def shown(agent: Agent) -> Json:
    """The form of a flow, and what it says about itself."""
    known = ("author", "organization", "version")
    marks = {f"x-{name}": agent.meta[name] for name in known if agent.meta.get(name) is not None}
    return {
        "summary": agent.summary,
        "description": agent.description,
        "tags": agent.tags,
        "deprecated": bool(agent.meta.get("deprecated")),
        "openapi_extra": {"x-kodosumi": True, "x-windlass": True, **marks},
        "elements": agent.elements,
    }


@router.post("/-/{path:path}", response_class=JSONResponse)
async def start(
    path: str,
    request: Request,
    caller: RunStarter,
    engine: EngineDep,
    known: AuthenticationDep,
    new: RequestUuid,
) -> Response:
    """Start a run, or say by field what is wrong with the inputs: both are a 200. Elsewhere it is the service's own."""
    try:
        agent = await engine.agents.at(caller, path)
    except NotFound:
        agent = None
    if agent is None or agent.url:
        return await engine.proxy.forward(request, caller, _root_of(path), lambda: known.still(caller))
    return await started(engine, caller, agent, Posted.read(request, request.state.body, new))


async def started(engine: Engine, caller: Caller, agent: Agent, posted: Posted) -> JSONResponse:
    """Start a run with what was posted to its form, or say by field what is wrong."""
    try:
        run = await launched(engine, caller, agent, posted)
    except Invalid as refused:
        return JSONResponse({"errors": by_field(refused), "elements": agent.elements})
    told = {"result": str(run.id), "elements": agent.elements}
    return JSONResponse(told, headers={"kodosumi_launch": str(run.id)})


async def launched(engine: Engine, caller: Caller, agent: Agent, posted: Posted) -> Run:
    """The run that a form asks for, with the files it names. Raises Invalid, Conflict."""
    inputs, uploads = await settled(engine, caller, agent.elements, posted.inputs)
    wish = StartRun(agent.name, inputs, extra=_extra(posted.extra), id=posted.id, uploads=uploads)
    return await engine.runs.start(caller, wish)


def _slug(url: str) -> str:
    """A name for a service of which only the address is known; whether it is one shows when it is read."""
    said = re.sub(r"[^a-z0-9]+", "-", url.partition("://")[2].rpartition("/")[0].lower()).strip("-")
    return said[:63].rstrip("-") or "unnamed"


def _service(flow: FlowView) -> str:
    return flow.url.split("/")[2]


def _root_of(path: str) -> str:
    return f"{PREFIX}/-/{path.partition('/')[0]}"


def by_field(refused: Invalid) -> dict[str, list[str]]:
    """What is wrong, as Kodosumi says it: the messages of each field, and those of none."""
    found: dict[str, list[str]] = {"_global_": [] if refused.errors else [refused.detail]}
    for error in refused.errors:
        found.setdefault(error.field.removeprefix("inputs."), []).append(error.message)
    return found


def _listed(agents: Sequence[Agent], url: str) -> list[FlowView]:
    """The flows among them, as Kodosumi sorts them."""
    found = [_flow(agent, f"{url}{PREFIX}") for agent in agents if agent.service]
    return sorted(found, key=lambda each: (each.summary or "", each.url))


def _flow(agent: Agent, base: str) -> FlowView:
    url = f"/-/{agent.service}/{agent.flow_path.strip('/')}".rstrip("/")
    return FlowView(
        uid=md5(url.encode(), usedforsecurity=False).hexdigest(),
        method="GET",
        url=url,
        source=f"{base}/-/{agent.service}",
        summary=agent.summary,
        description=agent.description or None,
        deprecated=bool(agent.meta.get("deprecated")),
        author=agent.meta.get("author"),
        organization=agent.meta.get("organization"),
        tags=agent.tags,
        base_url=f"{base}{url}",
    )


def _extra(header: str) -> Json:
    """What goes along with the run. Raises Invalid."""
    extra = read_object(header)
    if extra is None:
        raise Invalid("No run was started.", (FieldError(EXTRA, "must be a JSON object"),))
    return extra
