"""The pages of saved agents: save one, change it, look at its versions, delete it."""

from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.agent_forms import (
    AgentForm,
    changes_of,
    difference,
    errors_of,
    form_of,
    read_agent_form,
    with_another_row,
    with_used,
)
from api.pages.coming import schedules_of
from api.pages.once import once_field, once_id
from api.pages.rendering import go, page, read_form, viewer
from api.pages.runs_list import load_rows
from api.pages.shell import Place
from api.pages.start import LOOKED_AT, usual
from api.routes.agents import AgentWriter
from windlass.contracts.agents import TOOLS, Profile
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, Invalid
from windlass.core.permissions import Permission
from windlass.core.runs import RunFilter
from windlass.core.saved_agents import SavedAgent

router = APIRouter(include_in_schema=False)

SHOWN_RUNS = 10


@router.get("/agents/new")
async def new(request: Request, caller: AgentWriter, engine: EngineDep) -> Response:
    """The empty form."""
    return await show_new(request, caller, AgentForm(known=await known_servers(engine, caller)))


@router.post("/agents/new")
async def create(request: Request, caller: AgentWriter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Save an agent, or show the form again with what is wrong. The same form sent twice is one agent."""
    posted = read_form(request)
    form = read_agent_form(posted, await known_servers(engine, caller))
    if (longer := with_another_row(form, posted)) is not None:
        return await show_new(request, caller, longer)
    try:
        profile = Profile(**changes_of(form))
        saved = await engine.saved_agents.create(caller, form.name, profile, once_id(cursors, caller, posted))
    except (Invalid, Conflict) as problem:
        return await show_new(request, caller, replace(form, errors=errors_of(problem)), 422)
    return go(f"/agents/{saved.name}", f"{saved.name} is saved")


@router.post("/agents/{name}")
async def change(name: str, request: Request, caller: AgentWriter, engine: EngineDep) -> Response:
    """Save what the form says as a new version, unless somebody else changed the agent meanwhile."""
    posted, found = read_form(request), await engine.saved_agents.get(caller, name)
    form = read_agent_form(posted, with_used(await known_servers(engine, caller), found.profile))
    if (longer := with_another_row(form, posted)) is not None:
        return await show_saved(request, caller, engine, found, longer)
    version = int(form.version) if form.version.isdecimal() else None
    try:
        changed = await engine.saved_agents.change(caller, name, changes_of(form), version)
    except (Invalid, Conflict) as problem:
        return await show_saved(request, caller, engine, found, replace(form, errors=errors_of(problem)), 422)
    is_new = changed.version != found.version
    return go(f"/agents/{name}", f"Version {changed.version} is saved" if is_new else "Nothing was changed")


@router.post("/agents/{name}/delete")
async def delete(name: str, caller: AgentWriter, engine: EngineDep) -> Response:
    """Delete it; its runs stay on record."""
    await engine.saved_agents.delete(caller, name)
    return go("/agents", f"{name} is deleted")


async def known_servers(engine: Engine, caller: Caller) -> tuple[str, ...]:
    """The MCP servers to choose from."""
    if not caller.may(Permission.SERVERS_READ):
        return ()
    return tuple(server.name for server in await engine.servers.catalogue(caller))


async def show_new(request: Request, caller: Caller, form: AgentForm, status: int = 200) -> Response:
    """The form of a new agent."""
    values = {
        "form": form,
        "all_tools": TOOLS,
        "once": once_field(request.state.cursors, caller),
        "title": "New agent",
    }
    place = Place("Agents", (("Agents", "/agents"), ("New", "")))
    return await page(request, caller, "agent_new.html", place, values, status)


async def show_saved(
    request: Request,
    caller: Caller,
    engine: Engine,
    agent: SavedAgent,
    form: AgentForm | None = None,
    status: int = 200,
) -> Response:
    """The page of a saved agent; its form as it is, as it was in a version, or as somebody left it."""
    runs = await engine.runs.newest(caller, RunFilter(agent=agent.name), limit=LOOKED_AT)
    values = {
        "agent": agent,
        "form": form or form_of(agent, await known_servers(engine, caller)),
        "all_tools": TOOLS,
        "changed": await changed_lines(engine, caller, agent),
        "versions": await engine.saved_agents.versions(caller, agent.name),
        "usual": usual(runs),
        "rows": await load_rows(engine, caller, runs[:SHOWN_RUNS], viewer(request)),
        "schedules": await schedules_of(engine, caller, agent.name, viewer(request)),
        "seen": viewer(request),
        "may_open": caller.may(Permission.SESSIONS_WRITE),
        "may_write": caller.may(Permission.AGENTS_WRITE) and agent.version == agent.newest,
        "title": agent.name,
    }
    place = Place("Agents", (("Agents", "/agents"), (agent.name, "")))
    return await page(request, caller, "agent_saved.html", place, values, status)


async def changed_lines(engine: Engine, caller: Caller, agent: SavedAgent) -> Sequence[tuple[str, str]]:
    """What this version changed, when it is not the first."""
    if agent.version == 1:
        return ()
    before = await engine.saved_agents.get(caller, agent.name, agent.version - 1)
    return difference(before.profile, agent.profile)
