"""The list of runs as a file for spreadsheets."""

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from api.dependencies import EngineDep
from api.engine import Engine
from api.pages.rendering import viewer
from api.pages.runs_list import RunsQuery
from api.routes.runs import RunReader
from windlass.core.callers import Caller
from windlass.core.runs import Run, RunFilter

router = APIRouter(include_in_schema=False)

AT_ONCE = 500
MOST = 10_000  # rows of one file
COLUMNS = (
    "id", "status", "agent", "title", "tags", "try", "created_at", "started_at", "ended_at", "took_s", "cost_usd",
    "model_calls", "input_tokens", "output_tokens", "steps_kept", "started_by",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins like this is calculated by spreadsheets


@router.get("/runs.csv")
async def export(
    request: Request, caller: RunReader, engine: EngineDep, query: Annotated[RunsQuery, Query()]
) -> Response:
    """The runs of a view, the newest first, at most 10,000."""
    wanted = query.wanted(caller, viewer(request).now)
    headers = {"content-disposition": 'attachment; filename="runs.csv"'}
    return StreamingResponse(lines(engine, caller, wanted), headers=headers, media_type="text/csv; charset=utf-8")


async def lines(engine: Engine, caller: Caller, wanted: RunFilter) -> AsyncGenerator[str]:
    """The file, page by page."""
    yield line(COLUMNS)
    after, sent = None, 0
    while sent < MOST and (runs := await engine.runs.newest(caller, wanted, limit=AT_ONCE, after=after)):
        yield "".join(line(cells(run)) for run in runs)
        after, sent = (runs[-1].created_at, runs[-1].id), sent + len(runs)


def cells(run: Run) -> Sequence[object]:
    """One run; what is unknown is empty."""
    took_s = run.ended_at and (run.ended_at - run.created_at).total_seconds()
    times = [each and each.isoformat() for each in (run.created_at, run.started_at, run.ended_at)]
    used = (run.cost_usd, run.model_calls, run.input_tokens, run.output_tokens)
    facts = (run.id, run.status, run.agent, run.title, " ".join(run.tags), run.try_)
    return *facts, *times, took_s, *used, run.steps_kept, run.created_by_name


def line(values: Sequence[object]) -> str:
    """A line of the file; text that a spreadsheet would calculate is marked as text."""
    out = io.StringIO()
    shown = [f"'{each}" if isinstance(each, str) and each.startswith(FORMULA) else each for each in values]
    csv.writer(out).writerow(shown)
    return out.getvalue()
