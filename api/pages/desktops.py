"""The pages of desktops: what each is doing, and one of them with its log."""

from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import EngineDep, RequestUuid
from api.engine import Engine
from api.pages import desktop_tasks
from api.pages.desktop_starts import beginning, room
from api.pages.desktop_task import newest_task
from api.pages.desktops_filters import chosen
from api.pages.desktops_looks import looked
from api.pages.formats import Viewer, short_id, size
from api.pages.rendering import field, go, page, read_form, viewer
from api.pages.shell import Place
from api.routes.desktops import DesktopReader, DesktopWriter, queue_work
from api.routes.runs import RunCanceller, RunStarter
from windlass.contracts.agents import DESKTOP
from windlass.contracts.desktops import STANDARD, DesktopStatus
from windlass.contracts.events import EventKind
from windlass.contracts.screens import COOLDOWN_S
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop, NewDesktop
from windlass.core.errors import Conflict, Invalid, NotFound, Unavailable
from windlass.core.permissions import Permission
from windlass.core.runs import StartRun
from windlass.core.screenshots import Screenshot
from windlass.core.viewers import NOTE_CHARACTERS
from windlass.core.wakeup import DESKTOPS

router = APIRouter(include_in_schema=False)

SHAPES = {DesktopStatus.BUSY: "running"}
SHOWN_EVENTS = 100
NOTHING = ("", "", "prompt")  # of a task: title, text, kind
DEEDS = {  # what may be asked of a desktop in a state: address, word, icon
    DesktopStatus.OFFLINE: (("start", "Start", "play"),),
    DesktopStatus.LOST: (("start", "Start again", "retry"), ("stop", "Put it off", "stop")),
    DesktopStatus.STARTING: (("stop", "Stop", "stop"),),
    DesktopStatus.IDLE: (("pause", "Pause", "pause"), ("stop", "Stop", "stop")),
    DesktopStatus.BUSY: (("pause", "Pause", "pause"), ("stop", "Stop", "stop")),
    DesktopStatus.PAUSED: (("resume", "Resume", "play"), ("stop", "Stop", "stop")),
}
HAND = {
    "": ("takeover", "Take over", "hand"),
    "mine": ("giveback", "Give back", "hand"),
    "theirs": ("askback", "Ask to give back", "hand"),
}
DONE = {
    "start": "starts",
    "stop": "is being stopped",
    "pause": "is being paused",
    "resume": "goes on",
    "takeover": "is in your hand",
    "giveback": "is given back",
    "askback": "is asked for",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A desktop as its tile shows it."""

    desktop: Desktop
    shape: str
    word: str
    sentence: str
    detail: str
    deeds: tuple[tuple[str, str, str], ...]
    is_mine: bool
    shot: Screenshot | None
    shot_age: str
    hand: str = ""  # who has its screen: nobody, "mine", "theirs"

    @property
    def has_screen(self) -> bool:
        """Whether there is something to look at."""
        return self.desktop.status.is_on or self.desktop.status is DesktopStatus.PAUSED

    @property
    def left_s(self) -> int:
        """For how long nobody looks at its screen anew; 0 from then on."""
        return max(0, ceil(COOLDOWN_S - self.shot.age_s)) if self.shot else 0

    @property
    def cools_ms(self) -> int:
        """Until when that is (epoch)."""
        return int((self.shot.last_at.timestamp() + COOLDOWN_S) * 1000) if self.shot else 0


@router.get("/desktops")
async def desktops(request: Request, caller: DesktopReader, engine: EngineDep) -> Response:
    """All desktops one may see."""
    return await show(request, caller, engine)


async def show(
    request: Request,
    caller: Caller,
    engine: Engine,
    filled: dict[str, str] | None = None,
    problems: tuple[tuple[str, str], ...] = (),
) -> Response:
    """The tiles, and the form that makes one more."""
    values = {
        **await tiles(request, caller, engine),
        "templates": await choices(engine, caller),
        "filled": filled or {"name": "", "template": STANDARD},
        "problems": problems,
        "title": "Desktops",
    }
    live = f"page=desktops{chosen(request.query_params).query}"
    place = Place("Desktops", (("Desktops", ""),), ("runs", DESKTOPS), live, live="live")
    return await page(request, caller, "desktops.html", place, values, 422 if problems else 200)


async def choices(engine: Engine, caller: Caller) -> list[tuple[str, str]]:
    """The templates one may choose from, with what they say of themselves."""
    found = await engine.desktop_templates.catalogue(caller)
    return [(each.name, ": ".join(filter(None, (each.name, each.made_of.summary)))) for each in found]


async def tiles(request: Request, caller: Caller, engine: Engine) -> dict[str, Any]:
    """The values of the part of the page that changes by itself."""
    seen, found = viewer(request), await engine.desktops.catalogue(caller)
    filters = chosen(request.query_params)
    shown = filters.shown(found, caller)
    shots = await engine.screenshots.newest(caller.tenant_id, [desktop.id for desktop in shown])
    return {
        "filters": filters,
        "segments": filters.segments(found, caller),
        "has_some": bool(found),
        "cleanup": next(iter(await engine.cleanups.newest(caller, 1)), None),
        "seen": seen,
        "size": size,
        "tasks": await desktop_tasks.of_all(engine, caller, found, seen),
        "tiles": [tile(desktop, caller, seen, shots.get(desktop.id)) for desktop in shown],
        "beginning": beginning,
        "room": await room(engine, caller, found),
        "may_write": caller.may(Permission.DESKTOPS_WRITE),
        "cooldown_s": int(COOLDOWN_S),
    }


@router.post("/desktops")
async def create(request: Request, caller: DesktopWriter, engine: EngineDep, new: RequestUuid) -> Response:
    """Have a desktop made."""
    form = read_form(request)
    filled = {"name": field(form, "name", 63), "template": field(form, "template", 63)}
    try:
        made = await engine.desktops.create(caller, NewDesktop(filled["name"] or None, filled["template"], new))
    except (Conflict, Invalid, Unavailable) as problem:
        return await show(request, caller, engine, filled, ((problem.detail, ""),))
    return go(f"/desktops/{made.id}", f"{made.name} starts now")


@router.post("/desktops/look")
async def look(caller: DesktopReader, engine: EngineDep) -> Response:
    """Have every screen looked at that one may see, each as often as its cooldown allows."""
    return go("/desktops", await looked(engine, caller))


@router.post("/desktops/{desktop_id}/look")
async def look_at(desktop_id: UUID, caller: DesktopReader, engine: EngineDep) -> Response:
    """Have one screen looked at, unless it was a moment ago."""
    return go("/desktops", await looked(engine, caller, desktop_id))


@router.get("/desktops/{desktop_id}")
async def desktop(desktop_id: UUID, request: Request, caller: DesktopReader, engine: EngineDep) -> Response:
    """One desktop."""
    return await show_one(request, caller, engine, await engine.desktops.get(caller, desktop_id))


async def show_one(
    request: Request,
    caller: Caller,
    engine: Engine,
    found: Desktop,
    problems: tuple[tuple[str, str], ...] = (),
    filled: tuple[str, str, str] = NOTHING,
) -> Response:
    """What a desktop is made of, how it is, and its log."""
    values = {
        **await parts(request, caller, engine, found),
        "problems": problems,
        "filled": filled,
        "title": found.name,
    }
    crumbs = (("Desktops", "/desktops"), (found.name, ""))
    place = Place("Desktops", crumbs, ("runs", DESKTOPS), f"page=desktop&id={found.id}", live="live")
    answer = await page(request, caller, "desktop.html", place, values, 409 if problems else 200)
    policy = answer.headers["content-security-policy"]
    answer.headers["content-security-policy"] = policy.replace("img-src 'self'", "img-src 'self' data:")  # the screen's
    return answer


async def parts(request: Request, caller: Caller, engine: Engine, found: Desktop) -> dict[str, Any]:
    """The values of the part of the page that changes by itself."""
    seen = viewer(request)
    events = await engine.events.read(caller.tenant_id, found.id, limit=500, kinds=[EventKind.STATUS])
    shot = await engine.screenshots.latest(caller.tenant_id, found.id)
    return {
        "tile": tile(found, caller, seen, shot),
        "beginning": beginning,
        "tasks": await desktop_tasks.of_desktop(engine, caller, found, seen),
        "filled": NOTHING,
        "may_give": found.owner == caller.person_id and caller.may(Permission.RUNS_START),
        "desktop": found,
        "task": await newest_task(engine, caller, found.id),
        "events": list(reversed(events))[:SHOWN_EVENTS],
        "seen": seen,
        "shape_of": shape_of,
        "size": size,
        "short_id": short_id,
    }


@router.get("/desktops/{desktop_id}/delete")
async def confirm(desktop_id: UUID, request: Request, caller: DesktopWriter, engine: EngineDep) -> Response:
    """Ask once more."""
    found = await engine.desktops.get(caller, desktop_id)
    crumbs = (("Desktops", "/desktops"), (found.name, f"/desktops/{found.id}"), ("Delete", ""))
    values = {"desktop": found, "title": f"Delete {found.name}"}
    return await page(request, caller, "desktop_delete.html", Place("Desktops", crumbs), values)


@router.post("/desktops/{desktop_id}/delete")
async def remove(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> Response:
    """Delete a desktop with its home."""
    found = await engine.desktops.get(caller, desktop_id)
    await engine.desktops.remove(caller, desktop_id)
    return go("/desktops", f"{found.name} is deleted")


@router.post("/desktops/{desktop_id}/tasks")
async def give(desktop_id: UUID, request: Request, caller: RunStarter, engine: EngineDep, new: RequestUuid) -> Response:
    """Queue a prompt or a script."""
    form = read_form(request)
    kind = "script" if field(form, "kind", 10) == "script" else "prompt"
    text, title = form.get("task", [""])[0].replace("\r\n", "\n"), field(form, "title", 200)
    inputs = {"desktop": str(desktop_id), kind: text if text.strip() else ""}
    try:
        await queue_work(engine, caller, StartRun(DESKTOP, inputs, title or None, id=new))
    except (Conflict, Invalid, Unavailable) as problem:
        found = await engine.desktops.get(caller, desktop_id)
        return await show_one(request, caller, engine, found, ((_said(problem), "task"),), (title, text, kind))
    return go(f"/desktops/{desktop_id}", "The task has its place")


@router.post("/desktops/{desktop_id}/tasks/{run_id}/cancel")
async def cancel(desktop_id: UUID, run_id: UUID, request: Request, caller: RunCanceller, engine: EngineDep) -> Response:
    """Cancel a task: what it started ends within two seconds."""
    found = await engine.desktops.get(caller, desktop_id)
    try:
        await engine.runs.cancel(caller, run_id)
    except Conflict as conflict:
        return await show_one(request, caller, engine, found, ((conflict.detail, ""),))
    return go(f"/desktops/{desktop_id}", "It stops within two seconds")


@router.post("/desktops/{desktop_id}/{deed}")
async def change(desktop_id: UUID, deed: str, request: Request, caller: DesktopWriter, engine: EngineDep) -> Response:
    """Start, stop, pause or resume a desktop; take its screen in hand, give it back, or ask for it."""
    desktops, viewers = engine.desktops, engine.viewers
    asks = {"start": desktops.start, "stop": desktops.stop, "pause": desktops.pause, "resume": desktops.resume}
    give_back = partial(viewers.give_back, note=field(read_form(request), "note", NOTE_CHARACTERS))
    asks |= {"takeover": viewers.take, "giveback": give_back, "askback": viewers.ask}
    if deed not in asks:
        raise NotFound("page", deed)
    try:
        changed = await asks[deed](caller, desktop_id)
    except (Conflict, Unavailable) as problem:
        found = await desktops.get(caller, desktop_id)
        return await show_one(request, caller, engine, found, ((problem.detail, ""),))
    return go(f"/desktops/{desktop_id}", f"{changed.name} {DONE[deed]}")


def _said(problem: Conflict | Invalid | Unavailable) -> str:
    """What was wrong, field by field where it is known."""
    errors = problem.errors if isinstance(problem, Invalid) else ()
    return " ".join((problem.detail, *(f"{error.field.rpartition('.')[2]}: {error.message}." for error in errors)))


def shape_of(status: str) -> str:
    """The shape of a state."""
    return SHAPES.get(DesktopStatus(status), status) if status in set(DesktopStatus) else "finished"


def tile(found: Desktop, caller: Caller, seen: Viewer, shot: Screenshot | None) -> Tile:
    """What a desktop's tile says."""
    mine = found.owner == caller.person_id and caller.may(Permission.DESKTOPS_WRITE)
    until = f"Shut down at {seen.when(found.expires_at)}, files are kept" if found.expires_at else ""
    sentences = {
        DesktopStatus.OFFLINE: ("Off", "Its files are kept"),
        DesktopStatus.STARTING: ("Starting, in about a second", ""),
        DesktopStatus.IDLE: ("Nothing to do", until),
        DesktopStatus.BUSY: ("At work", until),
        DesktopStatus.PAUSED: ("Frozen as it was", until),
        DesktopStatus.LOST: ("It ended by itself", "Its files are kept"),
    }
    sentence, detail = sentences[found.status]
    said = found.reason[:1].upper() + found.reason[1:]
    deeds = DEEDS[found.status] if mine else ()
    age = seen.age(shot.last_at) if shot else ""
    hand = "" if found.holder is None else "mine" if found.holder == caller.person_id else "theirs"
    if found.status.is_on and caller.may(Permission.DESKTOPS_WRITE):
        deeds = (HAND[hand], *deeds)
    word = str(found.status).capitalize()
    if found.holder is not None:
        who = "You have" if hand == "mine" else f"{found.holder_name} has"
        asked = f", {found.asked_name} asks for it" if found.asked_name else ", tasks wait"
        said, detail = f"{who} the screen", f"Since {seen.when(found.held_at)}{asked}"
        return Tile(found, "paused", f"{word}, in hand", said, detail, deeds, mine, shot, age, hand)
    return Tile(found, shape_of(found.status), word, said or sentence, detail, deeds, mine, shot, age)
