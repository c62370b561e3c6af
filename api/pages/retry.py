"""Trying a run again: from what is kept, from a step, from the start, with its inputs or others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.forms import Errors, errors_by_field, fields, problems, read_inputs, rearranged
from api.pages.once import once_field, once_id
from api.pages.rendering import Form, go, page, read_form
from api.pages.rendering import field as text_of
from api.pages.runs import show
from api.pages.shell import Place
from api.routes.runs import RunStarter
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.run_steps import Step
from windlass.core.runs import Run

router = APIRouter(include_in_schema=False)

OTHER = "other"  # the choice to retry with the inputs that are filled in


@dataclass(frozen=True, slots=True)
class Other:
    """Inputs that were filled in instead of the run's own, and what is wrong with them."""

    values: Mapping[str, Any]
    errors: Errors = field(default_factory=dict[str, Sequence[str]])


@router.get("/runs/{run_id}/retry")
async def ask_retry(run_id: UUID, request: Request, caller: RunStarter, engine: EngineDep) -> Response:
    """Choose from where to try again, and with what."""
    return await retry_page(request, caller, engine, await engine.runs.get(caller, run_id))


@router.post("/runs/{run_id}/retry")
async def retry(run_id: UUID, request: Request, caller: RunStarter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Try again, or show the form again with what is wrong. The same form sent twice is one try."""
    form, run = read_form(request), await engine.runs.get(caller, run_id)
    other = await other_inputs(caller, engine, run, form)
    if other is not None and (values := rearranged(other.values, form)) is not None:
        return await retry_page(request, caller, engine, run, Other(values))
    wanted, new_id = text_of(form, "from", 300), once_id(cursors, caller, form)
    inputs = None if other is None else dict(other.values)
    try:
        new = await engine.runs.retry(caller, run_id, wanted or None, inputs, new_id)
    except Invalid as refused:
        errors = errors_by_field(refused.errors) or {"_global_": [refused.detail]}
        return await retry_page(request, caller, engine, run, Other(inputs or run.inputs, errors))
    except Conflict as conflict:
        return await show(request, caller, engine, run_id, ((conflict.detail, ""),))
    return go(f"/runs/{new.id}", f"Try {new.try_} has begun")


async def other_inputs(caller: Caller, engine: Engine, run: Run, form: Form) -> Other | None:
    """What was filled in, if that was chosen and there is an agent to ask for it."""
    agent = await agent_of(caller, engine, run)
    if agent is None or text_of(form, "inputs", 10) != OTHER:
        return None
    return Other(read_inputs(agent.elements, form))


async def agent_of(caller: Caller, engine: Engine, run: Run) -> Agent | None:
    """The agent of a run, if there still is one."""
    try:
        return await engine.agents.of_run(caller, run.agent, run.pin)
    except NotFound:
        return None


async def retry_page(
    request: Request, caller: Caller, engine: Engine, run: Run, other: Other | None = None
) -> Response:
    """The form, as it begins or as it was filled in."""
    agent, errors = await agent_of(caller, engine, run), other.errors if other else None
    drawn = () if agent is None else fields(agent.elements, other.values if other else run.inputs, errors)
    place = Place("Runs", (("Runs", "/runs"), (str(run.id)[-8:], f"/runs/{run.id}"), ("Retry", "")))
    values = {
        "run": run,
        "fields": drawn,
        "is_other": other is not None,
        "wanted": text_of(read_form(request), "from", 300),
        "problems": problems(drawn, errors),
        **broken_at((await engine.runs.steps(caller, [run.id]))[run.id]),
        "once": once_field(request.state.cursors, caller),
        "title": "Retry",
    }
    return await page(request, caller, "retry.html", place, values, 422 if errors else 200)


def broken_at(steps: Sequence[Step]) -> Mapping[str, Any]:
    """The steps one may begin at, where it broke, and what nobody knows the end of."""
    return {
        "steps": [step for step in steps if step.state == "done"],
        "broken": next((step for step in reversed(steps) if step.state in ("failed", "unknown")), None),
        "unknown": [step for step in steps if step.state == "unknown"],
    }
