"""The home page: the part of the work that is yours."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.coming import Coming, next_to_start
from api.pages.day import Day
from api.pages.formats import Clock, Viewer, at_least, took
from api.pages.questions import Card, needs
from api.pages.rendering import page, viewer
from api.pages.runs_list import LIVE, RunRow, load_rows, row
from api.pages.shell import Place
from api.pages.system import SHAPES, sentence
from api.pages.values import one_line
from api.routes.runs import RunReader
from windlass.contracts.runs import TERMINAL, RunStatus
from windlass.core.agents import Agent
from windlass.core.callers import Caller
from windlass.core.health import HealthReport, Part, examine
from windlass.core.permissions import Permission
from windlass.core.run_tallies import MOST_COUNTED
from windlass.core.runs import RunFilter
from windlass.core.services import Service

router = APIRouter(include_in_schema=False)

SHOWN, SHOWN_FAILED, SHOWN_FINISHED, STRIP = 8, 5, 6, 116


@dataclass(frozen=True, slots=True)
class Finished:
    """A run with something to read."""

    row: RunRow
    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that failed and was not looked at yet."""

    row: RunRow
    kept: int


@dataclass(frozen=True, slots=True)
class HomePage:
    """The values of `home.html`."""

    needs: tuple[Card, ...]
    running: tuple[RunRow, ...]
    live: int
    failed: tuple[Failed, ...]
    finished: tuple[Finished, ...]
    finished_count: str
    is_first_visit: bool
    report: HealthReport
    sentence: str
    services: tuple[Service, ...]
    agents: tuple[Agent, ...]
    may_start: bool
    day: Day
    coming: tuple[Coming, ...]
    silence: Clock | None

    @classmethod
    async def load(cls, engine: Engine, caller: Caller, parts: list[Part], seen: Viewer) -> "HomePage":
        """Read everything the page shows."""
        counts = await engine.tallies.counts(caller)
        live = sum(count for status, count in counts.items() if status not in TERMINAL)
        newest = engine.runs.newest
        running = await newest(caller, RunFilter(status=LIVE), limit=SHOWN) if live else []
        failures = await newest(caller, RunFilter(status=(RunStatus.FAILED,)), limit=SHOWN_FAILED * 2)
        last_tries = {run.root_id: run for run in sorted(failures, key=lambda run: run.try_) if run.seen_at is None}
        unseen = sorted(last_tries.values(), key=lambda run: run.created_at, reverse=True)[:SHOWN_FAILED]
        done = await newest(caller, RunFilter(status=(RunStatus.FINISHED,)), limit=SHOWN_FINISHED)
        steps = await engine.runs.steps(caller, [run.id for run in (*running, *unseen)])
        asking = await engine.questions.asking(caller, [run.id for run in running]) if running else set[UUID]()
        rows = tuple(row(run, steps[run.id], seen, width=STRIP, asks=run.id in asking) for run in running)
        silent_since = await engine.statistics.silent_since(caller) if running else None
        services = await engine.services.catalogue(caller) if caller.may(Permission.SERVICES_READ) else []
        report, waiting = await examine(parts), await needs(engine, caller, seen)
        return cls(
            needs=waiting,
            running=rows,
            live=live,
            failed=tuple(Failed(row(run, steps[run.id], seen, width=STRIP), run.steps_kept) for run in unseen),
            finished=tuple(
                Finished(each, one_line(run.result) if run.result else "")
                for each, run in zip(await load_rows(engine, caller, done, seen), done, strict=True)
            ),
            finished_count=at_least([counts.get(RunStatus.FINISHED, 0)], MOST_COUNTED),
            is_first_visit=not counts and not waiting,
            report=report,
            sentence=sentence(report),
            services=tuple(services),
            agents=tuple(await engine.agents.catalogue(caller)),
            may_start=caller.may(Permission.RUNS_START),
            day=await Day.load(engine, caller, seen),
            coming=await next_to_start(engine, caller, seen),
            silence=None if silent_since is None else took(silent_since, None, seen.now),
        )


@router.get("/")
async def home(request: Request, caller: RunReader, engine: EngineDep) -> Response:
    """What runs, what failed, what is ready to read."""
    shown = await HomePage.load(engine, caller, request.state.health, viewer(request))
    place = Place(
        "Home", (("Home", ""),), ("runs", "needs"), "page=home", live="live", main_action=not shown.is_first_visit
    )
    return await page(request, caller, "home.html", place, {"view": shown, "shapes": SHAPES, "title": "Home"})
