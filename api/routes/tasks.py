"""Tasks: saved ways to start an agent."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, status
from pydantic import BaseModel, Field

from api.bodies import Body, Name
from api.dependencies import CursorsDep, EngineDep, RequestUuid, requires
from api.paging import ListQuery, PageOf, place_in_time, place_of
from api.routes.runs import BACKOFF_MAX_S, RunReader, RunStarter, RunView, Tag, view_run
from windlass.core.callers import Caller
from windlass.core.errors import Invalid
from windlass.core.parameters import read_parameters, written
from windlass.core.permissions import Permission
from windlass.core.runs import RunFilter
from windlass.core.tasks import Recipe, Task

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

TaskReader = Annotated[Caller, Depends(requires(Permission.TASKS_READ))]
TaskWriter = Annotated[Caller, Depends(requires(Permission.TASKS_WRITE))]

Agent = Annotated[str, Field(min_length=1, max_length=200, examples=["claude"])]
Json = dict[str, Any]
TIMEOUT_MAX_S = 31_536_000


class TaskBody(Body):
    """What to save: an agent, and its inputs, in which every text may be a template over the parameters."""

    name: Name
    agent: Agent
    inputs: Json = Field(default_factory=dict[str, Any], examples=[{"prompt": "News of {{ parameters.topic }}"}])
    parameters: Json = Field(default_factory=dict[str, Any], examples=[{"topic": {"type": "text", "default": "tea"}}])
    description: str = Field("", max_length=2000)
    tags: list[Tag] = Field(default_factory=list[str], max_length=20)
    timeout_s: int | None = Field(None, ge=1, le=TIMEOUT_MAX_S)
    max_attempts: int = Field(1, ge=1, le=100)
    backoff_s: int = Field(1, ge=1, le=BACKOFF_MAX_S, description="The pause before the second attempt; then doubled.")


class TaskChange(Body):
    """What to change; `version` is the one it was made from, and anything newer refuses the change."""

    name: Name | None = None
    agent: Agent | None = None
    inputs: Json | None = None
    parameters: Json | None = None
    description: str | None = Field(None, max_length=2000)
    tags: list[Tag] | None = Field(None, max_length=20)
    timeout_s: int | None = Field(None, ge=1, le=TIMEOUT_MAX_S)
    max_attempts: int | None = Field(None, ge=1, le=100)
    backoff_s: int | None = Field(None, ge=1, le=BACKOFF_MAX_S)
    version: int | None = Field(None, ge=1)


class RunTaskBody(Body):
    """The parameters of one run; those left out take their defaults."""

    parameters: Json = Field(default_factory=dict[str, Any])


class CloneBody(Body):
    """What the copy is called."""

    name: Name | None = None


class TaskView(BaseModel):
    """A task as it runs now."""

    id: UUID
    name: str
    version: int
    agent: str
    inputs: Json
    parameters: Json
    description: str
    tags: Sequence[str]
    timeout_s: int | None
    max_attempts: int
    backoff_s: int
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    changed_by_name: str


class VersionView(BaseModel):
    """One version of a task, as it was."""

    version: int
    agent: str
    inputs: Json
    parameters: Json
    description: str
    tags: Sequence[str]
    timeout_s: int | None
    max_attempts: int
    backoff_s: int
    changed_by_name: str
    created_at: datetime


class VersionList(BaseModel):
    """The versions of a task, the newest first."""

    items: Sequence[VersionView]
    next: None = None


class StatisticsView(BaseModel):
    """The newest 1,000 runs in numbers; what is unknown is null."""

    runs: int
    finished: int
    failed: int
    cancelled: int
    success_rate: float | None
    took_p50_s: float | None
    took_p90_s: float | None
    took_p99_s: float | None
    cost_usd: float | None
    usual_cost_usd: float | None


class TaskRuns(PageOf[RunView]):
    """A page of a task's runs, the newest first, and how all of them went."""

    statistics: StatisticsView


class TaskQuery(ListQuery):
    """Which tasks: those whose words contain `q`."""

    q: str | None = Field(None, max_length=200)


@router.post("", status_code=status.HTTP_201_CREATED)
async def create(body: TaskBody, caller: TaskWriter, engine: EngineDep, new: RequestUuid) -> TaskView:
    """Save a task."""
    return view(await engine.tasks.create(caller, body.name, recipe(body.model_dump(exclude={"name"})), new))


