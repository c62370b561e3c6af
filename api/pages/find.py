"""Find or do anything: pages, actions, runs and agents in one list; also the palette's."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.formats import short_id
from api.pages.rendering import local_path, page, part
from api.pages.shell import Place
from api.routes.runs import RunReader
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.permissions import Permission
from windlass.core.runs import RunFilter

router = APIRouter(include_in_schema=False)

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing to go to or to do."""

    name: str
    url: str
    icon: str = ""
    state: str = ""
    note: str = ""
    key: str = ""


PLACES = (
    Hit("Home", "/", "home", key="G H"),
    Hit("Runs", "/runs", "runs", key="G R"),
    Hit("Sessions", "/sessions", "chat", key="G S"),
    Hit("Schedules", "/schedules", "time", key="G C"),
    Hit("Tasks", "/tasks", "tasks"),
    Hit("Desktops", "/desktops", "desktop", key="G D"),
    Hit("Agents", "/agents", "agents", key="G A"),
    Hit("Services", "/services", "services", key="G E"),
    Hit("Audit", "/audit", "audit", key="G L"),
    Hit("Health", "/system", "health", key="G I"),
    Hit("Settings", "/settings", "settings", key="G ,"),
    Hit("Organisation", "/settings/organisation", "settings"),
    Hit("Members and roles", "/settings/members", "people"),
    Hit("API keys", "/settings/keys", "key"),
    Hit("Desktop templates", "/settings/desktops", "desktop"),
    Hit("Skills of desktops", "/settings/skills", "desktop"),
    Hit("API documentation", "/docs", "file"),
)


@router.get("/find")
async def find(request: Request, caller: RunReader, engine: EngineDep) -> Response:
    """The page, or with `part` only the list."""
    text = request.query_params.get("q", "").strip()[:100]
    here = local_path(request.query_params.get("from", "/"))
    sections = await search(engine, caller, text, here)
    values = {"sections": sections, "query": text, "title": "Find"}
    if request.query_params.get("part"):
        return part(request, "parts/found.html", values)
    return await page(request, caller, "find.html", Place("", (("Find", ""),)), values)


async def search(engine: Engine, caller: Caller, text: str, here: str) -> list[tuple[str, list[Hit]]]:
    """What the words lead to, by section."""
    actions = [hit for hit in await here_actions(engine, caller, here) if fits(hit.name, text)]
    places = [hit for hit in PLACES if fits(hit.name, text) and may_open(caller, hit.url)]
    runs = await find_runs(engine, caller, text)
    agents = [
        Hit(
            f"Where {agent.name} runs" if agent.url else f"Start {agent.name}",
            agent.start_page,
            "play",
            note=agent.summary,
        )
        for agent in await engine.agents.catalogue(caller)
        if caller.may(Permission.RUNS_START) and fits(f"start {agent.name} {agent.summary}", text)
    ]
    every = [("Here", actions), ("Go to", places), ("Runs", runs), ("Agents", agents[:SHOWN])]
    return [(name, hits) for name, hits in every if hits]


async def here_actions(engine: Engine, caller: Caller, here: str) -> list[Hit]:
    """What can be done on the page one comes from."""
    start = [Hit("Start run", "/start", "plus", key="N")] if caller.may(Permission.RUNS_START) else []
    run_id = as_run(here.removeprefix("/runs/"))
    if run_id is None:
        return start
    try:
        run = await engine.runs.get(caller, run_id)
    except NotFound:
        return start
    hits = [Hit("Run again with changes", f"/start?from={run.id}", "again")]
    if run.is_live and caller.may(Permission.RUNS_CANCEL):
        hits.append(Hit("Cancel this run", f"/runs/{run.id}/cancel", "stop", key="C"))
    elif not run.is_live and run.status != "finished" and caller.may(Permission.RUNS_START):
        hits.append(Hit("Retry this run", f"/runs/{run.id}/retry", "retry", key="R"))
    return [*hits, *start]


async def find_runs(engine: Engine, caller: Caller, text: str) -> list[Hit]:
    """The run of that id, or the newest whose words fit."""
    run_id = as_run(text)
    if run_id is not None:
        try:
            found = [await engine.runs.get(caller, run_id)]
        except NotFound:
            found = []
    else:
        found = await engine.runs.newest(caller, RunFilter(text=text or None), limit=SHOWN)
    return [
        Hit(run.title, f"/runs/{run.id}", state=str(run.status), note=f"{run.agent} {short_id(run.id)}")
        for run in found
    ]


def fits(name: str, text: str) -> bool:
    """Whether the letters of the text stand in the name in their order."""
    rest = iter(name.casefold())
    return all(letter in rest for letter in text.casefold().replace(" ", ""))


def may_open(caller: Caller, url: str) -> bool:
    """Whether the caller may open a page."""
    needs = {"/audit": Permission.AUDIT_READ, "/services": Permission.SERVICES_READ}
    return url not in needs or caller.may(needs[url])


def as_run(text: str) -> UUID | None:
    """The id in a text, None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


@router.get("/more")
async def more(request: Request, caller: RunReader) -> Response:
    """Every page in one list, for phones."""
    return await page(request, caller, "more.html", Place("More", (("More", ""),)), {"title": "More"})
