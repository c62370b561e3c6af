"""Kodosumi's exposes: services, with a `bootstrap` in YAML of which the known keys are taken."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml
from fastapi import APIRouter, status
from pydantic import BaseModel, Field, ValidationError

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.flows import Tag
from api.routes.services import NewServiceBody, Replicas, ServiceReader, ServiceWriter
from windlass.core.checkups import Checkup
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.flows import Flow
from windlass.core.services import INHERITED, NewService, Service, ServiceChange

router = APIRouter(prefix=f"{PREFIX}/expose", tags=["compat"])

Json = dict[str, Any]
RUNNING = "running"


class Meta(BaseModel):
    """What is said about a flow: `data` is YAML, of which `display description tags author` mean something here."""

    url: str = Field(max_length=1000)
    data: str | None = Field(None, max_length=20_000)
    enabled: bool = True
    state: str | None = None
    heartbeat: float | None = None


class NewExpose(Body):
    """An expose as it should be.

    `bootstrap` is YAML: `import_path`, `runtime_env.working_dir` and `.env_vars`, `deployments[0].num_replicas`. What
    an answer showed and nobody can set may be sent back; `network` is not kept. Without a `bootstrap` it is a draft.
    """

    name: str = Field(min_length=1, max_length=63)
    original_name: str | None = None
    display: str | None = Field(None, max_length=200)
    network: str | None = None
    enabled: bool = True
    bootstrap: str | None = Field(None, max_length=20_000)
    meta: list[Meta] | None = Field(None, max_length=200)
    etag: str | None = Field(None, max_length=100, description="Of the answer it was made from; a stale one is a 412.")


class Author(Body):
    """Who made a flow."""

    name: str | None = Field(None, max_length=200)
    organization: str | None = Field(None, max_length=200)

    def as_fields(self) -> Json:
        """What was said, as a flow has it."""
        said = self.model_dump(exclude_unset=True)
        return {"author" if name == "name" else name: value for name, value in said.items()}


class Data(Body):
    """What of a flow's `data` has a meaning here."""

    display: str | None = Field(None, max_length=200)
    description: str | None = Field(None, max_length=10_000)
    tags: list[Tag] | None = Field(None, max_length=50)
    author: Author | None = None


class RuntimeEnvironment(Body):
    """Where the program lies, and its environment; a variable without a value keeps the one it has."""

    working_dir: str
    env_vars: dict[str, str | None] = Field(default_factory=dict[str, str | None], max_length=100)


class Deployment(Body):
    """How many replicas are kept up; its name is not kept."""

    name: str | None = Field(None, max_length=200)
    num_replicas: Replicas = 1


class Bootstrap(Body):
    """What of a bootstrap has a meaning here."""

    import_path: str
    runtime_env: RuntimeEnvironment
    deployments: list[Deployment] = Field(default_factory=list[Deployment], max_length=1)

    @property
    def replicas(self) -> int | None:
        """How many are wanted; None where it does not say."""
        return self.deployments[0].num_replicas if self.deployments else None


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
    flows = await engine.flows.catalogue(caller)
    return [_expose(each, flows) for each in await engine.services.catalogue(caller) if not each.url]


@router.post("", status_code=status.HTTP_201_CREATED)
async def keep(body: NewExpose, caller: ServiceWriter, engine: EngineDep) -> ExposeView:
    """Have a program served, or change how; what is not in the bootstrap any more is gone."""
    wish = _wish(body)
    if body.original_name not in (None, "", wish.name):
        raise Invalid("Nothing was changed.", (FieldError("original_name", "an expose keeps its name"),))
    try:
        known = await engine.services.get(caller, wish.name)
    except NotFound:
        _edits(body, ())
        return _expose(await engine.services.add(caller, wish), ())
    edits = _edits(body, await engine.flows.of(caller, known.name))
    changed = await engine.services.change(caller, known.name, _change(known, body), body.etag)
    for flow, said in edits:
        await engine.flows.change(caller, known.name, flow.name, said)
    return _expose(changed, await engine.flows.of(caller, known.name))