@router.get("")
async def newest(
    query: Annotated[TaskQuery, Query()], caller: TaskReader, engine: EngineDep, cursors: CursorsDep
) -> PageOf[TaskView]:
    """The newest tasks first."""
    after = place_of(cursors.read(caller, "tasks", query))
    found = await engine.tasks.newest(caller, query.q, limit=query.limit + 1, after=after)
    items, following = cursors.page(caller, "tasks", query, found, place_in_time)
    return PageOf(items=[view(task) for task in items], next=following)


@router.get("/{task_id}")
async def read(task_id: UUID, caller: TaskReader, engine: EngineDep) -> TaskView:
    """One task."""
    return view(await engine.tasks.get(caller, task_id))


@router.patch("/{task_id}")
async def change(task_id: UUID, body: TaskChange, caller: TaskWriter, engine: EngineDep) -> TaskView:
    """Change a task; whatever changes what it runs makes a new version."""
    changes = body.model_dump(exclude={"version"}, exclude_unset=True)
    given = {key: value for key, value in changes.items() if value is not None or key == "timeout_s"}
    return view(await engine.tasks.change(caller, task_id, read_recipe(given), body.version))


@router.delete("/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete(task_id: UUID, caller: TaskWriter, engine: EngineDep) -> None:
    """Delete a task: it never runs again; its runs stay on record."""
    await engine.tasks.delete(caller, task_id)


@router.post("/{task_id}/run", status_code=status.HTTP_202_ACCEPTED)
async def run(
    task_id: UUID, caller: RunStarter, engine: EngineDep, new: RequestUuid, body: RunTaskBody | None = None
) -> RunView:
    """Start it now."""
    started = await engine.tasks.run(caller, task_id, body.parameters if body else None, new)
    return view_run(started, caller, engine)


@router.post("/{task_id}/clone", status_code=status.HTTP_201_CREATED)
async def clone(
    task_id: UUID, caller: TaskWriter, engine: EngineDep, new: RequestUuid, body: CloneBody | None = None
) -> TaskView:
    """Copy a task; the copy is yours."""
    return view(await engine.tasks.clone(caller, task_id, body.name if body else None, new))


@router.get("/{task_id}/versions")
async def versions(task_id: UUID, caller: TaskReader, engine: EngineDep) -> VersionList:
    """What the task was, change by change."""
    found = await engine.tasks.versions(caller, task_id)
    shown = ({**facts(each.recipe), **{name: getattr(each, name) for name in OF_VERSION}} for each in found)
    return VersionList(items=[VersionView.model_validate(each) for each in shown])


@router.get("/{task_id}/runs")
async def runs(
    task_id: UUID,
    query: Annotated[ListQuery, Query()],
    caller: RunReader,
    engine: EngineDep,
    cursors: CursorsDep,
) -> TaskRuns:
    """The task's runs, the newest first, with how many went well, how long they took and what they cost."""
    await engine.tasks.get(caller, task_id)
    name = f"tasks/{task_id}/runs"
    after = place_of(cursors.read(caller, name, query))
    found = await engine.runs.newest(caller, RunFilter(task=task_id), limit=query.limit + 1, after=after)
    items, following = cursors.page(caller, name, query, found, place_in_time)
    numbers = await engine.history.of_task(caller, task_id)
    statistics = StatisticsView(**asdict(numbers), success_rate=numbers.success_rate)
    return TaskRuns(items=[view_run(each, caller, engine) for each in items], next=following, statistics=statistics)


OF_VERSION = ("version", "changed_by_name", "created_at")


def recipe(given: Json) -> Recipe:
    """The recipe of a body. Raises Invalid."""
    return Recipe(**read_recipe(given))


def read_recipe(given: Json) -> Json:
    """The fields of a recipe, converted. Raises Invalid."""
    made = dict(given)
    if "tags" in made:
        made["tags"] = tuple(made["tags"])
    if "parameters" in made:
        made["parameters"], errors = read_parameters(made["parameters"])
        if errors:
            raise Invalid("The parameters cannot be used; nothing was saved.", tuple(errors))
    return made


def facts(made: Recipe) -> Json:
    """A recipe as clients see it."""
    shown = (name for name in Recipe.__slots__ if name != "sealed")
    return {**{name: getattr(made, name) for name in shown}, "parameters": written(made.parameters)}


def view(task: Task) -> TaskView:
    """The task as clients see it."""
    own = {name: getattr(task, name) for name in Task.__slots__ if name != "recipe"}
    return TaskView.model_validate({**facts(task.recipe), **own})
