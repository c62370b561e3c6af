"""Kodosumi's dashboard: what its panel shows of executions, as its pages ask for it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from api.dependencies import EngineDep
from api.routes.compat.kodosumi.words import KINDS, PREFIX, STATUSES, error_text, payload_of, unix
from api.routes.files import FileReader
from api.routes.runs import RunReader
from windlass.contracts.events import EventKind
from windlass.contracts.files import IN, MOST_FILES
from windlass.contracts.runs import RunStatus
from windlass.core.artifacts import behind, preview_of
from windlass.core.files import FileQuery, RunFile
from windlass.core.run_tallies import FileCounts, RunTallies
from windlass.core.runs import Run, RunFilter
from windlass.values import typed

router = APIRouter(prefix=f"{PREFIX}/api/dashboard", tags=["compat"])

Json = dict[str, Any]
MOST, EVENTS = 200, 500
UNFOLDED_BYTES = 4 << 20  # of large values in one answer
Hours = Annotated[int, Query(ge=1, le=744)]
Words = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=MOST)]


class Execution(BaseModel):
    """A run in the panel's tables; times are seconds since 1970."""

    fid: UUID
    user_id: UUID | None
    user_name: str
    agent_name: str
    status: str
    meta: Json
    error: str | None
    error_timestamp: float | None
    start_time: float
    end_time: float | None
    runtime: float
    upload_count: int
    download_count: int


class Agents(BaseModel):
    """Executions of the last hours, the newest first; `total` counts those that are listed."""

    total: int
    agents: Sequence[Execution]
    filters: Json


class Failure(BaseModel):
    """What went wrong in a run."""

    fid: UUID
    user_id: UUID | None
    timestamp: float | None
    error: Json


class Failures(BaseModel):
    """Failures of the last hours, the newest first; `total` counts those that are listed."""

    total: int
    errors: Sequence[Failure]


class Timeline(BaseModel):
    """Executions of the last hours, the oldest first; `total` counts those that are listed."""

    total: int
    executions: Sequence[Execution]


class Stats(BaseModel):
    """All runs in the lists."""

    total_executions: int
    by_status: dict[str, int]
    by_user: dict[str, int]
    avg_runtime: float
    error_rate: float


class Event(BaseModel):
    """One line of a log."""

    id: int
    timestamp: float
    kind: str
    message: str


class Details(BaseModel):
    """A run and the first 500 lines of its log; `total_events` counts those that are listed."""

    metadata: Execution
    events: Sequence[Event]
    total_events: int


class File(BaseModel):
    """A file of a run."""

    name: str
    size: int
    path: str
    url: str


class ExecutionFiles(BaseModel):
    """What a run was given and what it left."""

    fid: UUID
    uploads: Sequence[File]
    downloads: Sequence[File]
    upload_count: int
    download_count: int


def get_tallies(request: Request) -> RunTallies:
    """The counts of runs, on this process's database."""
    return request.state.engine.tallies


TalliesDep = Annotated[RunTallies, Depends(get_tallies)]


class Filters(BaseModel):
    """What the panel narrows its table by."""

    hours: Hours = 24
    agent_name: Words = None
    user: UUID | None = None
    status: Words = None
    search: Words = None
    limit: Limit = 100

    def wanted(self) -> RunFilter:
        """The same as the core asks for it; of two texts the database looks for one."""
        since = datetime.now(UTC) - timedelta(hours=self.hours)
        text = self.search or self.agent_name
        return RunFilter(statuses(self.status), text=text, since=since, created_by=self.user)

    def fits(self, run: Run) -> bool:
        """Whether the agent is called so."""
        return self.agent_name is None or self.agent_name.lower() in f"{run.title} {run.agent}".lower()


@router.get("/running-agents")
async def running_agents(
    query: Annotated[Filters, Query()], caller: RunReader, engine: EngineDep, tallies: TalliesDep
) -> Agents:
    """The executions of the last hours, the newest first, narrowed by what their words contain."""
    known = query.status is None or statuses(query.status)
    found = await engine.runs.newest(caller, query.wanted(), limit=query.limit) if known else []
    runs = [run for run in found if query.fits(run)]
    counts = await tallies.files(caller, [run.id for run in runs])
    filters = query.model_dump(mode="json", exclude={"limit"})
    return Agents(total=len(runs), agents=[execution(run, counts) for run in runs], filters=filters)


@router.get("/errors")
async def errors(caller: RunReader, engine: EngineDep, hours: Hours = 24, limit: Limit = 100) -> Failures:
    """What went wrong in the executions of the last hours."""
    wanted = RunFilter((RunStatus.FAILED,), since=datetime.now(UTC) - timedelta(hours=hours))
    runs = await engine.runs.newest(caller, wanted, limit=limit)
    told = [
        Failure(fid=run.id, user_id=run.created_by, timestamp=unix(run.ended_at), error=run.error or {})
        for run in sorted(runs, key=ended_at, reverse=True)
    ]
    return Failures(total=len(told), errors=told)


