"""The pages of tasks: the list, one task with its form, and starting it."""

from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.formats import MISSING, duration, money
from api.pages.once import once_field, once_id
from api.pages.rendering import field, go, page, read_form, viewer
from api.pages.runs_list import load_rows
from api.pages.searched import search
from api.pages.shell import Place
from api.pages.spans import decimal
from api.pages.task_forms import (
    TaskForm,
    checked_name,
    errors_of,
    form_of,
    parameter_fields,
    read_form_of_task,
    read_values,
    recipe_of,
    task_fields,
)
from api.routes.runs import RunStarter
from api.routes.tasks import TaskReader, TaskWriter
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.history import Statistics
from windlass.core.parameters import Kind
from windlass.core.permissions import Permission
from windlass.core.runs import RunFilter
from windlass.core.tasks import Task, may_change

router = APIRouter(include_in_schema=False)

SHOWN_RUNS = 10


@router.get("/tasks")
async def tasks(request: Request, caller: TaskReader, engine: EngineDep, cursors: CursorsDep) -> Response:
    """All tasks, the newest first."""
    found = await search(request, caller, cursors, "pages/tasks", engine.tasks.newest)
    values = {
        "tasks": found.items,
        **found.place,
        "seen": viewer(request),
        "may_write": caller.may(Permission.TASKS_WRITE),
        "title": "Tasks",
    }
    return await page(
        request, caller, "tasks.html", Place("Schedules", (("Schedules", "/schedules"), ("Tasks", ""))), values
    )


@router.get("/tasks/new")
async def new(request: Request, caller: TaskWriter, engine: EngineDep) -> Response:
    """The empty form for the agent of the address; else the agents to choose from."""
    name = request.query_params.get("agent")
    if name:
        agent = await engine.agents.get(caller, name)
        if agent.url:  # nothing can be saved that others run: its page says where it is
            return go(agent.start_page)
        return await show_form(request, caller, agent, TaskForm())
    values = {"agents": await engine.agents.of_ours(caller), "title": "New task"}
    place = Place("Schedules", (("Schedules", "/schedules"), ("Tasks", "/tasks"), ("New", "")))
    return await page(request, caller, "task_agents.html", place, values)


