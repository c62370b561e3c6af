"""Several runs at once: first what would become of each, then what has; each by the function that does it to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.formats import counted
from api.pages.once import once_field, once_id
from api.pages.rendering import field, local_path, page, read_form
from api.pages.shell import Place
from api.pages.start_form import as_id
from api.routes.runs import RunReader
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.permissions import Permission
from windlass.core.run_steps import Step
from windlass.core.runs import Run

router = APIRouter(include_in_schema=False)

MOST = 100  # runs of one act: a page of the list


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done to several runs; `done` is said of each it was done to."""

    name: str
    permission: Permission
    verb: str
    doing: str
    icon: str
    keep: str
    means: str
    done: str


ACTS = {
    act.name: act
    for act in (
        Act(
            "cancel", Permission.RUNS_CANCEL, "Cancel", "Cancelling\u2026", "stop", "Keep running",
            "They stop within two seconds. Kept steps stay and can be retried from.", "It stops within two seconds",
        ),
        Act(
            "retry", Permission.RUNS_START, "Retry", "Retrying\u2026", "retry", "Back",
            "Each gets a new try that begins with its kept steps. The runs and their logs stay as they are.", "",
        ),
        Act(
            "delete", Permission.RUNS_DELETE, "Delete", "Deleting\u2026", "close", "Keep them",
            "They leave the lists. Their events stay until their time is over.", "It has left the lists",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BulkRow:
    """One of the runs: what is in the way, or what to know; and after the act what has become of it."""

    id: UUID
    title: str
    agent: str
    status: str
    note: str = ""
    is_meant: bool = True
    once: Markup | None = None
    url: str = ""


@router.get("/runs/bulk")
async def ask(request: Request, caller: RunReader, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Ask whether to do it, run by run: nothing is done yet."""
    query = request.query_params
    act = wanted_act(caller, query.get("act", ""))
    rows = await planned(engine, caller, act, wanted_ids(query.getlist("run")))
    drawn = [_with_once(row, once_field(cursors, caller, f"once-{row.id}")) if row.is_meant else row for row in rows]
    return await bulk_page(request, caller, act, drawn, query.get("back", "/runs"), is_done=False)


@router.post("/runs/bulk")
async def carry_out(request: Request, caller: RunReader, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Do it to one after the other, and say what has become of each. The same form sent twice does it once."""
    form = read_form(request)
    act, rows = wanted_act(caller, field(form, "act", 20)), list[BulkRow]()
    for run_id in wanted_ids(form.get("run", [])):
        rows.append(await done_to(engine, caller, act, run_id, once_id(cursors, caller, form, f"once-{run_id}")))
    return await bulk_page(request, caller, act, rows, field(form, "back", 2000), is_done=True)


def acts_of(caller: Caller) -> tuple[Act, ...]:
    """What the caller may do to several runs."""
    return tuple(act for act in ACTS.values() if caller.may(act.permission))


def wanted_act(caller: Caller, name: str) -> Act:
    """The act of that name. Raises Invalid, Forbidden."""
    act = ACTS.get(name)
    if act is None:
        raise Invalid("Nothing was done.", (FieldError("act", f"must be one of {', '.join(ACTS)}"),))
    caller.require(act.permission)
    return act


def wanted_ids(texts: Sequence[str]) -> tuple[UUID, ...]:
    """The runs that are meant, each once. Raises Invalid."""
    ids = tuple(dict.fromkeys(as_id(text) for text in texts))
    if not 0 < len(ids) <= MOST:
        raise Invalid("Nothing was done.", (FieldError("run", f"must name from one to {MOST} runs"),))
    return ids


async def planned(engine: Engine, caller: Caller, act: Act, ids: Sequence[UUID]) -> list[BulkRow]:
    """What would become of each run."""
    steps = await engine.runs.steps(caller, ids)
    rows: list[BulkRow] = []
    for run_id in ids:
        try:
            run = await engine.runs.get(caller, run_id)
        except NotFound as gone:
            rows.append(BulkRow(run_id, gone.detail, "", "untried", "There is nothing to do", is_meant=False))
            continue
        obstacle = in_the_way(act, run)
        note = obstacle or what_to_know(act, run, steps[run.id])
        rows.append(BulkRow(run.id, run.title, run.agent, run.status, note, is_meant=not obstacle))
    return rows


def in_the_way(act: Act, run: Run) -> str:
    """Why the act is not for this run."""
    if act.name == "cancel":
        return "" if run.is_live else f"It is {run.status} already"
    if run.is_live:
        return f"It is {run.status}: cancel it first"
    is_done = act.name == "retry" and run.status == RunStatus.FINISHED
    return "It has finished: run it again instead" if is_done else ""


def what_to_know(act: Act, run: Run, steps: Sequence[Step]) -> str:
    """What is kept, and what a new try repeats although nobody knows whether it has happened."""
    kept = counted(run.steps_kept, "kept step")
    if act.name != "retry":
        return f"{kept} {'stays' if run.steps_kept == 1 else 'stay'}"
    unknown = ", ".join(step.name for step in steps if step.state == "unknown")
    warned = f". The outcome of {unknown} is unknown and it runs again: check first whether it had an effect"
    return f"It begins with {kept}{warned if unknown else ''}"


async def done_to(engine: Engine, caller: Caller, act: Act, run_id: UUID, once: UUID | None) -> BulkRow:
    """Do it to one run, as its own page does."""
    title, agent, url, said = str(run_id)[-8:], "", f"/runs/{run_id}", act.done
    try:
        run = await engine.runs.get(caller, run_id)
        title, agent = run.title, run.agent
        if act.name == "cancel":
            await engine.runs.cancel(caller, run_id)
        elif act.name == "retry":
            new = await engine.runs.retry(caller, run_id, as_=once)
            url, said = f"/runs/{new.id}", f"Try {new.try_} has begun"
        else:
            await engine.runs.archive(caller, run_id)
            url = ""
    except (Conflict, Invalid, NotFound) as refused:
        return BulkRow(run_id, title, agent, "failed", refused.detail, is_meant=False)
    return BulkRow(run_id, title, agent, "finished", said, url=url)


async def bulk_page(
    request: Request, caller: Caller, act: Act, rows: Sequence[BulkRow], back: str, *, is_done: bool
) -> Response:
    """The question, or what has become of each."""
    count = sum(row.is_meant for row in rows)
    values = {
        "act": act,
        "rows": rows,
        "count": count,
        "runs": f"{count} run" if count == 1 else f"{count} runs",
        "is_done": is_done,
        "back": local_path(back, "/runs"),
        "title": f"{act.verb} runs",
    }
    place = Place("Runs", (("Runs", "/runs"), (f"{act.verb} several", "")))
    return await page(request, caller, "runs_bulk.html", place, values)


def _with_once(row: BulkRow, once: Markup) -> BulkRow:
    return BulkRow(row.id, row.title, row.agent, row.status, row.note, once=once)
