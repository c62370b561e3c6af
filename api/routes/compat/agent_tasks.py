"""`/compat/agent-api`: tasks for clients of the session service: a prompt with variables, executed now and then."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, Field

from api.bodies import Body, Name
from api.dependencies import EngineDep, RequestUuid
from api.routes.compat.agent_api import PREFIX
from api.routes.runs import RunReader, RunStarter, Tag
from api.routes.tasks import TIMEOUT_MAX_S, Agent, TaskReader, TaskWriter, read_recipe, recipe
from windlass.contracts.runs import RunStatus
from windlass.core.runs import Run, RunFilter
from windlass.core.tasks import Task

router = APIRouter(prefix=f"{PREFIX}/api/v1/tasks", tags=["compat"])

Json = dict[str, Any]
Prompt = Annotated[str, Field(min_length=1, max_length=100_000)]
TEMPLATE = "template"  # tasks with this tag are there to be copied
SHOWN = 100
MARKED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
WORD = re.compile(r"(?<![\w.'\"])[a-z][a-z0-9_]*\b(?!['\"])")
OURS = re.compile(r"\bparameters\.")
ExecutionStatus = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
STATUSES: dict[RunStatus, ExecutionStatus] = {
    RunStatus.QUEUED: "pending",
    RunStatus.STARTING: "running",
    RunStatus.RUNNING: "running",
    RunStatus.AWAITING: "waiting",
    RunStatus.FINISHED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "cancelled",
}


class NewAgentTask(Body):
    """A prompt with variables in it, `{{ topic }}`, and what they are when nobody says."""

    name: Name
    prompt_template: Prompt = Field(examples=["Summarise {{ topic }}."])
    default_variables: Json = Field(default_factory=dict[str, Any], examples=[{"topic": "tea"}])
    agent: Agent = "claude"
    description: str = Field("", max_length=2000)
    tags: list[Tag] = Field(default_factory=list[str], max_length=20)
    timeout_seconds: int | None = Field(None, ge=1, le=TIMEOUT_MAX_S)
    max_attempts: int = Field(1, ge=1, le=100)


class AgentTaskChange(Body):
    """What is to be otherwise; what is left out stays. Variables come with their template."""

    name: Name | None = None
    prompt_template: Prompt | None = None
    default_variables: Json | None = None
    description: str | None = Field(None, max_length=2000)
    tags: list[Tag] | None = Field(None, max_length=20)
    timeout_seconds: int | None = Field(None, ge=1, le=TIMEOUT_MAX_S)
    max_attempts: int | None = Field(None, ge=1, le=100)


class ExecuteBody(Body):
    """The variables of one execution; those left out take their defaults."""

    variables: Json = Field(default_factory=dict[str, Any])


class CopyBody(Body):
    """What the copy of a template is called."""

    name: Name | None = None


class AgentTaskView(BaseModel):
    """A task as it is executed now."""

    id: UUID
    name: str
    description: str
    agent: str
    prompt_template: str
    default_variables: Mapping[str, Any]
    tags: Sequence[str]
    timeout_seconds: int | None
    max_attempts: int
    version: int
    is_template: bool
    created_at: datetime
    updated_at: datetime


class ExecutionView(BaseModel):
    """One execution of a task; its `id` is that of a run."""

    id: UUID
    task_id: UUID
    status: ExecutionStatus
    result: Any
    error_message: str | None
    total_cost_usd: float | None
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime


@router.post("", status_code=status.HTTP_201_CREATED)
async def create(body: NewAgentTask, caller: TaskWriter, engine: EngineDep, new: RequestUuid) -> AgentTaskView:
    """Save a task."""
    made = recipe(
        {
            "agent": body.agent,
            "inputs": {"prompt": _ours(body.prompt_template, body.default_variables)},
            "parameters": _parameters(body.default_variables),
            "description": body.description,
            "tags": body.tags,
            "timeout_s": body.timeout_seconds,
            "max_attempts": body.max_attempts,
        }
    )
    return _task(await engine.tasks.create(caller, body.name, made, new))


@router.get("")
async def newest(caller: TaskReader, engine: EngineDep) -> Sequence[AgentTaskView]:
    """The newest hundred tasks."""
    return [_task(each) for each in await engine.tasks.newest(caller, limit=SHOWN)]


@router.get("/templates")
async def templates(caller: TaskReader, engine: EngineDep) -> Sequence[AgentTaskView]:
    """Those of the newest hundred tasks that are there to be copied: they have the tag `template`."""
    return [_task(each) for each in await engine.tasks.newest(caller, limit=SHOWN) if TEMPLATE in each.recipe.tags]


@router.post("/templates/{task_id}", status_code=status.HTTP_201_CREATED)
async def copy(
    task_id: UUID, caller: TaskWriter, engine: EngineDep, new: RequestUuid, body: CopyBody | None = None
) -> AgentTaskView:
    """Make a task of one's own from a template."""
    return _task(await engine.tasks.clone(caller, task_id, body.name if body else None, new))