@router.post("/tasks/new")
async def create(request: Request, caller: TaskWriter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Save the task, or show the form again with what is wrong. The same form sent twice is one task."""
    posted = read_form(request)
    agent = await engine.agents.get(caller, field(posted, "agent", 200))
    form = read_form_of_task(agent, posted)
    try:
        checked_name(form.name)
        task = await engine.tasks.create(caller, form.name, recipe_of(agent, form), once_id(cursors, caller, posted))
    except (Invalid, Conflict) as problem:
        return await show_form(request, caller, agent, replace(form, errors=errors_of(problem)), 422)
    return go(f"/tasks/{task.id}", f"{task.name} is saved")


@router.get("/tasks/{task_id}")
async def task(task_id: UUID, request: Request, caller: TaskReader, engine: EngineDep) -> Response:
    """One task: what it starts, how its runs went."""
    return await show_task(request, caller, engine, await engine.tasks.get(caller, task_id))


@router.post("/tasks/{task_id}")
async def change(task_id: UUID, request: Request, caller: TaskWriter, engine: EngineDep) -> Response:
    """Save what the form says, unless somebody else changed the task meanwhile."""
    posted, found = read_form(request), await engine.tasks.get(caller, task_id)
    agent = await engine.agents.get(caller, found.recipe.agent)
    form = read_form_of_task(agent, posted)
    try:
        checked_name(form.name)
        recipe = recipe_of(agent, form)
        changes = {name: getattr(recipe, name) for name in recipe.__slots__} | {"name": form.name}
        version = int(form.version) if form.version.isdecimal() else None
        changed = await engine.tasks.change(caller, task_id, changes, version)
    except (Invalid, Conflict) as problem:
        return await show_task(request, caller, engine, found, replace(form, errors=errors_of(problem)), 422)
    is_new = changed.version != found.version
    return go(f"/tasks/{task_id}", f"Version {changed.version} is saved" if is_new else f"{changed.name} is saved")


@router.get("/tasks/{task_id}/run")
async def ask(task_id: UUID, request: Request, caller: RunStarter, engine: EngineDep) -> Response:
    """The parameters to start with."""
    return await show_start(request, caller, await engine.tasks.get(caller, task_id))


@router.post("/tasks/{task_id}/run")
async def run(task_id: UUID, request: Request, caller: RunStarter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Start it, or say what is wrong. The same form sent twice is one run."""
    posted, found = read_form(request), await engine.tasks.get(caller, task_id)
    values = read_values(found, posted)
    try:
        started = await engine.tasks.run(caller, task_id, values, once_id(cursors, caller, posted))
    except (Invalid, NotFound) as problem:
        return await show_start(request, caller, found, values, errors_of(problem))
    return go(f"/runs/{started.id}")


@router.post("/tasks/{task_id}/clone")
async def clone(task_id: UUID, request: Request, caller: TaskWriter, engine: EngineDep) -> Response:
    """Copy it and go to the copy."""
    copy = await engine.tasks.clone(caller, task_id)
    return go(f"/tasks/{copy.id}", f"{copy.name} is saved")


@router.post("/tasks/{task_id}/delete")
async def delete(task_id: UUID, request: Request, caller: TaskWriter, engine: EngineDep) -> Response:
    """Delete it; its runs stay on record."""
    found = await engine.tasks.get(caller, task_id)
    await engine.tasks.delete(caller, task_id)
    return go("/tasks", f"{found.name} is deleted")


async def show_form(request: Request, caller: Caller, agent: Agent, form: TaskForm, status: int = 200) -> Response:
    """The form of a new task."""
    drawn = task_fields(agent, form)
    values = {
        "agent": agent,
        "form": form,
        "fields": drawn,
        "problems": form.problems(drawn),
        "kinds": [str(kind) for kind in Kind],
        "once": once_field(request.state.cursors, caller),
        "title": f"New task for {agent.name}",
    }
    place = Place(
        "Schedules", (("Schedules", "/schedules"), ("Tasks", "/tasks"), ("New", "/tasks/new"), (agent.name, ""))
    )
    return await page(request, caller, "task_new.html", place, values, status)


async def show_task(
    request: Request, caller: Caller, engine: Engine, task: Task, form: TaskForm | None = None, status: int = 200
) -> Response:
    """The page of a task; its form as it is, or as somebody left it."""
    agent = await known_agent(engine, caller, task)
    shown, seen = form or form_of(task), viewer(request)
    drawn = task_fields(agent, shown) if agent else ()
    runs = await engine.runs.newest(caller, RunFilter(task=task.id), limit=SHOWN_RUNS)
    values = {
        "task": task,
        "agent": agent,
        "form": shown,
        "fields": drawn,
        "problems": shown.problems(drawn),
        "kinds": [str(kind) for kind in Kind],
        "facts": facts_of(await engine.history.of_task(caller, task.id)),
        "versions": await engine.tasks.versions(caller, task.id),
        "rows": await load_rows(engine, caller, runs, seen),
        "seen": seen,
        "may_change": may_change(caller, task),
        "may_write": caller.may(Permission.TASKS_WRITE),
        "title": task.name,
    }
    place = Place("Schedules", (("Schedules", "/schedules"), ("Tasks", "/tasks"), (task.name, "")))
    return await page(request, caller, "task.html", place, values, status)


async def show_start(
    request: Request,
    caller: Caller,
    task: Task,
    given: dict[str, object] | None = None,
    errors: tuple[FieldError, ...] = (),
) -> Response:
    """The form that starts a task."""
    drawn = parameter_fields(task, given, errors)
    names = {f"parameters.{each.name}" for each in drawn}
    values = {
        "task": task,
        "fields": drawn,
        "problems": [
            (f"{error.field.removeprefix('parameters.')} {error.message}", f"in-{error.field.rpartition('.')[2]}")
            if error.field in names
            else (f"{error.field} {error.message}", "")
            for error in errors
        ],
        "once": once_field(request.state.cursors, caller),
        "title": f"Start {task.name}",
    }
    place = Place(
        "Schedules", (("Schedules", "/schedules"), ("Tasks", "/tasks"), (task.name, f"/tasks/{task.id}"), ("Start", ""))
    )
    return await page(request, caller, "task_run.html", place, values, 422 if errors else 200)


async def known_agent(engine: Engine, caller: Caller, task: Task) -> Agent | None:
    """The task's agent, while it is there."""
    try:
        return await engine.agents.get(caller, task.recipe.agent)
    except NotFound:
        return None


def facts_of(numbers: Statistics) -> tuple[tuple[str, str], ...]:
    """The statistics in words."""
    rate = numbers.success_rate
    return (
        ("Runs", f"{numbers.runs:,}" if numbers.runs else MISSING),
        ("Finished", MISSING if rate is None else f"{rate:.0%}"),
        ("Usually takes", duration(numbers.took_p50_s)),
        ("9 of 10 within", duration(numbers.took_p90_s)),
        ("Usually costs", money(decimal(numbers.usual_cost_usd))),
        ("In all", money(decimal(numbers.cost_usd))),
    )
