"""Desktops: make, list, read, follow, start, stop, pause, resume, delete."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response, status
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import AuthenticationDep, EngineDep, RequestUuid, requires
from api.engine import Engine
from api.routes.runs import EventsPage, EventsQuery, EventView, RunReader, RunStarter, RunView, view_run
from api.sse import After, EventStream, stream_response
from windlass.contracts.agents import DESKTOP, MOST_ACTIONS, MOST_COST_USD
from windlass.contracts.desktops import STANDARD, DesktopStatus
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop, NewDesktop, check_work
from windlass.core.permissions import Permission
from windlass.core.runs import Run, RunFilter, StartRun

router = APIRouter(prefix="/v1/desktops", tags=["desktops"])

DesktopReader = Annotated[Caller, Depends(requires(Permission.DESKTOPS_READ))]
DesktopWriter = Annotated[Caller, Depends(requires(Permission.DESKTOPS_WRITE))]


class NewDesktopBody(Body):
    """A desktop: a name among one's own, and the template it is made from."""

    name: str | None = Field(None, min_length=1, max_length=63, pattern=r"^[\w][\w .-]*$", examples=["research"])
    template: str = Field(STANDARD, max_length=63)


SCRIPT = "1 MiB at most. What is no text comes in base64, after `data:application/octet-stream;base64,`."


class TaskBody(Body):
    """Work for a desktop: a script, any text that bash can read, or a prompt that a model works on in it."""

    script: str | None = Field(None, min_length=1, examples=["echo hello"], description=SCRIPT)
    prompt: str | None = Field(None, min_length=1, max_length=50_000)
    model: str | None = Field(None, min_length=1, max_length=200, description="Of a prompt.")
    max_actions: int | None = Field(None, ge=1, le=MOST_ACTIONS, description="Of a prompt: how much it may do.")
    max_cost_usd: float | None = Field(None, ge=0, le=MOST_COST_USD, description="Of a prompt: what it may cost.")
    title: str | None = Field(None, min_length=1, max_length=200)
    timeout_s: int | None = Field(None, ge=1, le=31_536_000, description="Of work; queueing does not count.")


class DesktopView(BaseModel):
    """A desktop as it stands; `reason` says why it is lost, or what it waits for."""

    id: UUID
    name: str
    template: str
    template_version: int = Field(description="Which version of the template it was made of when it last started.")
    owner: UUID
    owner_name: str
    status: DesktopStatus
    reason: str
    node: str | None = Field(description="The machine its home is on.")
    image: str | None = Field(description="The image it was made of, by digest.")
    width: int
    height: int
    egress: Sequence[str] = Field(description="Where it may go, `host:port`; nowhere else.")
    created_at: datetime
    status_at: datetime
    expires_at: datetime | None = Field(description="When it is shut down whatever it does; its home stays.")
    holder: UUID | None = Field(description="Who has its screen in hand: until it is given back no task begins.")
    holder_name: str
    held_at: datetime | None
    home_bytes: int | None = Field(description="What was in its home when that was weighed last.")
    home_most_bytes: int = Field(description="What may be in its home; a desktop that has more is ended.")
    asked_name: str = Field(description="Who asked for the screen since it is in hand.")


class DesktopList(BaseModel):
    """The desktops one may see."""

    items: Sequence[DesktopView]
    next: None = None


class TaskList(BaseModel):
    """The tasks of a desktop, the newest first."""

    items: Sequence[RunView]
    next: None = None


@router.post("", status_code=status.HTTP_202_ACCEPTED)
async def create(
    caller: DesktopWriter, engine: EngineDep, new: RequestUuid, body: NewDesktopBody | None = None
) -> DesktopView:
    """Have a desktop made and return at once; in about a second it is idle."""
    wish = body or NewDesktopBody.model_validate({})
    return view(await engine.desktops.create(caller, NewDesktop(wish.name, wish.template, new)))


@router.get("")
async def catalogue(caller: DesktopReader, engine: EngineDep) -> DesktopList:
    """The desktops one may see, the newest first."""
    return DesktopList(items=[view(desktop) for desktop in await engine.desktops.catalogue(caller)])


