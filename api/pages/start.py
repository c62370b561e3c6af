"""The start form: what the agent asks for, and what a run of it usually takes."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.formats import MISSING, duration, money
from api.pages.forms import buttons, errors_by_field, fields, problems, rearranged
from api.pages.once import once_field, once_id
from api.pages.rendering import field, go, page, part, read_form, viewer
from api.pages.shell import Place
from api.pages.spans import decimal
from api.pages.start_form import Filled, as_id, checked, own_fields, read_filled, recipe, timing_of, wish
from api.pages.task_forms import checked_name
from api.pages.typed import to_json
from api.routes.runs import RunStarter
from windlass.contracts.runs import RunStatus
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid
from windlass.core.masks import covered
from windlass.core.permissions import Permission
from windlass.core.runs import Run, RunFilter
from windlass.core.schedules import NewSchedule

router = APIRouter(include_in_schema=False)

LOOKED_AT = 20  # runs
ONCE_SCHEDULE = "once-schedule"


@dataclass(frozen=True, slots=True)
class Usual:
    """What a run of an agent usually takes: the middle of its last finished runs."""

    runs: str
    took: str
    cost: str
    finished: str


@router.get("/start")
async def choose(request: Request, caller: RunStarter, engine: EngineDep) -> Response:
    """The form of the agent that the address names, or of the run to be repeated; else the agents to choose from.

    One that others run is not started here: its page says where.
    """
    query = request.query_params
    if again := query.get("from"):
        run = await engine.runs.get(caller, as_id(again))
        agent = await engine.agents.get(caller, run.agent)
        if agent.url:
            return go(agent.start_page)
        facts = (run.title, ", ".join(run.tags), str(run.max_attempts), str(run.timeout_s or ""))
        filled = Filled(run.inputs, *facts, copied_from=str(run.id))
        return await form_page(request, caller, engine, agent, filled)
    if name := query.get("agent"):
        agent = await engine.agents.get(caller, name)
        return go(agent.start_page) if agent.url else await form_page(request, caller, engine, agent, Filled())
    agents = await engine.agents.catalogue(caller)
    if len(agents) == 1:
        return await form_page(request, caller, engine, agents[0], Filled())
    place = Place("Runs", (("Runs", "/runs"), ("Start", "")))
    return await page(request, caller, "choose.html", place, {"agents": agents, "title": "Start a run"})


@router.post("/start")
async def start(request: Request, caller: RunStarter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Start the run, now or later, or show the form again with what is wrong. The same form sent twice is one run."""
    form, seen = read_form(request), viewer(request)
    agent = await engine.agents.get(caller, field(form, "agent", 200))
    if agent.url:
        return go(agent.start_page)
    filled = read_filled(agent, form)
    if (values := rearranged(filled.values or {}, form)) is not None:
        return await form_page(request, caller, engine, agent, replace(filled, values=values))
    if filled.is_draft:  # nothing is sent off: what was kept in the browser, drawn again
        return await form_page(request, caller, engine, agent, filled)
    filled = checked(agent, filled, seen.zone.key, seen.now)
    if filled.is_wrong:
        return await form_page(request, caller, engine, agent, filled, 422)
    try:
        if filled.at:
            return await start_later(request, caller, engine, agent, filled)
        run = await engine.runs.start(caller, replace(wish(agent, filled), id=once_id(cursors, caller, form)))
    except Invalid as problem:
        errors = errors_by_field(problem.errors) or {"_global_": [problem.detail]}
        return await form_page(request, caller, engine, agent, replace(filled, errors=errors), 422)
    except Conflict as taken:
        refused = replace(filled, own={"title": (f"is taken: {taken.detail}",)})
        return await form_page(request, caller, engine, agent, refused, 422)
    return go(f"/runs/{run.id}")


async def start_later(request: Request, caller: Caller, engine: Engine, agent: Agent, filled: Filled) -> Response:
    """Save it as a task, and a schedule over it that fires once: what the pages of both do. Raises Invalid, Conflict.

    The second time, also after a death between the two, the task and the schedule are the same ones.
    """
    caller.require(Permission.TASKS_WRITE)
    caller.require(Permission.SCHEDULES_WRITE)
    form, seen, cursors = read_form(request), viewer(request), request.state.cursors
    at = timing_of(filled, seen.zone.key, seen.now).next_after(seen.now)
    name = checked_name((filled.title or f"{agent.summary}, {seen.when(at)}")[:100])
    task = await engine.tasks.create(caller, name, recipe(agent, filled), once_id(cursors, caller, form))
    when = {"at": filled.at, "time_zone": seen.zone.key}
    made = await engine.schedules.create(
        caller, NewSchedule(name, task.id, when, id=once_id(cursors, caller, form, ONCE_SCHEDULE))
    )
    return go(f"/schedules/{made.id}", f"It starts {seen.when(at)}")


