"""Runs: start, list, read, follow, cancel, try again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field

from api.bodies import AwareMoment, Body
from api.dependencies import AuthenticationDep, CursorsDep, EngineDep, RequestUuid, requires
from api.engine import Engine
from api.paging import ListQuery, PageOf, place_in_time, place_of
from api.sse import After, EventStream, stream_response
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.permissions import Permission
from windlass.core.runs import Run, RunFilter, StartRun
from windlass.core.statistics import RunStatistics

router = APIRouter(prefix="/v1/runs", tags=["runs"])

RunReader = Annotated[Caller, Depends(requires(Permission.RUNS_READ))]
RunStarter = Annotated[Caller, Depends(requires(Permission.RUNS_START))]
RunCanceller = Annotated[Caller, Depends(requires(Permission.RUNS_CANCEL))]
RunDeleter = Annotated[Caller, Depends(requires(Permission.RUNS_DELETE))]

DAY = timedelta(days=1)
BACKOFF_MAX_S = 3600
Tag = Annotated[str, Field(min_length=1, max_length=100)]
STDIO = (EventKind.STDOUT, EventKind.STDERR, EventKind.DEBUG, EventKind.UPLOAD)
VIEWS: Mapping[str, Sequence[EventKind]] = {
    "main": [kind for kind in EventKind if kind not in STDIO],
    "stdio": [EventKind.ERROR, *STDIO],
}
View = Literal["main", "stdio"]


class StartBody(Body):
    """What to run, with what."""

    agent: str = Field(min_length=1, max_length=200, examples=["claude"])
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    title: str | None = Field(None, min_length=1, max_length=200)
    tags: list[Tag] = Field(default_factory=list[str], max_length=20)
    timeout_s: int | None = Field(None, ge=1, le=31_536_000)
    max_attempts: int = Field(1, ge=1, le=100)
    backoff_s: int = Field(1, ge=1, le=BACKOFF_MAX_S, description="The pause before the second attempt; then doubled.")
    extra: dict[str, Any] = Field(default_factory=dict[str, Any])


class CancelBody(Body):
    """Why a run should end."""

    reason: str | None = Field(None, max_length=500)


class RetryBody(Body):
    """From where to try again: a step by key or name, or `start`; without it, from what is kept."""

    from_: str | None = Field(None, alias="from", max_length=300)
    inputs: dict[str, Any] | None = None


class Usage(BaseModel):
    """What the models of a run used; an unknown cost is null."""

    model_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None


class RunView(BaseModel):
    """A run as it stands."""

    id: UUID
    agent: str
    agent_version: int | None = Field(description="The version of a saved agent that it is made of.")
    title: str
    tags: Sequence[str]
    status: RunStatus
    inputs: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    max_attempts: int
    backoff_s: int
    timeout_s: int | None
    root_id: UUID
    retry_of: UUID | None
    try_: int = Field(serialization_alias="try")
    steps_kept: int
    usage: Usage
    standin: bool = Field(description="A scripted stand-in answered instead of the model provider.")
    temporal_url: str | None


class TaskOfRun(BaseModel):
    """The task a run was made of, as it was then."""

    task_id: UUID
    task_name: str
    version: int
    parameters: dict[str, Any]


class RunDetail(RunView):
    """A run, and the task it was made of."""

    task: TaskOfRun | None


class EventView(BaseModel):
    """One line of the log."""

    seq: int
    at: datetime
    kind: str
    payload: dict[str, Any]


class EventsPage(BaseModel):
    """Events in order; `next` is the seq to go on after, null when there is nothing more yet."""

    items: Sequence[EventView]
    next: int | None


class ResultView(BaseModel):
    """How a run ended: `value` is typed, one key naming the type."""

    run_id: UUID
    status: RunStatus
    value: dict[str, Any] | None
    error: dict[str, Any] | None


class RunQuery(ListQuery):
    """Which runs; every filter is optional."""

    status: list[RunStatus] = Field(default_factory=list[RunStatus])
    agent: str | None = Field(None, max_length=200)
    tag: str | None = Field(None, max_length=100)
    q: str | None = Field(None, max_length=200)
    since: datetime | None = None
    until: datetime | None = None
    task: UUID | None = Field(None, description="Runs made of this task.")
    mine: bool = Field(False, description="Runs that the caller started.")
    waiting: bool = Field(False, description="Runs with an open question, whatever else they do.")
    cost_above_usd: Decimal | None = Field(None, ge=0, le=1_000_000)

    def wanted(self, caller: Caller) -> RunFilter:
        """The same as the core asks for it."""
        return RunFilter(
            tuple(self.status), self.agent, self.tag, self.q, self.since, self.until,
            task=self.task,
            created_by=caller.person_id if self.mine else None,
            above_usd=self.cost_above_usd,
            is_asking=self.waiting,
        )  # fmt: skip


class EventsQuery(BaseModel):
    """Which events: after a seq, of some kinds (by commas) or of a view."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(0, ge=0, le=2**62)
    limit: int = Field(500, ge=1, le=500)
    kinds: str | None = Field(None, max_length=500)
    view: View | None = None

    def wanted(self) -> Sequence[EventKind] | None:
        """The kinds asked for; None means all."""
        if self.view:
            return VIEWS[self.view]
        return None if self.kinds is None else [kind for kind in EventKind if kind in self.kinds.split(",")]