@router.get("/{desktop_id}")
async def read(desktop_id: UUID, caller: DesktopReader, engine: EngineDep) -> DesktopView:
    """One desktop."""
    return view(await engine.desktops.get(caller, desktop_id))


@router.get("/{desktop_id}/events")
async def events(
    desktop_id: UUID, query: Annotated[EventsQuery, Query()], caller: DesktopReader, engine: EngineDep
) -> EventsPage:
    """The desktop's log after a seq; the same cursor as the stream's."""
    await engine.desktops.get(caller, desktop_id)
    found = await engine.events.read(caller.tenant_id, desktop_id, query.after, query.limit, query.wanted())
    items = [EventView(seq=each.seq, at=each.at, kind=each.kind, payload=each.payload) for each in found]
    return EventsPage(items=items, next=items[-1].seq if len(items) == query.limit else None)


@router.get("/{desktop_id}/stream", response_class=EventStream)
async def stream(
    desktop_id: UUID, after: After, caller: DesktopReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """The desktop's log, live: server-sent events, closed after its deletion."""
    await engine.desktops.get(caller, desktop_id)
    return await stream_response(engine.hub, caller.tenant_id, desktop_id, after, lambda: known.still(caller))


@router.post("/{desktop_id}/start", status_code=status.HTTP_202_ACCEPTED)
async def start(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> DesktopView:
    """Have a desktop that is off or lost on again, with the home it had."""
    return view(await engine.desktops.start(caller, desktop_id))


@router.post("/{desktop_id}/stop", status_code=status.HTTP_202_ACCEPTED)
async def stop(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> DesktopView:
    """Shut a desktop down: what runs in it ends, its home stays."""
    return view(await engine.desktops.stop(caller, desktop_id))


@router.post("/{desktop_id}/pause", status_code=status.HTTP_202_ACCEPTED)
async def pause(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> DesktopView:
    """Freeze a desktop: it keeps its memory and does nothing."""
    return view(await engine.desktops.pause(caller, desktop_id))


@router.post("/{desktop_id}/resume", status_code=status.HTTP_202_ACCEPTED)
async def resume(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> DesktopView:
    """Let a paused desktop go on."""
    return view(await engine.desktops.resume(caller, desktop_id))


@router.delete("/{desktop_id}", status_code=status.HTTP_202_ACCEPTED)
async def remove(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> None:
    """Delete a desktop with its home; its place is free at once."""
    await engine.desktops.remove(caller, desktop_id)


@router.post("/{desktop_id}/tasks", status_code=status.HTTP_202_ACCEPTED)
async def give(desktop_id: UUID, body: TaskBody, caller: RunStarter, engine: EngineDep, new: RequestUuid) -> RunView:
    """Queue a script or a prompt, as a run; a desktop does one at a time, and one that is off is started."""
    inputs = {"desktop": str(desktop_id), **body.model_dump(exclude={"title", "timeout_s"}, exclude_none=True)}
    wish = StartRun(DESKTOP, inputs, body.title, timeout_s=body.timeout_s, id=new)
    return view_run(await queue_work(engine, caller, wish), caller, engine)


@router.get("/{desktop_id}/tasks")
async def tasks(desktop_id: UUID, caller: RunReader, engine: EngineDep) -> TaskList:
    """The newest hundred tasks of a desktop that one may see."""
    await engine.desktops.get(caller, desktop_id)
    found = await engine.runs.newest(caller, RunFilter(desktop=desktop_id), limit=100)
    return TaskList(items=[view_run(run, caller, engine) for run in found])


def view(desktop: Desktop) -> DesktopView:
    """The desktop as clients see it."""
    shown = {name: getattr(desktop, name) for name in DesktopView.model_fields if hasattr(desktop, name)}
    made_of = desktop.made_of
    made = {"width": made_of.width, "height": made_of.height, "egress": made_of.egress}
    return DesktopView.model_validate({**shown, **made, "home_most_bytes": made_of.home_bytes})


async def queue_work(engine: Engine, caller: Caller, wish: StartRun) -> Run:
    """Queue a task; a desktop that is off is started for it, but not for work that is none.

    Raises NotFound, Invalid, Unavailable.
    """
    check_work(wish.inputs)
    await engine.desktops.wake(caller, UUID(wish.inputs["desktop"]))
    return await engine.runs.start(caller, wish)
