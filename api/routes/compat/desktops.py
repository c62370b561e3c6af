"""`/compat/desktops/v1`: desktops for clients of the worker factory that they replace. A worker is a desktop."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, status
from pydantic import BaseModel, Field

from api.authentication import origin_of
from api.bodies import Body, Email, Name, Password
from api.dependencies import (
    AuthenticationDep,
    EngineDep,
    Me,
    Myself,
    Public,
    RequestUuid,
    SessionsDep,
    SettingsDep,
    SignInDep,
)
from api.routes.compat.people import (
    Credentials,
    Healthy,
    RefreshBody,
    TokenPair,
    UserProfile,
    token_pair,
    user_profile,
)
from api.routes.desktops import DesktopReader, DesktopWriter, queue_work
from api.routes.runs import RunReader, RunStarter
from api.routes.screens import address, lifetime
from windlass.contracts.agents import DESKTOP
from windlass.contracts.desktops import DesktopStatus, script_text
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.desktops import Desktop, NewDesktop
from windlass.core.errors import FieldError, Invalid, NotFound
from windlass.core.identity import Registration
from windlass.core.runs import Run, RunFilter, StartRun

router = APIRouter(prefix="/compat/desktops/v1", tags=["compat"])

WorkerStatus = Literal["OFFLINE", "STARTING", "IDLE", "BUSY"]
TaskStatus = Literal["QUEUED", "PROCESSING", "COMPLETED", "FAILED"]
WORKERS: dict[DesktopStatus, WorkerStatus] = {
    DesktopStatus.STARTING: "STARTING",
    DesktopStatus.IDLE: "IDLE",
    DesktopStatus.BUSY: "BUSY",
}
TASKS: dict[RunStatus, TaskStatus] = {
    RunStatus.QUEUED: "QUEUED",
    RunStatus.FINISHED: "COMPLETED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELLED: "FAILED",
}
OUTPUT_LINES = 1000


class NewUser(Body):
    """A person; they get an organisation of their own."""

    email: Email
    password: Password
    name: Name | None = None


class ProfileBody(Body):
    """What one may change about oneself."""

    name: Name


class NewWorker(Body):
    """A worker, with a name among one's own."""

    name: str | None = Field(None, min_length=1, max_length=63, pattern=r"^[\w][\w .-]*$")


class WorkerView(BaseModel):
    """A worker as it stands: what is paused or lost is OFFLINE, `reason` says why."""

    id: UUID
    name: str
    status: WorkerStatus
    reason: str
    created_at: datetime


class Picture(BaseModel):
    """Where a worker's screen can be seen as a picture."""

    url: str


class NewTask(Body):
    """A script for bash, as text or as its bytes in base64."""

    script: str = Field(min_length=1, description="1 MiB at most, once it is decoded.")
    encoding: Literal["plain", "base64"] = "plain"
    title: str | None = Field(None, min_length=1, max_length=200)


class TaskView(BaseModel):
    """A task as it stands."""

    id: UUID
    worker_id: UUID
    title: str
    status: TaskStatus
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    error: str | None
    output: str | None = Field(None, description="Of one task alone: the first thousand lines it printed.")


@router.get("/health", dependencies=[Public])
async def health() -> Healthy:
    """Say that this process is alive."""
    return Healthy()


@router.post("/user/register", status_code=status.HTTP_201_CREATED, dependencies=[Public])
async def register(body: NewUser, request: Request, sign_in: SignInDep, settings: SettingsDep) -> TokenPair:
    """Sign up, where the installation allows it."""
    if settings.signup != "open":
        raise NotFound("page at", "this address")
    name = body.name or body.email.partition("@")[0]
    return token_pair(
        await sign_in.register(Registration(name, body.email, body.password, body.email), origin_of(request))
    )


@router.post("/user/login", dependencies=[Public])
async def login(body: Credentials, request: Request, sign_in: SignInDep) -> TokenPair:
    """Sign in by password."""
    return token_pair(await sign_in.login(body.email, body.password, origin_of(request)))


@router.post("/user/refresh", dependencies=[Public])
async def refresh(body: RefreshBody, request: Request, sessions: SessionsDep) -> TokenPair:
    """Exchange a refresh token for a new pair."""
    return token_pair(await sessions.refresh(body.refresh_token, origin_of(request)))


