"""The start form: what the agent asks for, and what a run of it usually takes."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.formats import MISSING, duration, money
from api.pages.forms import buttons, errors_by_field, fields, problems, read_inputs, rearranged
from api.pages.once import once_field, once_id
from api.pages.rendering import Form, field, go, page, read_form
from api.pages.shell import Place
from api.pages.spans import decimal
from api.pages.typed import to_json
from api.routes.runs import RunStarter
from windlass.contracts.runs import RunStatus
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import Invalid
from windlass.core.runs import Run, RunFilter, StartRun

router = APIRouter(include_in_schema=False)

LOOKED_AT = 20  # runs
MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Usual:
    """What a run of an agent usually takes: the middle of its last finished runs."""

    runs: str
    took: str
    cost: str
    finished: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as somebody left it: values (None: untouched), and what is wrong with them."""

    values: Mapping[str, Any] | None = None
    title: str = ""
    tags: str = ""
    attempts: str = "1"
    errors: Mapping[str, Sequence[str]] | None = None


@router.get("/start")
async def choose(request: Request, caller: RunStarter, engine: EngineDep) -> Response:
    """The form of the agent that the address names, or of the run to be repeated; else the agents to choose from."""
    query = request.query_params
    if again := query.get("from"):
        run = await engine.runs.get(caller, as_id(again))
        agent = await engine.agents.get(caller, run.agent)
        filled = Filled(run.inputs, run.title, ", ".join(run.tags), str(run.max_attempts))
        return await form_page(request, caller, engine, agent, filled)
    if name := query.get("agent"):
        return await form_page(request, caller, engine, await engine.agents.get(caller, name), Filled())
    agents = await engine.agents.catalogue(caller)
    if len(agents) == 1:
        return await form_page(request, caller, engine, agents[0], Filled())
    place = Place("Runs", (("Runs", "/runs"), ("Start", "")))
    return await page(request, caller, "choose.html", place, {"agents": agents, "title": "Start a run"})


@router.post("/start")
async def start(request: Request, caller: RunStarter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Start the run, or show the form again with what is wrong. The same form sent twice is one run."""
    form = read_form(request)
    agent = await engine.agents.get(caller, field(form, "agent", 200))
    filled = read_filled(agent, form)
    if (values := rearranged(filled.values or {}, form)) is not None:
        return await form_page(request, caller, engine, agent, replace(filled, values=values))
    try:
        run = await engine.runs.start(caller, replace(wish(agent, filled), id=once_id(cursors, caller, form)))
    except Invalid as problem:
        errors = errors_by_field(problem.errors)
        return await form_page(request, caller, engine, agent, replace(filled, errors=errors), 422)
    return go(f"/runs/{run.id}")


def read_filled(agent: Agent, form: Form) -> Filled:
    """The posted form."""
    return Filled(
        read_inputs(agent.elements, form),
        field(form, "title", 200),
        field(form, "tags", 500),
        field(form, "attempts", 4),
    )


def wish(agent: Agent, filled: Filled) -> StartRun:
    """The run that the form asks for. Raises Invalid."""
    tags = tuple(dict.fromkeys(tag.strip() for tag in filled.tags.split(",") if tag.strip()))[:20]
    attempts = int(filled.attempts) if filled.attempts.isdecimal() else 1
    return StartRun(
        agent=agent.name,
        inputs=dict(filled.values or {}),
        title=filled.title or None,
        tags=tags,
        max_attempts=min(max(attempts, 1), MOST_ATTEMPTS),
    )


async def form_page(
    request: Request, caller: Caller, engine: Engine, agent: Agent, filled: Filled, status: int = 200
) -> Response:
    """The form, beside what the agent usually takes and the same call for a terminal."""
    runs = await engine.runs.newest(caller, RunFilter(agent=agent.name), limit=LOOKED_AT)
    drawn = fields(agent.elements, filled.values, filled.errors)
    last = next((run for run in runs if run.created_by == caller.person_id), None)
    values = {
        "agent": agent,
        "fields": drawn,
        "filled": filled,
        "problems": problems(drawn, filled.errors),
        "buttons": buttons(agent.elements, "Start run"),
        "last": last if filled.values is None else None,
        "once": once_field(request.state.cursors, caller),
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
    return {name: value for name, value in (own | dict(filled.values or {})).items() if value not in ("", None)}


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


def as_id(text: str) -> UUID:
    """The id in an address; what is none leads nowhere."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