@router.get("/timeline")
async def timeline(
    caller: RunReader, engine: EngineDep, tallies: TalliesDep, hours: Hours = 24, limit: Limit = MOST
) -> Timeline:
    """The newest executions of the last hours, the oldest of them first."""
    wanted = RunFilter(since=datetime.now(UTC) - timedelta(hours=hours))
    runs = await engine.runs.newest(caller, wanted, limit=limit)
    counts = await tallies.files(caller, [run.id for run in runs])
    told = [execution(run, counts) for run in reversed(runs)]
    return Timeline(total=len(told), executions=told)


@router.get("/agent-stats")
async def agent_stats(caller: RunReader, tallies: TalliesDep) -> Stats:
    """How all runs in the lists stand, who made them, and how long they took."""
    found = await tallies.of_all(caller)
    total, timed = sum(each.count for each in found), sum(each.timed for each in found)
    failed = sum(each.count for each in found if each.status == RunStatus.FAILED)
    return Stats(
        total_executions=total,
        by_status=_summed((STATUSES[each.status], each.count) for each in found),
        by_user=_summed((str(each.created_by or ""), each.count) for each in found),
        avg_runtime=sum(each.ran_s for each in found) / timed if timed else 0,
        error_rate=failed / total if total else 0,
    )


@router.get("/execution/{run_id}/details")
async def details(run_id: UUID, caller: RunReader, engine: EngineDep, tallies: TalliesDep) -> Details:
    """One run, and its log in Kodosumi's words; what is large beyond 4 MiB in all comes by its beginning."""
    run = await engine.runs.get(caller, run_id)
    kinds = [kind for kind in EventKind if kind in KINDS]
    unfold, left = partial(engine.artifacts.whole, caller.tenant_id), UNFOLDED_BYTES
    told: list[Event] = []
    for each in await engine.events.read(caller.tenant_id, run_id, 0, EVENTS, kinds):
        left -= behind(each.payload)
        message = payload_of(each.kind, await unfold(each.payload)) if left >= 0 else beginning(each.kind, each.payload)
        if message is not None:
            told.append(Event(id=each.seq, timestamp=each.at.timestamp(), kind=KINDS[each.kind], message=message))
    metadata = execution(run, await tallies.files(caller, [run_id]))
    return Details(metadata=metadata, events=told, total_events=len(told))


def beginning(kind: str, payload: Json) -> str | None:
    """An event with the beginnings of what is behind its references."""
    shown = preview_of(payload)
    return shown if isinstance(shown, str) else payload_of(kind, {name: preview_of(shown[name]) for name in shown})


@router.get("/execution/{run_id}/files")
async def files(run_id: UUID, caller: FileReader, engine: EngineDep) -> ExecutionFiles:
    """The files that a run was given, and those that it left."""
    found = await engine.files.list(caller, run_id, FileQuery(limit=MOST_FILES))
    told = [(file.path.startswith(f"{IN}/"), _file(run_id, file)) for file in found]
    given, left = ([file for is_given, file in told if is_given is wanted] for wanted in (True, False))
    return ExecutionFiles(fid=run_id, uploads=given, downloads=left, upload_count=len(given), download_count=len(left))


def statuses(word: str | None) -> tuple[RunStatus, ...]:
    """The states that Kodosumi calls so."""
    return tuple(status for status, told in STATUSES.items() if word and told == word.lower())


def execution(run: Run, counts: Mapping[UUID, FileCounts]) -> Execution:
    """A run as the panel's tables show it."""
    began, files = run.started_at or run.created_at, counts.get(run.id, FileCounts())
    return Execution(
        fid=run.id,
        user_id=run.created_by,
        user_name=run.created_by_name,
        agent_name=run.title,
        status=STATUSES[run.status],
        meta=typed(run.meta),
        error=error_text(run.error) or None,
        error_timestamp=unix(run.ended_at) if run.error else None,
        start_time=began.timestamp(),
        end_time=unix(run.ended_at),
        runtime=((run.ended_at or datetime.now(UTC)) - began).total_seconds(),
        upload_count=files.given,
        download_count=files.left,
    )


def ended_at(run: Run) -> datetime:
    """When a run ended, to sort by."""
    return run.ended_at or run.created_at


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for name, count in pairs:
        summed[name] = summed.get(name, 0) + count
    return summed


def _file(run_id: UUID, file: RunFile) -> File:
    return File(name=file.name, size=file.size_bytes, path=file.path, url=f"{PREFIX}/files/{run_id}/{file.path}")
