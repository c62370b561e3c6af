"""What services have where they say nothing themselves."""

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.services import EnvName, EnvValue, LimitsBody, LimitsView, Replicas, ServiceReader, ServiceWriter
from windlass.core.service_defaults import Defaults, NewDefaults

router = APIRouter(prefix="/v1/services", tags=["services"])

COUNTS = (
    "Variables and limits count from the next start of each service; another number of replicas at once."
    " What a service says itself stands."
)


class DefaultsBody(Body):
    """All of the defaults: a variable that is not named goes, one that is null keeps the value it has."""

    env: dict[EnvName, EnvValue | None] = Field(default_factory=dict[str, str | None], max_length=100)
    secrets: dict[EnvName, EnvValue | None] = Field(
        default_factory=dict[str, str | None], max_length=100, description="As `env`, but sealed."
    )
    replicas: Replicas = 1
    limits: LimitsBody = Field(default_factory=LimitsBody)

    def wish(self) -> NewDefaults:
        """The same as the core has it."""
        return NewDefaults(self.env, self.secrets, self.replicas, self.limits.memory_mib)


class DefaultsView(BaseModel):
    """The defaults; of variables only the names are shown. `counts` says from when a change holds."""

    env: Sequence[str]
    secrets: Sequence[str]
    replicas: int
    limits: LimitsView
    updated_at: datetime | None
    updated_by: str
    counts: str


@router.get("/defaults")
async def read(caller: ServiceReader, engine: EngineDep) -> DefaultsView:
    """What services have where they say nothing themselves: variables, a number of replicas, limits."""
    return view(await engine.service_defaults.get(caller))


@router.put("/defaults")
async def put(body: DefaultsBody, caller: ServiceWriter, engine: EngineDep) -> DefaultsView:
    """Say all of it anew; it counts from the next start of each service, and what a service says itself stands."""
    return view(await engine.service_defaults.put(caller, body.wish()))


def view(defaults: Defaults) -> DefaultsView:
    """The defaults as clients see them."""
    return DefaultsView(
        env=sorted(defaults.env),
        secrets=defaults.secret_names,
        replicas=defaults.replicas,
        limits=LimitsView(memory_mib=defaults.memory_mib),
        updated_at=defaults.updated_at,
        updated_by=defaults.updated_by,
        counts=COUNTS,
    )
