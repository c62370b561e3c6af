"""Services: the programs that offer agents."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any, Protocol, Self, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, status
from pydantic import AfterValidator, BaseModel, Field, model_validator

from api.bodies import Body
from api.dependencies import EngineDep, requires
from api.uploads import arriving
from windlass.contracts.hosts import MEMORY_VARIABLE, MOST_REPLICAS, memory_mib
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.services import INHERITED, NewService, Service, ServiceChange
from windlass.core.sources import PROJECT, checked_project

router = APIRouter(prefix="/v1/services", tags=["services"])

ServiceReader = Annotated[Caller, Depends(requires(Permission.SERVICES_READ))]
ServiceWriter = Annotated[Caller, Depends(requires(Permission.SERVICES_WRITE))]

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
EnvValue = Annotated[str, Field(max_length=10_000)]
Python = Annotated[
    str,
    Field(
        pattern=r"^(3\.[1-9][0-9](\.[0-9]{1,2})?)?$",
        description="The version of Python it runs on (`3.12`), of those on its machine; empty: ours.",
    ),
]


Display = Annotated[str, Field(max_length=200, description="What it is called on pages; empty: its name.")]
Replicas = Annotated[
    int,
    Field(ge=1, le=MOST_REPLICAS, description="How many hosts are kept up, each a process; to have none, disable it."),
]

Project = Annotated[
    str,
    Field(max_length=1000, json_schema_extra={"pattern": f"^({PROJECT})?$"}),
    AfterValidator(checked_project),
]
PROJECT_SAYS = (
    "A folder on the services worker's machine (`/srv/hello`), a commit (`git+https://host/repository@\u2026`), or an"
    " archive that was sent (`archive:\u2026`, as `PUT /v1/services/{name}/archive` sets it)."
)
ANY: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


Url = Annotated[
    str,
    Field(
        max_length=1000,
        pattern=r"^(https?://[\x21-\x7e]+)?$",
        description="Where others run it: its `https://\u2026/openapi.json`. It has no program here then.",
    ),
]


Memory = Annotated[
    int,
    Field(
        ge=64,
        le=1 << 20,
        description="MiB that a process may use before it is replaced; without it half of its machine.",
    ),
]


class HasUrl(Protocol):
    """What says where a service is."""

    url: str
    project: str
    import_path: str
    env: Any
    secrets: Any
    python: str
    replicas: int | None


Placed = TypeVar("Placed", bound=HasUrl)


def only_url(body: Placed) -> Placed:
    """Go on only with a program, or with an address. Raises ValueError."""
    more = (body.project, body.import_path, body.env, body.secrets, body.python, (body.replicas or 1) > 1)
    if body.url and (any(more) or getattr(body, "limits", None)):
        raise ValueError("url: a service that others run has no program, variables, secrets, replicas or limits here")
    return body


class LimitsBody(Body):
    """What a process of a service may use."""

    memory_mib: Memory | None = None


class NewServiceBody(Body):
    """A program to be served: where it is, and `module:app` inside it.

    Without one of them it is a draft: kept, and not started before a `PATCH` says the rest. One that others run has
    neither, but the address of its OpenAPI document: its flows are read from there.
    """

    name: str = Field(min_length=1, max_length=63)
    display: Display = ""
    url: Url = ""
    project: Project = Field("", description=PROJECT_SAYS)
    import_path: str = Field("", max_length=300, pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$", examples=["app:app"])
    env: dict[EnvName, EnvValue] = Field(default_factory=dict[str, str], max_length=100)
    enabled: bool = True
    python: Python = ""
    replicas: Replicas | None = Field(None, description="Without it as the defaults of the organisation say.")
    secrets: dict[EnvName, EnvValue] = Field(
        default_factory=dict[str, str], max_length=100, description="As `env`, but sealed, and shown by name alone."
    )

    limits: LimitsBody | None = Field(None, description=f"As the variable {MEMORY_VARIABLE} says, which this sets.")

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        return only_url(self)

    def wish(self) -> NewService:
        """The same as the core has it."""
        limiting = {name: value for name, value in _limiting(self.limits).items() if value is not None}
        return replace(NewService(**self.model_dump(exclude={"limits"})), env={**self.env, **limiting})


class ServiceChangeBody(Body):
    """What is to become different; what is not sent stays. In `env` and `secrets` a null takes one away.

    Another `name` takes its agents along, and the tasks that start them; it is refused while runs of it are live.
    """

    name: str | None = Field(None, min_length=1, max_length=63)
    display: Display | None = None
    project: Annotated[Project, Field(min_length=1)] | None = Field(None, description=PROJECT_SAYS)
    import_path: str | None = Field(None, max_length=300, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    env: dict[EnvName, EnvValue | None] | None = Field(None, max_length=100)
    enabled: bool | None = None
    python: Python | None = None
    replicas: Replicas | None = Field(None, description="Null: as the defaults of the organisation say.")
    secrets: dict[EnvName, EnvValue | None] | None = Field(None, max_length=100)
    limits: LimitsBody | None = Field(None, description="In it a null leaves the limit to the organisation's defaults.")

    def wish(self) -> ServiceChange:
        """The same as the core has it."""
        change = ServiceChange(**self.model_dump(exclude={"limits"}))
        if self.limits is not None:
            change = replace(change, env={**(self.env or {}), **_limiting(self.limits)})
        return replace(change, replicas=INHERITED) if self.replicas is None and self.has_replicas else change

    @property
    def has_replicas(self) -> bool:
        """Whether something was said of them."""
        return "replicas" in self.model_fields_set


class ReplicaView(BaseModel):
    """One host of a service, and how it has been doing since when."""

    n: int
    state: str
    since: datetime | None = Field(description="Null until it is heard of.")
    reason: str | None
    pid: int | None = Field(description="Its process, while there is one.")


class LimitsView(BaseModel):
    """What a process of a service may use; null: half of its machine."""

    memory_mib: int | None


class ServiceView(BaseModel):
    """A service and how it is doing; of its environment only the names are shown."""

    id: UUID
    name: str
    display: str = Field(description="What it is called on pages; empty: its name.")
    url: str = Field(description="Where its OpenAPI document is, if others run it.")
    project: str
    import_path: str
    python: str
    replicas: int = Field(description="How many hosts are wanted.")
    own_replicas: bool = Field(description="Whether that is its own number, not that of the organisation's defaults.")
    env: Sequence[str]
    secrets: Sequence[str]
    limits: LimitsView = Field(description="Its own; null: as the defaults of the organisation say.")
    enabled: bool
    state: str
    reason: str | None
    isolation: str
    hosts: Sequence[ReplicaView] = Field(description="Those that should be there now; none while it is off.")
    pid: int | None = Field(description="The process of the host that was started last, while there is one.")
    flows: Sequence[str]
    created_at: datetime
    updated_at: datetime
    etag: str = Field(description="For `If-Match`: changes with every edit, and with nothing else.")


class ServiceList(BaseModel):
    """All services of the tenant."""

    items: Sequence[ServiceView]
    next: None = None


@router.post("", status_code=status.HTTP_201_CREATED)
async def add(body: NewServiceBody, caller: ServiceWriter, engine: EngineDep) -> ServiceView:
    """Have a program served, its host starts within a second; or register a service that others run."""
    if body.url:
        return view(await engine.registrations.register(caller, body.name, body.url, display=body.display))
    return view(await engine.services.add(caller, body.wish()))


@router.get("")
async def catalogue(caller: ServiceReader, engine: EngineDep) -> ServiceList:
    """All services by name."""
    return ServiceList(items=[view(service) for service in await engine.services.catalogue(caller)])


@router.get("/{name}")
async def read(name: str, caller: ServiceReader, engine: EngineDep) -> ServiceView:
    """One service."""
    return view(await engine.services.get(caller, name))


@router.patch("/{name}")
async def change(
    name: str,
    body: ServiceChangeBody,
    caller: ServiceWriter,
    engine: EngineDep,
    if_match: Annotated[str | None, Header(max_length=100)] = None,
) -> ServiceView:
    """Change what is sent and nothing else; its hosts are replaced and its runs go on. A stale `If-Match` is a 412.

    Another number of `replicas`, or another `display`, replaces none of them.
    """
    wanted = None if if_match is None else if_match.strip().removeprefix("W/").strip('"')
    return view(await engine.services.change(caller, name, body.wish(), wanted))


@router.put("/{name}/archive", openapi_extra={"requestBody": {"content": ANY, "required": True}})
async def send(name: str, request: Request, caller: ServiceWriter, engine: EngineDep) -> ServiceView:
    """Have it served from the zip or tar.gz that is sent, 64 MiB at most; its host is replaced and its runs go on."""
    async with engine.uploads.place(caller.person_id):
        return view(await engine.sources.take(caller, name, arriving(request)))


@router.post("/{name}/refresh", status_code=status.HTTP_202_ACCEPTED)
async def refresh(name: str, caller: ServiceWriter, engine: EngineDep) -> ServiceView:
    """Start its program anew, as its files are now; no other service is touched and its runs go on.

    Of one that runs elsewhere the flows are read anew: the answer says how that went.
    """
    if (await engine.services.get(caller, name)).url:
        return view(await engine.registrations.refresh(caller, name))
    return view(await engine.services.refresh(caller, name))


@router.post("/{name}/discover")
async def discover(name: str, caller: ServiceWriter, engine: EngineDep) -> ServiceView:
    """Read its flows anew, where it runs elsewhere or from its host here; nothing is started or ended.

    Of one elsewhere that cannot be read the flows stay, and `reason` says why.
    """
    return view(await engine.registrations.discover(caller, name))


@router.delete("/{name}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(name: str, caller: ServiceWriter, engine: EngineDep) -> None:
    """End a service and take its agents out of the catalogue; its runs stay on record."""
    await engine.services.remove(caller, name)


def view(service: Service) -> ServiceView:
    """The service as clients see it."""
    shown = {name: getattr(service, name) for name in ServiceView.model_fields if name != "limits"}
    special: dict[str, Any] = {
        "env": sorted(service.env),
        "secrets": service.secret_names,
        "hosts": [asdict(each) for each in service.hosts],
        "limits": LimitsView(memory_mib=memory_mib(service.env)),
    }
    return ServiceView.model_validate({**shown, **special})


def _limiting(limits: LimitsBody | None) -> dict[str, str | None]:
    """The variable that says the same; None takes it away."""
    if limits is None:
        return {}
    return {MEMORY_VARIABLE: None if limits.memory_mib is None else str(limits.memory_mib)}
