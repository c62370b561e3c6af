"""Kodosumi's outputs and timeline: runs, their logs and their ends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Response, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import AuthenticationDep, EngineDep
from api.engine import Engine
from api.routes.compat.kodosumi.words import EVERYTHING, MAIN, PREFIX, STATUSES, STDIO, Telling, error_text, unix
from api.routes.run_changes import ChangesDep
from api.routes.runs import RunDeleter, RunReader
from api.sse import After, EventStream
from windlass.contracts.runs import LIVE, RunStatus
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.questions import QuestionFilter
from windlass.core.run_changes import Look, Mark
from windlass.core.runs import Run, RunFilter
from windlass.values import typed

router = APIRouter(prefix=PREFIX, tags=["compat"])

Json = dict[str, Any]
MOST_LOCKS = 200
MOST_CHANGES = 200
OVERLAP = timedelta(seconds=5)  # a time alone passes over what commits late, so the last of it is told again
PATIENT = "no result, yet. please be patient."


class ExecutionStatus(BaseModel):
    """A run as it stands; `final` is a typed value as JSON text, `locks` the ids of those that are open."""

    status: str
    timestamp: float | None
    final: str | None
    fid: UUID
    summary: str | None
    description: str | None
    tags: Sequence[str]
    deprecated: bool
    author: str | None
    organization: str | None
    version: str | None
    kodosumi_version: str | None
    app_url: str | None
    entry_point: str | None
    username: str | None
    locks: Sequence[UUID]


class TimelineItem(BaseModel):
    """A run in a list."""

    fid: UUID
    tags: Sequence[str]
    summary: str
    inputs: Json
    status: str
    startup: datetime
    finish: datetime | None
    runtime: float
    locks: Sequence[UUID]


class Timeline(BaseModel):
    """Some runs, the newest first; `offset` is the id to go on after."""

    items: Sequence[TimelineItem]
    query: str | None
    offset: UUID | None


class TimelineChanges(BaseModel):
    """Items that may look different than before, the ids of those that left, and when that was so."""

    update: Sequence[TimelineItem]
    delete: Sequence[UUID]
    timestamp: float
    query: str | None


class Executions(Body):
    """Those that are meant."""

    fid: list[UUID] = Field(max_length=1000)


@router.get("/outputs/status/{run_id}")
async def read(run_id: UUID, caller: RunReader, engine: EngineDep) -> ExecutionStatus:
    """How a run is, what came out of it, and what it waits for."""
    run = await engine.runs.get(caller, run_id)
    known = {name: run.meta.get(name) for name in ExecutionStatus.model_fields if name in run.meta}
    return ExecutionStatus.model_validate(
        {
            **dict.fromkeys(ExecutionStatus.model_fields),
            "username": run.created_by_name,
            **known,
            "summary": run.title,
            "tags": run.tags,
            "deprecated": bool(run.meta.get("deprecated")),
            "kodosumi_version": run.meta.get("windlass"),
            "status": STATUSES[run.status],
            "timestamp": unix(run.ended_at or run.started_at or run.created_at),
            "final": await _final(engine, caller, run),
            "fid": run.id,
            "locks": (await _locks(engine, caller, run.id)).get(run.id, ()),
        }
    )


@router.get("/outputs/stream/{run_id}", response_class=EventStream)
async def stream(
    run_id: UUID, after: After, caller: RunReader, engine: EngineDep, known: AuthenticationDep
) -> Response:
    """All that a run tells, to its end: server-sent events."""
    return await _stream(engine, caller, run_id, after, known, EVERYTHING)


@router.get("/outputs/main/{run_id}", response_class=EventStream)
async def main(run_id: UUID, after: After, caller: RunReader, engine: EngineDep, known: AuthenticationDep) -> Response:
    """The same without what it printed."""
    return await _stream(engine, caller, run_id, after, known, MAIN)


@router.get("/outputs/stdio/{run_id}", response_class=EventStream)
async def stdio(run_id: UUID, after: After, caller: RunReader, engine: EngineDep, known: AuthenticationDep) -> Response:
    """What it printed, its errors and its uploads."""
    return await _stream(engine, caller, run_id, after, known, STDIO)


@router.get("/outputs/raw/{run_id}", response_class=JSONResponse)
async def raw(run_id: UUID, caller: RunReader, engine: EngineDep) -> Response:
    """The typed value that it returned."""
    run = await engine.runs.get(caller, run_id)
    text = await _final(engine, caller, run) or _json({"Markdown": {"body": PATIENT}})
    return Response(text, media_type="application/json")


@router.delete("/outputs/{run_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove(run_id: UUID, caller: RunDeleter, engine: EngineDep) -> None:
    """End a run that is live, which then stays in the list; take one that has ended out of it."""
    await _remove(engine, caller, run_id)


@router.delete("/outputs", status_code=status.HTTP_204_NO_CONTENT)
async def remove_all(body: Executions, caller: RunDeleter, engine: EngineDep) -> None:
    """The same with several, in order; the first that is not there ends it."""
    for run_id in body.fid:
        await _remove(engine, caller, run_id)


@router.get("/timeline/list")
async def timeline(
    caller: RunReader,
    engine: EngineDep,
    pp: Annotated[int, Query(ge=1, le=200)] = 10,
    q: Annotated[str | None, Query(max_length=200)] = None,
    offset: UUID | None = None,
) -> Timeline:
    """The newest runs whose words contain `q`, those after `offset`."""
    last = None if offset is None else await engine.runs.get(caller, offset)
    after = None if last is None else (last.created_at, last.id)
    found = await engine.runs.newest(caller, RunFilter(text=q), limit=pp, after=after)
    locks = await _locks(engine, caller)
    items = [_item(run, locks.get(run.id, ())) for run in found]
    return Timeline(items=items, query=q, offset=items[-1].fid if items else None)


@router.get("/timeline/changes")
async def changes(
    caller: RunReader,
    engine: EngineDep,
    changed: ChangesDep,
    since: Annotated[float | None, Query(ge=0, le=32_503_680_000)] = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> TimelineChanges:
    """What lives or has ended since then, and what was deleted; without `since` only the time to ask from next."""
    if since is None:
        return TimelineChanges(update=[], delete=[], timestamp=_asked_next(await changed.now(caller)), query=q)
    told = await changed.since(caller, Mark(Look(datetime.fromtimestamp(since, UTC))), limit=MOST_CHANGES, text=q)
    live = await engine.runs.newest(caller, RunFilter(tuple(LIVE), text=q), limit=MOST_CHANGES)
    runs = sorted({run.id: run for run in (*live, *told.runs)}.values(), key=lambda run: run.created_at, reverse=True)
    locks = await _locks(engine, caller)
    items = [_item(run, locks.get(run.id, ())) for run in runs]
    return TimelineChanges(update=items, delete=told.gone, timestamp=_asked_next(told.mark), query=q)


def _asked_next(mark: Mark) -> float:
    """The time to ask from next."""
    return (mark.place[0] if mark.place else mark.known.at - OVERLAP).timestamp()


async def _stream(
    engine: Engine, caller: Caller, run_id: UUID, after: int, known: AuthenticationDep, kinds: frozenset[str]
) -> Response:
    await engine.runs.get(caller, run_id)
    news = await engine.hub.subscribe(caller.tenant_id, run_id, after)
    telling = Telling(news, partial(engine.artifacts.whole, caller.tenant_id), kinds)
    return EventStream(telling, bytes, lambda: known.still(caller))


async def _remove(engine: Engine, caller: Caller, run_id: UUID) -> None:
    """Cancel what is live, else archive. Raises NotFound, Forbidden."""
    if not (await engine.runs.get(caller, run_id)).is_live:
        await engine.runs.archive(caller, run_id)
        return
    caller.require(Permission.RUNS_CANCEL)
    await engine.runs.cancel(caller, run_id)


async def _final(engine: Engine, caller: Caller, run: Run) -> str | None:
    """What came out, or what went wrong, as JSON text of a typed value; None while neither is known."""
    if run.result is not None:
        return _json(await engine.artifacts.whole(caller.tenant_id, run.result))
    if run.status in (RunStatus.FAILED, RunStatus.CANCELLED):
        return _json({"Text": {"body": error_text(run.error) or run.cancel_reason or STATUSES[run.status]}})
    return None


async def _locks(engine: Engine, caller: Caller, run_id: UUID | None = None) -> dict[UUID, list[UUID]]:
    """The open questions that one may see, by run."""
    if not caller.may(Permission.QUESTIONS_READ):
        return {}
    found: dict[UUID, list[UUID]] = {}
    for each in await engine.questions.oldest(caller, QuestionFilter("open", run_id), limit=MOST_LOCKS):
        if each.run_id is not None:
            found.setdefault(each.run_id, []).append(each.id)
    return found


def _item(run: Run, locks: Sequence[UUID]) -> TimelineItem:
    startup, finish = run.started_at or run.created_at, run.ended_at
    return TimelineItem(
        fid=run.id,
        tags=run.tags,
        summary=run.title,
        inputs=typed(run.inputs),
        status=STATUSES[run.status],
        startup=startup,
        finish=finish,
        runtime=((finish or datetime.now(UTC)) - startup).total_seconds(),
        locks=locks,
    )


def _json(value: Json) -> str:
    return orjson.dumps(value).decode()