@router.get("/{task_id}")
async def read(task_id: UUID, caller: TaskReader, engine: EngineDep) -> AgentTaskView:
    """One task."""
    return _task(await engine.tasks.get(caller, task_id))


@router.patch("/{task_id}")
async def change(task_id: UUID, body: AgentTaskChange, caller: TaskWriter, engine: EngineDep) -> AgentTaskView:
    """Change a task; executions under way go on as they were."""
    task = await engine.tasks.get(caller, task_id)
    return _task(await engine.tasks.change(caller, task_id, read_recipe(_changes(task, body))))


@router.delete("/{task_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(task_id: UUID, caller: TaskWriter, engine: EngineDep) -> None:
    """Delete a task; its executions stay on record."""
    await engine.tasks.delete(caller, task_id)


@router.post("/{task_id}/execute", status_code=status.HTTP_202_ACCEPTED)
async def execute(
    task_id: UUID, caller: RunStarter, engine: EngineDep, new: RequestUuid, body: ExecuteBody | None = None
) -> ExecutionView:
    """Execute it now and return at once: it goes on whatever crashes."""
    return _execution(task_id, await engine.tasks.run(caller, task_id, body.variables if body else None, new))


@router.get("/{task_id}/executions")
async def executions(task_id: UUID, caller: RunReader, engine: EngineDep) -> Sequence[ExecutionView]:
    """The newest hundred executions one may see."""
    await engine.tasks.get(caller, task_id)
    found = await engine.runs.newest(caller, RunFilter(task=task_id), limit=SHOWN)
    return [_execution(task_id, each) for each in found]


def _changes(task: Task, body: AgentTaskChange) -> Json:
    """The change as tasks take it."""
    given = body.model_dump(exclude_unset=True)
    changes = {name: given[name] for name in ("name", "description", "tags", "max_attempts") if given.get(name)}
    if "timeout_seconds" in given:
        changes["timeout_s"] = given["timeout_seconds"]
    if body.prompt_template is not None or body.default_variables is not None:
        shown = _task(task)
        variables = shown.default_variables if body.default_variables is None else body.default_variables
        template = shown.prompt_template if body.prompt_template is None else body.prompt_template
        changes["inputs"] = {**task.recipe.inputs, "prompt": _ours(template, variables)}
        changes["parameters"] = _parameters(variables)
    return changes


def _parameters(variables: Mapping[str, Any]) -> Json:
    """Variables as parameters: what they are is what their default is."""
    return {name: {"type": _kind(value), "default": value} for name, value in variables.items()}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "text"


def _ours(template: str, names: Iterable[str]) -> str:
    """A template in which variables are parameters: `{{ topic }}` is `{{ parameters.topic }}`."""
    known = frozenset(names)

    def named(word: re.Match[str]) -> str:
        return f"parameters.{word[0]}" if word[0] in known else word[0]

    return MARKED.sub(lambda mark: WORD.sub(named, mark[0]), template)


def _theirs(template: str) -> str:
    return MARKED.sub(lambda mark: OURS.sub("", mark[0]), template)


def _task(task: Task) -> AgentTaskView:
    made = task.recipe
    return AgentTaskView(
        id=task.id,
        name=task.name,
        description=made.description,
        agent=made.agent,
        prompt_template=_theirs(str(made.inputs.get("prompt", ""))),
        default_variables={each.name: each.default for each in made.parameters},
        tags=made.tags,
        timeout_seconds=made.timeout_s,
        max_attempts=made.max_attempts,
        version=task.version,
        is_template=TEMPLATE in made.tags,
        created_at=task.created_at,
        updated_at=task.updated_at,
    )


def _execution(task_id: UUID, run: Run) -> ExecutionView:
    return ExecutionView(
        id=run.id,
        task_id=task_id,
        status=STATUSES[run.status],
        result=run.result,
        error_message=run.error["message"] if run.error else None,
        total_cost_usd=run.cost_usd,
        started_at=run.started_at,
        completed_at=run.ended_at,
        created_at=run.created_at,
    )