class StatisticsQuery(BaseModel):
    """From when until when; at most 31 days, without an end until now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: AwareMoment | None = Field(None, description="The last 24 hours when it is left out.")
    until: AwareMoment | None = None

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """The same, filled up; a time that goes on until now includes what happens this moment."""
        until = self.until or now + timedelta(minutes=1)
        return self.since or (self.until or now) - DAY, until


class TallyView(BaseModel):
    """Runs that ended, by how; those that still live; and what all of them used. An unknown cost is null."""

    model_config = ConfigDict(from_attributes=True)

    finished: int
    failed: int
    cancelled: int
    live: int
    model_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class HourView(BaseModel):
    """The runs of the hour that begins at `hour`."""

    model_config = ConfigDict(from_attributes=True)

    hour: datetime
    tally: TallyView


class AgentView(BaseModel):
    """The runs of one agent."""

    model_config = ConfigDict(from_attributes=True)

    agent: str
    tally: TallyView


class StatisticsView(BaseModel):
    """Hours without a run are left out; agents come by cost, the dearest first, at most 200."""

    model_config = ConfigDict(from_attributes=True)

    since: datetime
    until: datetime
    total: TallyView
    hours: Sequence[HourView]
    agents: Sequence[AgentView]


@router.post("", status_code=status.HTTP_202_ACCEPTED)
async def start(body: StartBody, caller: RunStarter, engine: EngineDep, new: RequestUuid) -> RunView:
    """Queue a run and return at once; it exists from now on, whatever crashes."""
    wish = body.model_dump(exclude={"tags"})
    run = await engine.runs.start(caller, StartRun(**wish, tags=tuple(body.tags), id=new))
    return view_run(run, caller, engine)


@router.get("")
async def newest(
    query: Annotated[RunQuery, Query()], caller: RunReader, engine: EngineDep, cursors: CursorsDep
) -> PageOf[RunView]:
    """The newest runs first."""
    found = await engine.runs.newest(
        caller, query.wanted(caller), limit=query.limit + 1, after=place_of(cursors.read(caller, "runs", query))
    )
    items, following = cursors.page(caller, "runs", query, found, place_in_time)
    return PageOf(items=[view_run(run, caller, engine) for run in items], next=following)


@router.get("/statistics", response_model=StatisticsView)
async def statistics(query: Annotated[StatisticsQuery, Query()], caller: RunReader, engine: EngineDep) -> RunStatistics:
    """How many runs ended how, and what they used, by hour and by agent."""
    return await engine.statistics.of_runs(caller, *query.span(datetime.now(UTC)))


@router.get("/{run_id}")
async def read(run_id: UUID, caller: RunReader, engine: EngineDep) -> RunDetail:
    """One run."""
    run = await engine.runs.get(caller, run_id)
    made = await engine.tasks.made_of(caller, run.root_id)
    shown = view_run(run, caller, engine).model_dump()
    return RunDetail.model_validate({**shown, "task": made and asdict(made)}, by_name=True)


@router.get("/{run_id}/events")
async def events(
    run_id: UUID, query: Annotated[EventsQuery, Query()], caller: RunReader, engine: EngineDep
) -> EventsPage:
    """The run's log after a seq; the same cursor as the stream's."""
    await engine.runs.get(caller, run_id)
    found = await engine.events.read(caller.tenant_id, run_id, query.after, query.limit, query.wanted())
    items = [EventView(seq=each.seq, at=each.at, kind=each.kind, payload=each.payload) for each in found]
    return EventsPage(items=items, next=items[-1].seq if len(items) == query.limit else None)


@router.get("/{run_id}/stream", response_class=EventStream)
async def stream(
    run_id: UUID,
    after: After,
    caller: RunReader,
    engine: EngineDep,
    known: AuthenticationDep,
    view: View | None = None,
) -> Response:
    """The run's log or a view of it, live: server-sent events, closed at once after the last one."""
    await engine.runs.get(caller, run_id)
    kinds = None if view is None else VIEWS[view]
    return await stream_response(engine.hub, caller.tenant_id, run_id, after, lambda: known.still(caller), kinds)