@router.post("/ui/start/check")
async def check(request: Request, caller: RunStarter, engine: EngineDep) -> Response:
    """What is wrong with one field, by the rules of the start; nothing is started."""
    form, seen = read_form(request), viewer(request)
    agent = await engine.agents.get(caller, field(form, "agent", 200))
    filled = checked(agent, read_filled(agent, form), seen.zone.key, seen.now)
    drawn = (*fields(agent.elements, filled.values, filled.errors), *own_fields(agent, filled, caller))
    every = [*drawn, *(inner for each in drawn for inner in each.inner)]
    left = next((each for each in every if each.sent_as == field(form, "check", 300)), None)
    return part(request, "parts/wrong.html", {"it": left})


async def form_page(
    request: Request, caller: Caller, engine: Engine, agent: Agent, filled: Filled, status: int = 200
) -> Response:
    """The form, beside what the agent usually takes and the same call for a terminal."""
    runs = await engine.runs.newest(caller, RunFilter(agent=agent.name), limit=LOOKED_AT)
    drawn, own = fields(agent.elements, filled.values, filled.errors), own_fields(agent, filled, caller)
    cursors = request.state.cursors
    last = next((run for run in runs if run.created_by == caller.person_id), None)
    values = {
        "agent": agent,
        "fields": drawn,
        "own": own,
        "filled": filled,
        "problems": problems(drawn, filled.errors) + problems(own, None),
        "buttons": buttons(agent.elements, "Start run"),
        "last": last if filled.values is None else None,
        "once": once_field(cursors, caller) + once_field(cursors, caller, ONCE_SCHEDULE),
        "draft": f"{caller.tenant_id}.{caller.person_id}/{agent.name}/{filled.copied_from}",
        "is_fresh": request.method == "GET",
        "usual": usual(runs),
        "curl": curl(request, agent, filled),
        "command": command(agent, filled),
        "title": f"Start {agent.summary}",
    }
    place = Place("Runs", (("Runs", "/runs"), ("Start", "/start"), (agent.name, "")))
    return await page(request, caller, "start.html", place, values, status)


def usual(runs: Sequence[Run]) -> Usual:
    """The middle of what the last runs took."""
    ended = [run for run in runs if not run.is_live]
    done = [run for run in ended if run.status == RunStatus.FINISHED]
    times = [(run.ended_at - run.started_at).total_seconds() for run in done if run.ended_at and run.started_at]
    costs = [cost for run in done if (cost := decimal(run.cost_usd)) is not None]
    return Usual(
        runs=str(len(ended)),
        took=duration(median(times)) if times else MISSING,
        cost=money(median(costs)) if costs else MISSING,
        finished=f"{len(done)} of {len(ended)}" if ended else MISSING,
    )


def example(agent: Agent, filled: Filled) -> dict[str, Any]:
    """The inputs to show in a command: what is filled in, else what the form begins with."""
    named = [each for each in agent.elements if each.get("name")]
    own = {str(each["name"]): each.get("value") or ("\u2026" if each.get("required") else "") for each in named}
    given = covered(agent.elements, own | dict(filled.values or {}))
    return {name: value for name, value in given.items() if value not in ("", None)}


def curl(request: Request, agent: Agent, filled: Filled) -> str:
    """The same start as a call of the API."""
    body = to_json({"agent": agent.name, "inputs": example(agent, filled)})
    lines = (
        f"curl {request.url.scheme}://{request.url.netloc}/v1/runs",
        '-H "Authorization: Bearer $WINDLASS_API_KEY"',
        '-H "Content-Type: application/json"',
        f"-d {shlex.quote(body)}",
    )
    return " \\\n  ".join(lines)


def command(agent: Agent, filled: Filled) -> str:
    """The same start as a command."""
    pairs = " ".join(shlex.quote(f"{name}={value}") for name, value in example(agent, filled).items())
    return f"windlass run start {agent.name} {pairs} --watch".replace("  ", " ")
