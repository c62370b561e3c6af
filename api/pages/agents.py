"""The pages of agents: the catalogue, and one agent."""

from dataclasses import dataclass
from itertools import groupby

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.pages.coming import schedules_of
from api.pages.formats import MISSING, counted, duration, money
from api.pages.forms import fields
from api.pages.markdown import markdown
from api.pages.rendering import page, viewer
from api.pages.runs_list import load_rows
from api.pages.saved_agents import show_saved
from api.pages.shell import Place
from api.pages.start import LOOKED_AT, usual
from api.routes.agents import AgentReader
from windlass.core.agents import Agent
from windlass.core.permissions import Permission
from windlass.core.runs import RunFilter
from windlass.core.statistics import Record

router = APIRouter(include_in_schema=False)

SHOWN_RUNS = 10
HIGH = 16.0  # pixels of the highest bar
BAR = 3.0  # pixels from one day to the next


@dataclass(frozen=True, slots=True)
class Figures:
    """How an agent did in the last 30 days; a bar is a day: from the left, from above, how high (pixels)."""

    runs: str
    success: str
    took: str
    cost: str
    bars: tuple[tuple[float, float, float], ...]


@router.get("/agents")
async def catalogue(request: Request, caller: AgentReader, engine: EngineDep) -> Response:
    """All agents, by where they come from."""
    text = request.query_params.get("q", "")[:100]
    found = await engine.agents.catalogue(caller, text or None)
    ordered = sorted(found, key=lambda agent: (agent.service or "", agent.pin is not None, agent.name))
    groups = [(name, list(members)) for name, members in groupby(ordered, key=group_name)]
    now = viewer(request).now
    records = await engine.statistics.of_agents(caller, now) if caller.may(Permission.RUNS_READ) else {}
    figures = {agent.name: figures_of(records.get(agent.name, Record())) for agent in found}
    may_write = caller.may(Permission.AGENTS_WRITE)
    values = {"groups": groups, "figures": figures, "query": text, "may_write": may_write, "title": "Agents"}
    return await page(request, caller, "agents.html", Place("Agents", (("Agents", ""),)), values)


@router.get("/agents/{name:path}")
async def agent(name: str, request: Request, caller: AgentReader, engine: EngineDep) -> Response:
    """One agent: what it does, what it asks for, how its last runs went."""
    found = await engine.agents.get(caller, name)
    if found.pin is not None:
        version = request.query_params.get("version", "")
        wanted = int(version) if version.isdecimal() and len(version) < 10 else None
        return await show_saved(request, caller, engine, await engine.saved_agents.get(caller, name, wanted))
    runs = await engine.runs.newest(caller, RunFilter(agent=found.name), limit=LOOKED_AT)
    values = {
        "agent": found,
        "description": markdown(found.description),
        "fields": fields(found.elements),
        "usual": usual(runs),
        "rows": await load_rows(engine, caller, runs[:SHOWN_RUNS], viewer(request)),
        "schedules": await schedules_of(engine, caller, found.name, viewer(request)),
        "title": found.summary,
    }
    place = Place("Agents", (("Agents", "/agents"), (found.name, "")), main_action=False)
    return await page(request, caller, "agent.html", place, values)


def figures_of(record: Record) -> Figures:
    """How an agent has done, as the catalogue shows it."""
    highest = max(record.days, default=0)
    bars = [
        (round(place * BAR, 1), round(HIGH - HIGH * count / highest, 1), round(HIGH * count / highest, 1))
        for place, count in enumerate(record.days)
        if count
    ]
    return Figures(
        runs=counted(record.ended, "run"),
        success=f"{record.finished / record.ended:.0%} finished" if record.ended else MISSING,
        took=duration(record.took_s),
        cost=money(record.cost_usd),
        bars=tuple(bars),
    )


def group_name(agent: Agent) -> str:
    """Where an agent comes from."""
    if agent.service:
        return f"{agent.service_display} ({agent.service})" if agent.service_display else f"Service {agent.service}"
    return "Saved here" if agent.pin else "Built in"
