"""The page of a boot: every service in its phases, what was said, and what did not come up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep, RequestUuid
from api.engine import Engine
from api.pages.formats import Viewer, counted, duration
from api.pages.rendering import go, page, viewer
from api.pages.shell import Place
from api.routes.services import ServiceReader, ServiceWriter
from windlass.contracts.boot import PHASES, line
from windlass.contracts.events import Event, Payload
from windlass.core.boot import Boot
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, NotFound
from windlass.core.permissions import Permission

router = APIRouter(include_in_schema=False)

AT = re.compile(r" at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")  # in UTC, as Kodosumi says it; the line has its time beside it

SHAPES = {"running": "running", "finished": "finished", "failed": "failed", "cancelled": "cancelled"}
WORDS = {"running": "Running", "finished": "Over", "failed": "Failed", "cancelled": "Cancelled"}
NOW = {"prepare": "Preparing", "start": "Starting", "probe": "Probing", "register": "Registering"}
NOT_UP = frozenset({"UNHEALTHY", "DEPLOY_FAILED"})
TONES = {"error": "err", "result": "kept", "end": "kept", "complete": "kept", "info": "quiet"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One phase of one service: its state's shape, and how long it took."""

    shape: str = "queued"
    text: str = ""


@dataclass(slots=True)
class ServiceRow:
    """One service on its way up."""

    name: str
    cells: dict[str, Cell] = field(default_factory=dict[str, Cell])
    now: Cell = field(default_factory=lambda: Cell("queued", "Waits for a place"))
    failure: Payload | None = None

    def take(self, said: Payload) -> None:
        """Learn from what was said of it."""
        step, kind = str(said.get("step")), said.get("type")
        took = "" if said.get("s") is None else duration(said["s"])
        if kind == "begun":
            self.cells[step] = Cell("running")
            self.now = Cell("running", NOW.get(step, ""))
        elif kind == "error":
            self.cells = {**self.cells, step: Cell("failed", took)}
            self.now, self.failure = Cell("failed", "Did not come up"), said
        elif said.get("result") == "RUNNING":
            self.now = Cell("finished", "Up")
        elif str(said.get("result", "")).startswith("RUNNING ("):
            self.now = Cell("failed", "The one before serves")
        elif kind in ("activity", "result"):
            known = self.cells.get(step, Cell())
            has_failed = known.shape == "failed" or "dead" in str(said.get("result"))  # and stays so
            self.cells[step] = Cell("failed" if has_failed else "finished", took or known.text)

    @property
    def why(self) -> str:
        """What went wrong, without what its card says itself."""
        message = str((self.failure or {}).get("message") or "")
        return message.partition(": ")[2] if message.startswith("did not come up, ") else message

    def cell(self, phase: str) -> Cell:
        """The state of a phase; after a failure the rest is not tried."""
        return self.cells.get(phase) or Cell("untried" if self.failure else "queued")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One message as the log shows it."""

    seq: int
    at: datetime
    time: str
    step: str
    tone: str
    text: str


@router.get("/boot")
async def newest(request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """The newest boot; where nothing was booted yet, the services."""
    try:
        boot = await engine.boots.get(caller)
    except NotFound:
        return go("/services", "Nothing was booted yet")
    return await show(request, caller, engine, boot)


@router.get("/boot/{boot_id}")
async def one(boot_id: UUID, request: Request, caller: ServiceReader, engine: EngineDep) -> Response:
    """A boot by its id."""
    return await show(request, caller, engine, await engine.boots.get(caller, boot_id))


@router.post("/boot")
async def start(caller: ServiceWriter, engine: EngineDep, id: RequestUuid) -> Response:
    """Bring all services up."""
    try:
        boot = await engine.boots.start(caller, id)
    except Conflict:
        return go("/boot", "A boot goes on already")
    return go(f"/boot/{boot.id}", "All services start anew")


@router.post("/boot/stop")
async def stop(caller: ServiceWriter, engine: EngineDep, id: RequestUuid) -> Response:
    """Take all services down."""
    boot = await engine.boots.stop(caller, id)
    return go(f"/boot/{boot.id}", "All services are taken down")


async def show(request: Request, caller: Caller, engine: Engine, boot: Boot) -> Response:
    """The page, which follows the boot while it goes on."""
    values = await parts(request, caller, engine, boot)
    title = f"{boot.kind.capitalize()} {boot.number}"
    view = f"page=boot&id={boot.id}&service={values['chosen']}"
    place = Place(
        "Services",
        (("Services", "/services"), (title, "")),
        ("runs", f"boot:{boot.id}"),
        view,
        "live" if boot.is_running else "done",
        values["seq"],
    )
    return await page(request, caller, "boot.html", place, {**values, "title": title})


async def parts(request: Request, caller: Caller, engine: Engine, boot: Boot) -> dict[str, Any]:
    """What the page is drawn from."""
    said = await engine.boots.messages(caller, boot.id)
    rows = services_of(said)
    names = {row.name for row in rows}
    chosen = request.query_params.get("service", "")
    chosen = chosen if chosen in names else ""
    seen = viewer(request)
    ended_at = boot.ended_at or datetime.now(UTC)
    return {
        "boot": boot,
        "standing": Cell(SHAPES[boot.status], WORDS[boot.status]),
        "took": duration((ended_at - boot.created_at).total_seconds()),
        "services": rows,
        "summary": summary(rows),
        "phases": PHASES,
        "failures": [row for row in rows if row.failure],
        "lines": log_lines(said, seen, chosen),
        "chosen": chosen,
        "seq": said[-1].seq if said else 0,
        "seen": seen,
        "may_write": caller.may(Permission.SERVICES_WRITE),
    }


def services_of(said: Sequence[Event]) -> list[ServiceRow]:
    """Every service that was spoken of, as far as it has come."""
    rows: dict[str, ServiceRow] = {}
    for each in said:
        if name := each.payload.get("target"):
            rows.setdefault(name, ServiceRow(name)).take(each.payload)
    return list(rows.values())


def summary(rows: Sequence[ServiceRow]) -> str:
    """How many are where."""
    up, failed = sum(row.now.shape == "finished" for row in rows), sum(row.failure is not None for row in rows)
    facts: Mapping[str, int] = {"up": up, "failed": failed, "on the way": len(rows) - up - failed}
    return ", ".join(f"{count} {word}" for word, count in facts.items() if count) or counted(0, "service")


def log_lines(said: Sequence[Event], seen: Viewer, chosen: str) -> list[LogLine]:
    """The messages, or those about one service."""
    return [
        LogLine(
            each.seq,
            each.at,
            seen.clock(each.at),
            str(each.payload.get("step") or ""),
            "err" if each.payload.get("result") in NOT_UP else TONES.get(str(each.payload.get("type")), ""),
            text.strip() if each.payload.get("target") else AT.sub("", text.strip()),
        )
        for each in said
        if (text := line(each.payload)) and (not chosen or each.payload.get("target") == chosen)
    ]
