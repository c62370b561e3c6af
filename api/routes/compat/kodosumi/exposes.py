"""Kodosumi's exposes: services, with a `bootstrap` in YAML of which the known keys are taken."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml
from fastapi import APIRouter, status
from pydantic import BaseModel, Field, ValidationError

from api.bodies import Body
from api.dependencies import EngineDep
from api.engine import Engine
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.services import NewServiceBody, ServiceReader, ServiceWriter
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.services import NewService, Service, ServiceChange

router = APIRouter(prefix=f"{PREFIX}/expose", tags=["compat"])

Json = dict[str, Any]
RUNNING = "running"


class Meta(BaseModel):
    """What is said about a flow: `data` is YAML; the service itself says it."""

    url: str = Field(max_length=1000)
    data: str | None = Field(None, max_length=20_000)
    enabled: bool = True
    state: str | None = None
    heartbeat: float | None = None


class NewExpose(Body):
    """An expose as it should be. `bootstrap` is YAML: `import_path`, `runtime_env.working_dir`, `runtime_env.env_vars`.

    What an answer showed and nobody can set may be sent back; `display` and `network` are not kept.
    """

    name: str = Field(min_length=1, max_length=63)
    original_name: str | None = None
    display: str | None = None
    network: str | None = None
    enabled: bool = True
    bootstrap: str = Field(min_length=1, max_length=20_000)
    meta: list[Meta] | None = Field(None, max_length=200)
    etag: str | None = Field(None, max_length=100, description="Of the answer it was made from; a stale one is a 412.")


class RuntimeEnvironment(Body):
    """Where the program lies, and its environment; a variable without a value keeps the one it has."""

    working_dir: str
    env_vars: dict[str, str | None] = Field(default_factory=dict[str, str | None], max_length=100)


class Bootstrap(Body):
    """What of a bootstrap has a meaning here."""

    import_path: str
    runtime_env: RuntimeEnvironment


class ExposeView(BaseModel):
    """An expose as it stands."""

    name: str
    display: str | None = None
    network: str | None = None
    enabled: bool
    state: str
    heartbeat: float
    bootstrap: str
    meta: Sequence[Meta]
    created: datetime
    updated: datetime
    etag: str
    flow_stats: str
    stale: bool
    needs_reboot: bool


class Finding(BaseModel):
    """Whether something is as it should be."""

    valid: bool
    message: str


class FlowHealth(BaseModel):
    """How a flow is."""

    url: str
    endpoint: Finding
    fields: Finding
    state: str


class ExposeHealth(BaseModel):
    """How an expose and its flows are."""

    name: str
    app: Finding
    state: str
    state_changed: bool = False
    meta_count: int
    alive_count: int
    fields_ok: int
    meta: Sequence[FlowHealth]


class Checked(BaseModel):
    """How they are; nothing is woken or changed by asking."""

    checked: int
    updated: int = 0
    timestamp: float
    results: Sequence[ExposeHealth]


@router.get("")
async def exposes(caller: ServiceReader, engine: EngineDep) -> Sequence[ExposeView]:
    """All exposes by name."""
    agents = await engine.agents.catalogue(caller)
    return [_expose(each, agents) for each in await engine.services.catalogue(caller)]


@router.post("", status_code=status.HTTP_201_CREATED)
async def keep(body: NewExpose, caller: ServiceWriter, engine: EngineDep) -> ExposeView:
    """Have a program served, or change how; what is not in the bootstrap any more is gone."""
    wish = _wish(body)
    if body.original_name not in (None, "", wish.name):
        raise Invalid("Nothing was changed.", (FieldError("original_name", "an expose keeps its name"),))
    try:
        known = await engine.services.get(caller, wish.name)
    except NotFound:
        _check_meta(body, ())
        return _expose(await engine.services.add(caller, wish), ())
    agents = await engine.agents.catalogue(caller)
    _check_meta(body, _expose(known, agents).meta)
    return _expose(await engine.services.change(caller, known.name, _change(known, body), body.etag), agents)


@router.post("/health")
async def health(caller: ServiceReader, engine: EngineDep) -> Checked:
    """How all exposes are: they are looked after all the time, this only says what was seen."""
    return await _checked(engine, caller, await engine.services.catalogue(caller))


@router.get("/{name}")
async def read(name: str, caller: ServiceReader, engine: EngineDep) -> ExposeView:
    """One expose."""
    return _expose(await engine.services.get(caller, name), await engine.agents.catalogue(caller))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(name: str, caller: ServiceWriter, engine: EngineDep) -> None:
    """End an expose; its runs stay on record."""
    await engine.services.remove(caller, name)


@router.post("/{name}/health")
async def health_of(name: str, caller: ServiceReader, engine: EngineDep) -> Checked:
    """How one expose is."""
    return await _checked(engine, caller, [await engine.services.get(caller, name)])


def _read(body: NewExpose) -> Bootstrap:
    """What the bootstrap says. Raises Invalid, naming what has no meaning here."""
    try:
        return Bootstrap.model_validate(_plain(body.bootstrap))
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        named = wrong.errors() if isinstance(wrong, ValidationError) else ()
        found = [FieldError(".".join(("bootstrap", *map(str, each["loc"]))), each["msg"]) for each in named]
        found = found or [FieldError("bootstrap", "must be YAML without aliases")]
        raise Invalid("Nothing was changed.", tuple(found)) from None


def _plain(text: str) -> Any:
    """What YAML says that holds no alias: merged, 400 characters of them become a million entries. Raises YAMLError."""
    untyped: Any = yaml  # of a stream it knows no type
    if any(isinstance(each, yaml.AliasEvent) for each in untyped.parse(text, yaml.SafeLoader)):
        raise yaml.YAMLError("there is an alias")
    return yaml.safe_load(text)


def _wish(body: NewExpose) -> NewService:
    """The service that is meant, by the rules of `POST /v1/services`. Raises Invalid."""
    read = _read(body)
    env = {name: value for name, value in read.runtime_env.env_vars.items() if value is not None}
    try:
        checked = NewServiceBody(
            name=body.name.strip().lower(),
            project=read.runtime_env.working_dir,
            import_path=read.import_path,
            env=env,
            enabled=body.enabled,
        )
    except ValidationError as wrong:
        found = tuple(FieldError(str(each["loc"][0]), each["msg"]) for each in wrong.errors())
        raise Invalid("Nothing was changed.", found) from None
    return NewService(**checked.model_dump(exclude_unset=True))


def _change(known: Service, body: NewExpose) -> ServiceChange:
    """What is to become different: what is not named goes, what has no value stays."""
    wish, named = _wish(body), _read(body).runtime_env.env_vars
    gone: dict[str, str | None] = dict.fromkeys(name for name in known.env if name not in named)
    return ServiceChange(
        project=wish.project, import_path=wish.import_path, env={**gone, **wish.env}, enabled=wish.enabled
    )


def _check_meta(body: NewExpose, shown: Sequence[Meta]) -> None:
    """Raises Invalid: nothing is said about flows here but what their service says."""
    own = {each.url: (each.data, each.enabled) for each in shown}
    said = {each.url: (each.data, each.enabled) for each in body.meta or ()}
    if any(own.get(url) != what for url, what in said.items()):
        raise Invalid("Nothing was changed.", (FieldError("meta", "is what the service itself says"),))


def _expose(service: Service, agents: Sequence[Agent]) -> ExposeView:
    meta = [_meta(service, each) for each in agents if each.service == service.name]
    is_up = service.state == RUNNING
    return ExposeView(
        name=service.name,
        enabled=service.enabled,
        state=service.state.upper(),
        heartbeat=service.updated_at.timestamp(),
        bootstrap=_bootstrap(service),
        meta=meta,
        created=service.created_at,
        updated=service.updated_at,
        etag=service.etag,
        flow_stats=f"{len(meta) if is_up else 0}/{len(meta)}",
        stale=service.enabled and bool(meta) and not is_up,
        needs_reboot=service.enabled != is_up and service.state != "draft",
    )


def _bootstrap(service: Service) -> str:
    """What it was made of; of its environment only the names are shown."""
    names: Mapping[str, None] = dict.fromkeys(sorted(service.env))
    where: Json = {"working_dir": service.project} | ({"env_vars": dict(names)} if names else {})
    return yaml.safe_dump({"import_path": service.import_path, "runtime_env": where}, sort_keys=False)


def _meta(service: Service, agent: Agent) -> Meta:
    author = {"name": agent.meta.get("author"), "organization": agent.meta.get("organization")}
    said = {"display": agent.summary, "description": agent.description, "tags": list(agent.tags), "author": author}
    return Meta(
        url=agent.flow_path,
        data=yaml.safe_dump(said, sort_keys=False, allow_unicode=True),
        state="alive" if service.state == RUNNING else "dead",
        heartbeat=service.updated_at.timestamp(),
    )


async def _checked(engine: Engine, caller: Caller, services: Sequence[Service]) -> Checked:
    agents = await engine.agents.catalogue(caller)
    found = [_health(each, _expose(each, agents)) for each in services]
    return Checked(checked=len(found), timestamp=datetime.now(UTC).timestamp(), results=found)


def _health(service: Service, shown: ExposeView) -> ExposeHealth:
    is_up = service.state == RUNNING
    endpoint = Finding(valid=is_up, message="alive" if is_up else service.reason or service.state)
    said = Finding(valid=True, message="as the service says")
    flows = [FlowHealth(url=each.url, endpoint=endpoint, fields=said, state=each.state or "") for each in shown.meta]
    return ExposeHealth(
        name=shown.name,
        app=Finding(valid=is_up, message=service.reason or shown.state),
        state=shown.state,
        meta_count=len(flows),
        alive_count=len(flows) if is_up else 0,
        fields_ok=len(flows),
        meta=flows,
    )
