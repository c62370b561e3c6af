"""Flows of services: how they are, and what somebody sets of them; and checkups of services."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.bodies import Body
from api.dependencies import EngineDep
from api.routes.services import ServiceReader, ServiceWriter
from windlass.core.checkups import Checkup
from windlass.core.host_logs import CURSOR, cursor_of

router = APIRouter(prefix="/v1/services", tags=["services"])

Tag = Annotated[str, Field(min_length=1, max_length=100)]


class FlowChangeBody(Body):
    """What is to be said of a flow; what is not sent stays, and with a null its service's own word stands again."""

    display: str | None = Field(None, min_length=1, max_length=200)
    description: str | None = Field(None, max_length=10_000)
    tags: list[Tag] | None = Field(None, max_length=50)
    author: str | None = Field(None, max_length=200)
    organization: str | None = Field(None, max_length=200)
    enabled: bool | None = Field(None, description="One that is not enabled is in no catalogue and does not start.")

    def given(self) -> dict[str, Any]:
        """What was sent."""
        return self.model_dump(exclude_unset=True)


class FlowView(BaseModel):
    """A flow of a service; `edited` are the fields that somebody set. Its figures are those of the last 24 hours."""

    model_config = ConfigDict(from_attributes=True)

    agent: str
    name: str
    path: str
    display: str
    description: str
    tags: Sequence[str]
    author: str | None
    organization: str | None
    enabled: bool
    available: bool
    edited: Sequence[str]
    edited_at: datetime | None
    finished: int
    failed: int
    cancelled: int
    live: int = Field(description="Runs that have not ended, of whatever age.")
    mean_s: float | None = Field(description="How long the finished ones took on average.")


class FlowList(BaseModel):
    """The flows of a service, in its order."""

    items: Sequence[FlowView]
    next: None = None


class FlowHealthView(BaseModel):
    """How a flow is: `alive`, `dead`, `not-found` or `unknown`."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    state: str


class CheckupView(BaseModel):
    """How a service is: as recorded, and as its host just said; `answers` is null where nobody was asked."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    state: str
    answers: bool | None
    message: str
    flows: Sequence[FlowHealthView]
    took_ms: float | None
    pid: int | None
    runs: int | None = Field(description="Runs that its host executes now.")
    loop_lag_s: float | None = Field(description="How long its event loop has been held up.")


class CheckupList(BaseModel):
    """How all services are, by name."""

    checked_at: datetime
    items: Sequence[CheckupView]


Since = Annotated[
    str, Query(max_length=3000, pattern=f"^{CURSOR.pattern}$", description="The `cursor` of the answer before.")
]


class HostLogView(BaseModel):
    """The last 64 KiB a host printed, or what it printed since."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="The process: another one has another id.")
    replica: int
    node: str = Field(description="Its machine.")
    pid: int | None
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it is there.")
    text: str | None = Field(
        description="Null where its machine is not that of the gateway; with `since` every end of a line is in it."
    )
    is_cut: bool = Field(description="Whether it printed more before, that is not told.")
    rest: str = Field(description="What `text` ends with: a line that is not at its end yet, and is told again.")


class HostLogList(BaseModel):
    """Those that serve first, then the newest that have ended."""

    items: Sequence[HostLogView]
    next: None = None
    cursor: str = Field(description="The `since` of whoever asks again.")


@router.post("/health")
async def check_all(caller: ServiceReader, engine: EngineDep) -> CheckupList:
    """Ask the hosts of all services how they are; one that is off is not woken."""
    return _list(await engine.checkups.of_all(caller))


@router.post("/{name}/health")
async def check(name: str, caller: ServiceReader, engine: EngineDep) -> CheckupView:
    """Ask the host of one service how it is; one that is off is not woken."""
    return CheckupView.model_validate(await engine.checkups.of(caller, name))


@router.get("/{name}/log")
async def log(name: str, caller: ServiceWriter, engine: EngineDep, since: Since = "") -> HostLogList:
    """What the hosts of a service printed last, on the gateway's machine: also of those that did not come up."""
    found = await engine.host_logs.of(caller, name, since)
    return HostLogList(items=[HostLogView.model_validate(each) for each in found], cursor=cursor_of(found))


@router.get("/{name}/flows")
async def flows(name: str, caller: ServiceReader, engine: EngineDep) -> FlowList:
    """The flows of a service, also those that are not enabled, with their figures."""
    return FlowList(items=[FlowView.model_validate(each) for each in await engine.flows.of(caller, name)])


@router.patch("/{name}/flows/{flow}")
async def change(name: str, flow: str, body: FlowChangeBody, caller: ServiceWriter, engine: EngineDep) -> FlowView:
    """Set what is said of a flow, and whether it can be started; it is kept across boots."""
    return FlowView.model_validate(await engine.flows.change(caller, name, flow, body.given()))


def _list(found: Sequence[Checkup]) -> CheckupList:
    return CheckupList(checked_at=datetime.now(UTC), items=[CheckupView.model_validate(each) for each in found])
