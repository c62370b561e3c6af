"""The pages of runs: the list, one run, and what can be done to it."""

from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.addresses import RunAddress
from api.pages.rendering import DOCK, go, page, viewer
from api.pages.run_loading import Loading
from api.pages.run_page import Choice, Problem, run_page
from api.pages.run_views import Facts
from api.pages.runs_bulk import acts_of
from api.pages.runs_list import ListPage, RunsQuery
from api.pages.runs_saved import ViewsDep, saved_views
from api.pages.shell import Place
from api.pages.values import value
from api.routes.runs import RunCanceller, RunDeleter, RunReader, RunStarter
from windlass.contracts.events import Event
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, NotFound

router = APIRouter(include_in_schema=False)

# HTML of an agent: no scripts, no forms, no way out; shown in a frame without any right.
SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@router.get("/runs")
async def runs(
    request: Request,
    caller: RunReader,
    engine: EngineDep,
    cursors: CursorsDep,
    views: ViewsDep,
    query: Annotated[RunsQuery, Query()],
) -> Response:
    """The list of runs."""
    shown = await ListPage.load(engine, caller, cursors, query, viewer(request))
    place = Place("Runs", (("Runs", ""),), ("runs", "needs"), shown.stream_view, live="live", main_action=True)
    values = {"view": shown, "saved": await saved_views(views, caller, query), "acts": acts_of(caller), "title": "Runs"}
    return await page(request, caller, "runs.html", place, values)


@router.get("/runs/{run_id}")
async def run(run_id: UUID, request: Request, caller: RunReader, engine: EngineDep) -> Response:
    """One run."""
    return await show(request, caller, engine, run_id)


async def show(
    request: Request, caller: Caller, engine: Engine, run_id: UUID, problems: tuple[Problem, ...] = ()
) -> Response:
    """The page of a run, with what went wrong if something did."""
    address = RunAddress.read(run_id, request.query_params)
    loading, seen = Loading(engine, caller), viewer(request)
    facts = await loading.facts(run_id, address)
    log = await loading.log(facts.run, facts.last_seq, seen, address)
    dock = request.cookies.get(DOCK, "")
    choice = Choice(
        dock=int(dock) if dock in ("2", "3", "4", "5", "6", "7") else 4,
        temporal_url=engine.links.workflow(caller.tenant_id, facts.run.id) or "",
        problems=problems,
    )
    view = run_page(facts, log, caller, seen, choice)
    values = {"view": view, "title": facts.run.title}
    return await page(request, caller, "run.html", place_of(facts, address), values, 409 if problems else 200)


def place_of(facts: Facts, address: RunAddress) -> Place:
    """Where a run stands in the console."""
    run = facts.run
    crumbs = (("Runs", "/runs"), (run.agent, f"/agents/{run.agent}"), (str(run.id)[-8:], ""))
    topics = (f"run:{run.id}", "runs", "needs") if run.is_live else ()
    return Place("Runs", crumbs, topics, address.query_string, "live" if run.is_live else "done", facts.last_seq)


@router.get("/runs/{run_id}/events.jsonl")
async def download(run_id: UUID, caller: RunReader, engine: EngineDep) -> Response:
    """The whole log, one event a line."""
    await engine.runs.get(caller, run_id)

    async def lines() -> AsyncGenerator[bytes]:
        after = 0
        while events := await engine.events.read(caller.tenant_id, run_id, after):
            yield b"".join(orjson.dumps(event) + b"\n" for event in events)
            after = events[-1].seq

    name = f"run-{str(run_id)[-8:]}.jsonl"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), headers=headers, media_type="application/jsonl")


@router.get("/runs/{run_id}/html/{seq}")
async def agent_html(run_id: UUID, seq: int, caller: RunReader, engine: EngineDep) -> Response:
    """HTML an agent made, as a document of its own that may do nothing."""
    await engine.runs.get(caller, run_id)
    found: list[Event] = await engine.events.read(caller.tenant_id, run_id, max(0, seq - 1), 1)
    shown = value(found[0].payload) if found and found[0].seq == seq else None
    if shown is None or shown.look != "frame":
        raise NotFound("page of HTML at event", seq)
    headers = {"content-security-policy": SANDBOX, "referrer-policy": "no-referrer"}
    return Response(shown.text, headers=headers, media_type="text/html; charset=utf-8")


@router.get("/runs/{run_id}/cancel")
async def ask_cancel(run_id: UUID, request: Request, caller: RunCanceller, engine: EngineDep) -> Response:
    """Ask whether to cancel (the dialog of the run's page, without JavaScript)."""
    run = await engine.runs.get(caller, run_id)
    place = Place("Runs", (("Runs", "/runs"), (str(run.id)[-8:], f"/runs/{run.id}"), ("Cancel", "")))
    return await page(request, caller, "cancel.html", place, {"run": run, "title": "Cancel"})


@router.post("/runs/{run_id}/cancel")
async def cancel(run_id: UUID, request: Request, caller: RunCanceller, engine: EngineDep) -> Response:
    """Ask for the end of the run."""
    try:
        await engine.runs.cancel(caller, run_id)
    except Conflict as conflict:
        return await show(request, caller, engine, run_id, ((conflict.detail, ""),))
    return go(f"/runs/{run_id}", "It stops within two seconds")


@router.post("/runs/{run_id}/delete")
async def delete(run_id: UUID, caller: RunDeleter, engine: EngineDep) -> Response:
    """Take an ended run out of the lists."""
    await engine.runs.archive(caller, run_id)
    return go("/runs", "Deleted from the lists")


@router.post("/seen")
async def mark_seen(caller: RunStarter, engine: EngineDep) -> Response:
    """Put the failures on the home page aside."""
    await engine.runs.mark_seen(caller)
    return go("/")