@router.get("/{run_id}/result")
async def result(run_id: UUID, caller: RunReader, engine: EngineDep) -> ResultView:
    """What the run returned, however large; null until it has finished."""
    run = await engine.runs.get(caller, run_id)
    value = run.result and await engine.artifacts.whole(caller.tenant_id, run.result)
    return ResultView(run_id=run.id, status=run.status, value=value, error=run.error)


@router.get("/{run_id}/steps")
async def steps(run_id: UUID, caller: RunReader, engine: EngineDep) -> dict[str, Any]:
    """The run's steps in the order they were first started."""
    run = await engine.runs.get(caller, run_id)
    return {"items": (await engine.runs.steps(caller, [run.id]))[run.id], "next": None}


@router.post("/{run_id}/cancel", status_code=status.HTTP_202_ACCEPTED)
async def cancel(run_id: UUID, caller: RunCanceller, engine: EngineDep, body: CancelBody | None = None) -> RunView:
    """Ask for the end of the run; within two seconds it says `cancelled`."""
    return view_run(await engine.runs.cancel(caller, run_id, body.reason if body else None), caller, engine)


@router.post("/{run_id}/retry", status_code=status.HTTP_202_ACCEPTED)
async def retry(
    run_id: UUID, caller: RunStarter, engine: EngineDep, new: RequestUuid, body: RetryBody | None = None
) -> RunView:
    """A new run that begins with this one's finished steps."""
    wish = body or RetryBody.model_validate({})
    return view_run(await engine.runs.retry(caller, run_id, wish.from_, wish.inputs, new), caller, engine)


@router.delete("/{run_id}", status_code=status.HTTP_204_NO_CONTENT)
async def archive(run_id: UUID, caller: RunDeleter, engine: EngineDep) -> None:
    """Take an ended run out of the lists."""
    await engine.runs.archive(caller, run_id)


def view_run(run: Run, caller: Caller, engine: Engine) -> RunView:
    """The run as clients see it."""
    usage = Usage(
        model_calls=run.model_calls,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cached_tokens=run.cached_tokens,
        cost_usd=run.cost_usd,
    )
    shown = {name: getattr(run, name) for name in RunView.model_fields if hasattr(run, name)}
    links: dict[str, Any] = {"temporal_url": engine.links.workflow(caller.tenant_id, run.id)}
    return RunView.model_validate({**shown, **links, "attempts": run.attempt, "usage": usage}, by_name=True)