@router.post("/health")
async def health(caller: ServiceReader, engine: EngineDep) -> Checked:
    """Ask all exposes how they are; one that is off is not woken, and nothing is changed."""
    return _checked(await engine.checkups.of_all(caller), await engine.flows.catalogue(caller))


@router.get("/{name}")
async def read(name: str, caller: ServiceReader, engine: EngineDep) -> ExposeView:
    """One expose."""
    return _expose(await engine.services.get(caller, name), await engine.flows.of(caller, name))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(name: str, caller: ServiceWriter, engine: EngineDep) -> None:
    """End an expose; its runs stay on record."""
    await engine.services.remove(caller, name)


@router.post("/{name}/health")
async def health_of(name: str, caller: ServiceReader, engine: EngineDep) -> Checked:
    """Ask one expose how it is."""
    return _checked([await engine.checkups.of(caller, name)], await engine.flows.of(caller, name))


def _read(body: NewExpose) -> Bootstrap:
    """What the bootstrap says. Raises Invalid, naming what has no meaning here."""
    try:
        return Bootstrap.model_validate(plain(body.bootstrap or ""))
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        named = wrong.errors() if isinstance(wrong, ValidationError) else ()
        found = [FieldError(".".join(("bootstrap", *map(str, each["loc"]))), each["msg"]) for each in named]
        found = found or [FieldError("bootstrap", "must be YAML without aliases")]
        raise Invalid("Nothing was changed.", tuple(found)) from None


def plain(text: str) -> Any:
    """What YAML says that holds no alias: merged, 400 characters of them become a million entries. Raises YAMLError."""
    untyped: Any = yaml  # of a stream it knows no type
    if any(isinstance(each, yaml.AliasEvent) for each in untyped.parse(text, yaml.SafeLoader)):
        raise yaml.YAMLError("there is an alias")
    return yaml.safe_load(text)


def _wish(body: NewExpose) -> NewService:
    """The service that is meant, by the rules of `POST /v1/services`. Raises Invalid."""
    given: Json = {"name": body.name.strip().lower(), "enabled": body.enabled, "display": body.display or ""}
    if not _is_draft(body):
        read = _read(body)
        env = {name: value for name, value in read.runtime_env.env_vars.items() if value is not None}
        given |= {"project": read.runtime_env.working_dir, "import_path": read.import_path, "env": env}
        given["replicas"] = read.replicas
    try:
        checked = NewServiceBody(**given)
    except ValidationError as wrong:
        found = tuple(FieldError(str(each["loc"][0]), each["msg"]) for each in wrong.errors())
        raise Invalid("Nothing was changed.", found) from None
    return NewService(**checked.model_dump(exclude_unset=True, exclude={"limits"}))


def _is_draft(body: NewExpose) -> bool:
    return not (body.bootstrap or "").strip()


def _change(known: Service, body: NewExpose) -> ServiceChange:
    """What is to become different: what is not named goes, what has no value stays."""
    wish = _wish(body)
    if _is_draft(body):
        return ServiceChange(enabled=wish.enabled, display=_shown(body))
    named = _read(body).runtime_env.env_vars
    gone: dict[str, str | None] = dict.fromkeys(name for name in known.env if name not in named)
    env = {**gone, **wish.env}
    return ServiceChange(
        wish.project, wish.import_path, env, wish.enabled, replicas=wish.replicas or INHERITED, display=_shown(body)
    )


def _shown(body: NewExpose) -> str | None:
    """The name that is shown, where one is sent."""
    return (body.display or "") if "display" in body.model_fields_set else None


def _edits(body: NewExpose, flows: Sequence[Flow]) -> list[tuple[Flow, Json]]:
    """What is said of flows that differs from what they show. Raises Invalid."""
    known = {each.path: each for each in flows}
    found = [(known.get(each.url), each) for each in body.meta or ()]
    nowhere = [said.url for flow, said in found if flow is None]
    if nowhere:
        raise Invalid("Nothing was changed.", (FieldError("meta", f"there is no flow at {nowhere[0]}"),))
    edits = [(flow, _edit(flow, said)) for flow, said in found if flow is not None]
    return [(flow, said) for flow, said in edits if said]