@router.get("/user/profile")
async def profile(caller: Me) -> UserProfile:
    """Who one is."""
    return user_profile(caller)


@router.patch("/user/profile")
async def change_profile(
    body: ProfileBody, caller: Myself, sign_in: SignInDep, known: AuthenticationDep
) -> UserProfile:
    """Change one's name."""
    renamed = await sign_in.rename(caller, body.name)
    known.forget()
    return user_profile(renamed)


@router.post("/workers", status_code=status.HTTP_201_CREATED)
async def create(
    caller: DesktopWriter, engine: EngineDep, new: RequestUuid, body: NewWorker | None = None
) -> WorkerView:
    """Have a worker made; in about a second it is IDLE."""
    return _worker(await engine.desktops.create(caller, NewDesktop(body.name if body else None, id=new)))


@router.get("/workers")
async def workers(caller: DesktopReader, engine: EngineDep) -> Sequence[WorkerView]:
    """The workers one may see, the newest first."""
    return [_worker(desktop) for desktop in await engine.desktops.catalogue(caller)]


@router.get("/workers/{worker_id}")
async def worker(worker_id: UUID, caller: DesktopReader, engine: EngineDep) -> WorkerView:
    """One worker."""
    return _worker(await engine.desktops.get(caller, worker_id))


@router.delete("/workers/{worker_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(worker_id: UUID, caller: DesktopWriter, engine: EngineDep) -> None:
    """Delete a worker with its files."""
    await engine.desktops.remove(caller, worker_id)


@router.post("/workers/{worker_id}/tasks", status_code=status.HTTP_201_CREATED)
async def give(worker_id: UUID, body: NewTask, caller: RunStarter, engine: EngineDep, new: RequestUuid) -> TaskView:
    """Queue a script; a worker does one at a time, and one that is OFFLINE is started."""
    script = _script(body)
    wish = StartRun(DESKTOP, {"desktop": str(worker_id), "script": script}, body.title, id=new)
    return _task(await queue_work(engine, caller, wish))


@router.get("/workers/{worker_id}/screenshot")
async def screenshot(worker_id: UUID, caller: DesktopReader, engine: EngineDep, settings: SettingsDep) -> Picture:
    """The screen as a picture, looked at once in 30 seconds."""
    found = await engine.cameras.picture(caller, worker_id, fresh=False)
    return Picture(url=await address(engine, settings, found, await lifetime(engine, caller)))


@router.get("/tasks")
async def tasks(caller: RunReader, engine: EngineDep) -> Sequence[TaskView]:
    """The newest hundred tasks one may see."""
    return [_task(run) for run in await engine.runs.newest(caller, RunFilter(agent=DESKTOP), limit=100)]


@router.get("/tasks/{task_id}")
async def task(task_id: UUID, caller: RunReader, engine: EngineDep) -> TaskView:
    """One task, with what it printed."""
    run = await engine.runs.get(caller, task_id)
    if run.agent != DESKTOP:
        raise NotFound("task", task_id)
    kinds = (EventKind.STDOUT, EventKind.STDERR)
    lines = await engine.events.read(caller.tenant_id, task_id, 0, OUTPUT_LINES, kinds)
    return _task(run, "".join(f"{line.payload['text']}\n" for line in lines))


def _script(body: NewTask) -> str:
    """The script as inputs hold it. Raises Invalid."""
    if body.encoding == "plain":
        return body.script
    try:
        return script_text(base64.b64decode(body.script, validate=True))
    except ValueError as error:  # no base64, or no ASCII
        raise Invalid("Nothing was queued.", (FieldError("script", "must be base64"),)) from error


def _worker(desktop: Desktop) -> WorkerView:
    return WorkerView(
        id=desktop.id,
        name=desktop.name,
        status=WORKERS.get(desktop.status, "OFFLINE"),
        reason=desktop.reason,
        created_at=desktop.created_at,
    )


def _exit_code(run: Run) -> int | None:
    said: Any = run.error or (run.result or {}).get("dict") or {}
    return said.get("exit_code")


def _task(run: Run, output: str | None = None) -> TaskView:
    return TaskView(
        id=run.id,
        worker_id=UUID(run.inputs["desktop"]),
        title=run.title,
        status=TASKS.get(run.status, "PROCESSING"),
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.ended_at,
        exit_code=_exit_code(run),
        error=run.error["message"] if run.error else run.cancel_reason,
        output=output,
    )
