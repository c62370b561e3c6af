"""Tasks of desktops as pages show them: what is at work, what waits its turn, what became of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from api.engine import Engine
from api.pages.formats import Clock, Viewer, duration, took
from windlass.contracts.agents import DESKTOP
from windlass.contracts.desktops import script_bytes
from windlass.contracts.runs import LIVE, RunStatus
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop
from windlass.core.permissions import Permission
from windlass.core.runs import Run, RunFilter

SHOWN = 30


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task in a list."""

    id: UUID
    title: str
    status: str
    desktop: str
    desktop_id: str
    when: str
    what: str
    took: Clock
    may_cancel: bool


async def of_desktop(engine: Engine, caller: Caller, desktop: Desktop, seen: Viewer) -> list[TaskRow]:
    """Its newest tasks: those at work and those that wait in their order, then the others, the last one first."""
    found = await engine.runs.newest(caller, RunFilter(desktop=desktop.id), limit=SHOWN)
    return rows(found, {str(desktop.id): desktop}, caller, seen)


async def of_all(engine: Engine, caller: Caller, desktops: Sequence[Desktop], seen: Viewer) -> list[TaskRow]:
    """What is at work or waits in any of the desktops."""
    found = await engine.runs.newest(caller, RunFilter(agent=DESKTOP, status=LIVE), limit=SHOWN)
    return rows(found, {str(desktop.id): desktop for desktop in desktops}, caller, seen)


def rows(found: Sequence[Run], desktops: dict[str, Desktop], caller: Caller, seen: Viewer) -> list[TaskRow]:
    """The runs as rows, in the order in which they have their turn."""
    live = sorted(
        (run for run in found if run.is_live), key=lambda run: (run.status is RunStatus.QUEUED, run.created_at)
    )
    ahead: dict[str, int] = {}
    shown: list[TaskRow] = []
    for run in (*live, *(run for run in found if not run.is_live)):
        where = str(run.inputs.get("desktop", ""))
        desktop = desktops.get(where)
        shown.append(row(run, desktop, ahead.get(where, 0), caller, seen))
        ahead[where] = ahead.get(where, 0) + 1
    return shown


def row(run: Run, desktop: Desktop | None, ahead: int, caller: Caller, seen: Viewer) -> TaskRow:
    """One run as a row."""
    waits = f"waits {duration((seen.now - run.created_at).total_seconds())}"
    return TaskRow(
        id=run.id,
        title=run.title,
        status=str(run.status),
        desktop=desktop.name if desktop else "a deleted desktop",
        desktop_id=str(desktop.id) if desktop else "",
        when=turn(run, desktop, ahead, seen),
        what=outcome(run),
        took=Clock(waits) if run.started_at is None and run.is_live else took(run.started_at, run.ended_at, seen.now),
        may_cancel=run.is_live and run.cancel_requested_at is None and caller.may(Permission.RUNS_CANCEL),
    )


def turn(run: Run, desktop: Desktop | None, ahead: int, seen: Viewer) -> str:
    """When it is at work, or was."""
    if not run.is_live:
        return seen.when(run.ended_at)
    if run.status is not RunStatus.QUEUED:
        return "now"
    if desktop is not None and desktop.holder is not None:
        return "when given back"
    if desktop is not None and not desktop.status.has_container:
        return "when started"
    return "next" if ahead <= 1 else f"after {ahead}"


def outcome(run: Run) -> str:
    """What it is about, or how it ended."""
    if run.cancel_requested_at is not None:
        return run.cancel_reason or "cancelled"
    if run.error is not None:
        return str(run.error.get("message", ""))[:200]
    script = script_bytes(str(run.inputs.get("script") or "")).decode(errors="replace")
    work = (script or str(run.inputs.get("prompt") or "")).strip()
    return work.splitlines()[0][:200] if work else ""