def _edit(flow: Flow, said: Meta) -> Json:
    """What of a flow is to become different. Raises Invalid."""
    wanted: Json = {} if said.data is None else _said(said.data)
    wanted["enabled"] = said.enabled
    shown: Json = {each: getattr(flow, each) for each in wanted} | {"tags": list(flow.tags)}
    return {name: value for name, value in wanted.items() if value != shown[name]}


def _said(data: str) -> Json:
    """The fields that the YAML of a flow's meta names. Raises Invalid."""
    try:
        read = Data.model_validate(plain(data) or {})
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        named = wrong.errors() if isinstance(wrong, ValidationError) else ()
        found = [FieldError(".".join(("meta", "data", *map(str, each["loc"]))), each["msg"]) for each in named]
        raise Invalid("Nothing was changed.", tuple(found or [FieldError("meta.data", "must be YAML")])) from None
    credits_ = {} if read.author is None else read.author.as_fields()
    return read.model_dump(exclude_unset=True, exclude={"author"}) | credits_


def _expose(service: Service, flows: Sequence[Flow]) -> ExposeView:
    meta = [_meta(each, service) for each in flows if each.agent.startswith(f"{service.name}/")]
    alive = sum(each.state == "alive" for each in meta)
    is_up = service.state == RUNNING
    return ExposeView(
        name=service.name,
        display=service.display or None,
        enabled=service.enabled,
        state=service.state.upper(),
        heartbeat=service.updated_at.timestamp(),
        bootstrap=_bootstrap(service),
        meta=meta,
        created=service.created_at,
        updated=service.updated_at,
        etag=service.etag,
        flow_stats=f"{alive}/{len(meta)}",
        stale=service.enabled and alive < len(meta),
        needs_reboot=service.enabled != is_up and service.state != "draft",
    )


def _bootstrap(service: Service) -> str:
    """What it was made of; of its environment only the names are shown."""
    if service.state == "draft":
        return ""
    names: Mapping[str, None] = dict.fromkeys(sorted(service.env))
    where: Json = {"working_dir": service.project} | ({"env_vars": dict(names)} if names else {})
    said: Json = {"import_path": service.import_path, "runtime_env": where}
    if service.own_replicas:
        said["deployments"] = [{"name": service.name, "num_replicas": service.replicas}]
    return yaml.safe_dump(said, sort_keys=False)


def _meta(flow: Flow, service: Service) -> Meta:
    author = {"name": flow.author, "organization": flow.organization}
    said = {"display": flow.display, "description": flow.description, "tags": list(flow.tags), "author": author}
    return Meta(
        url=flow.path,
        data=yaml.safe_dump(said, sort_keys=False, allow_unicode=True),
        enabled=flow.enabled,
        state="alive" if flow.is_up else "dead",
        heartbeat=service.updated_at.timestamp(),
    )


def _checked(found: Sequence[Checkup], flows: Sequence[Flow]) -> Checked:
    paths = {each.agent: each.path for each in flows}
    results = [_health(each, paths) for each in found]
    return Checked(checked=len(results), timestamp=datetime.now(UTC).timestamp(), results=results)


def _health(checkup: Checkup, paths: Mapping[str, str]) -> ExposeHealth:
    said = Finding(valid=True, message="as the service says")
    flows = [
        FlowHealth(
            url=paths.get(each.name, each.name),
            endpoint=Finding(valid=each.state == "alive", message=each.state),
            fields=said,
            state=each.state,
        )
        for each in checkup.flows
    ]
    return ExposeHealth(
        name=checkup.name,
        app=Finding(valid=checkup.answers is not False, message=checkup.message),
        state=checkup.state.upper(),
        meta_count=len(flows),
        alive_count=sum(each.endpoint.valid for each in flows),
        fields_ok=len(flows),
        meta=flows,
    )
