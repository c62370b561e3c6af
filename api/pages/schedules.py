"""The pages of schedules: the list, one schedule with its editor, its firings, and making up for what did not run."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.bodies import fields_of
from api.dependencies import CursorsDep, EngineDep
from api.engine import Engine
from api.pages.once import once_field, once_id
from api.pages.rendering import field, go, page, part, read_form, viewer
from api.pages.schedule_forms import (
    CRON,
    DAYS,
    OVERLAPS,
    UNITS,
    ScheduleForm,
    form_of,
    moment,
    policy_in,
    preview,
    preview_of,
    read_schedule_form,
    task_id,
    timing_in,
)
from api.pages.schedule_views import SHAPES, STATES, firing_row, schedule_row, takes
from api.pages.searched import search
from api.pages.shell import Place
from api.pages.task_forms import checked_name, errors_of, parameter_fields, read_values
from api.paging import page_query, place_of
from api.routes.schedules import ScheduleReader, ScheduleWriter
from windlass.contracts.firings import Decision, Overlap
from windlass.core.calendars.clock import zone_names
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.permissions import Permission
from windlass.core.schedules import NewSchedule, Schedule, may_change
from windlass.core.tasks import Task

router = APIRouter(include_in_schema=False)

SHOWN_FIRINGS = 12


@router.get("/schedules")
async def schedules(request: Request, caller: ScheduleReader, engine: EngineDep, cursors: CursorsDep) -> Response:
    """All schedules, with what they did last and when they are due next."""
    found = await search(request, caller, cursors, "pages/schedules", engine.schedules.newest)
    last = await engine.firings.last(caller, [each.id for each in found.items])
    seen = viewer(request)
    values = {
        "rows": [schedule_row(each, last.get(each.id, []), seen) for each in found.items],
        **found.place,
        "may_write": caller.may(Permission.SCHEDULES_WRITE),
        "title": "Schedules",
    }
    return await page(request, caller, "schedules.html", Place("Schedules", (("Schedules", ""),)), values)


@router.get("/ui/schedules/preview")
async def typing(request: Request, _caller: ScheduleReader) -> Response:
    """What the form says so far."""
    form = read_schedule_form(fields_of(request.url.query, 100))
    return part(request, "parts/preview.html", {"preview": preview(form, datetime.now(UTC)), "zone": form.time_zone})


@router.get("/schedules/new")
async def new(request: Request, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """The empty form; the address may bring parts of it along."""
    asked = fields_of(request.url.query, 100)
    form = read_schedule_form(asked) if "kind" in asked else ScheduleForm(task=field(asked, "task", 36))
    zoned = form if "time_zone" in asked else replace(form, time_zone=viewer(request).zone.key)
    return await show_new(request, caller, engine, zoned)


@router.post("/schedules/new")
async def create(request: Request, caller: ScheduleWriter, engine: EngineDep, cursors: CursorsDep) -> Response:
    """Save it, or show the form again with what is wrong. The same form sent twice is one schedule."""
    posted = read_form(request)
    form = read_schedule_form(posted)
    if field(posted, "look", 1):  # nothing is saved: what it says so far, for browsers without scripts
        return await show_new(request, caller, engine, form)
    try:
        task = await engine.tasks.get(caller, task_id(form))
        form = replace(form, parameters=read_values(task, posted))
        policy = policy_in(form, form.parameters)
        name, once = checked_name(form.name), once_id(cursors, caller, posted)
        wish = NewSchedule(name, task.id, timing_in(form), policy, id=once)
        made = await engine.schedules.create(caller, wish)
    except (Invalid, Conflict, NotFound) as problem:
        return await show_new(request, caller, engine, replace(form, errors=errors_of(problem)), 422)
    return go(f"/schedules/{made.id}", f"{made.name} is on")


@router.get("/schedules/{schedule_id}")
async def schedule(schedule_id: UUID, request: Request, caller: ScheduleReader, engine: EngineDep) -> Response:
    """One schedule."""
    return await show(request, caller, engine, await engine.schedules.get(caller, schedule_id))


@router.post("/schedules/{schedule_id}")
async def change(schedule_id: UUID, request: Request, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """Save what the form says."""
    posted, found = read_form(request), await engine.schedules.get(caller, schedule_id)
    form = read_schedule_form(posted)
    try:
        task = await engine.tasks.get(caller, task_id(form))
        form = replace(form, parameters=read_values(task, posted))
        policy = policy_in(form, form.parameters)
        rules = {name: getattr(policy, name) for name in policy.__slots__}
        bounds = {"start_at": None, "end_at": None, **timing_in(form)}
        changes = {"name": checked_name(form.name), "task_id": task.id, **bounds, **rules}
        await engine.schedules.change(caller, schedule_id, changes)
    except (Invalid, Conflict, NotFound) as problem:
        return await show(request, caller, engine, found, replace(form, errors=errors_of(problem)), 422)
    return go(f"/schedules/{schedule_id}", f"{form.name} is saved")


@router.post("/schedules/{schedule_id}/pause")
async def pause(schedule_id: UUID, request: Request, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """Pause it, saying why."""
    await engine.schedules.pause(caller, schedule_id, field(read_form(request), "reason", 500))
    return go(f"/schedules/{schedule_id}", "It is paused")


@router.post("/schedules/{schedule_id}/resume")
async def resume(schedule_id: UUID, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """Go on."""
    await engine.schedules.resume(caller, schedule_id)
    return go(f"/schedules/{schedule_id}", "It is on again")


@router.post("/schedules/{schedule_id}/trigger")
async def trigger(
    schedule_id: UUID, request: Request, caller: ScheduleWriter, engine: EngineDep, cursors: CursorsDep
) -> Response:
    """Fire once now. The same form sent twice is one firing."""
    await engine.firings.trigger(caller, schedule_id, once_id(cursors, caller, read_form(request)))
    return go(f"/schedules/{schedule_id}", "It fires now")


@router.post("/schedules/{schedule_id}/delete")
async def delete(schedule_id: UUID, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """Delete it; its firings and runs stay on record."""
    found = await engine.schedules.get(caller, schedule_id)
    await engine.schedules.delete(caller, schedule_id)
    return go("/schedules", f"{found.name} is deleted")


@router.get("/schedules/{schedule_id}/firings")
async def firings(
    schedule_id: UUID, request: Request, caller: ScheduleReader, engine: EngineDep, cursors: CursorsDep
) -> Response:
    """Every firing, the newest first."""
    found = await engine.schedules.get(caller, schedule_id)
    chosen = request.query_params.get("decision", "")
    wanted = [Decision(chosen)] if chosen in set(Decision) else []
    query = page_query(request.query_params.get("after"), 50)
    name = f"pages/schedules/{schedule_id}/{chosen}"
    after = place_of(cursors.read(caller, name, query))
    listed = await engine.firings.newest(caller, schedule_id, wanted, limit=query.limit + 1, after=after)
    items, following = cursors.page(caller, name, query, listed, lambda it: (it.scheduled_at.isoformat(), str(it.id)))
    values = {
        "schedule": found,
        "rows": [firing_row(each, viewer(request)) for each in items],
        "decisions": [(str(each), SHAPES[each]) for each in Decision],
        "chosen": chosen,
        "older": following,
        "is_first": after is None,
        "title": f"Firings of {found.name}",
    }
    crumbs = (("Schedules", "/schedules"), (found.name, f"/schedules/{schedule_id}"), ("Firings", ""))
    return await page(request, caller, "schedule_firings.html", Place("Schedules", crumbs), values)


@router.get("/schedules/{schedule_id}/backfill")
async def plan(schedule_id: UUID, request: Request, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """The span to make up for, and with one in the address what that would start."""
    asked = fields_of(request.url.query, 100)
    return await show_backfill(request, caller, engine, await engine.schedules.mine(caller, schedule_id), asked)


@router.post("/schedules/{schedule_id}/backfill")
async def backfill(schedule_id: UUID, request: Request, caller: ScheduleWriter, engine: EngineDep) -> Response:
    """Start what the plan said, if it still says so."""
    posted, found = read_form(request), await engine.schedules.mine(caller, schedule_id)
    confirmed = field(posted, "confirm", 6)
    overlap = field(posted, "overlap", 20)
    try:
        since, until = (moment(field(posted, name, 40), found.timing.clock.zone, name) for name in ("since", "until"))
        if since is None or until is None or not confirmed.isdecimal():
            raise Invalid("Say from when until when.", (FieldError("since", "must be a date and time"),))
        wanted = Overlap(overlap) if overlap in set(Overlap) else Overlap.BUFFER_ALL
        done = await engine.firings.backfill(caller, schedule_id, since, until, int(confirmed), wanted)
    except (Invalid, Conflict) as problem:
        return await show_backfill(request, caller, engine, found, posted, problem)
    return go(f"/schedules/{schedule_id}", f"{done.count} runs are on their way")


async def show_new(request: Request, caller: Caller, engine: Engine, form: ScheduleForm, status: int = 200) -> Response:
    """The form of a new schedule."""
    tasks = await engine.tasks.newest(caller, limit=200)
    chosen = next((task for task in tasks if str(task.id) == form.task), None)
    values = {
        **form_values(form, tasks, chosen),
        "preview": preview(form, datetime.now(UTC)),
        "zone": form.time_zone,
        "once": once_field(request.state.cursors, caller),
        "title": "New schedule",
    }
    place = Place("Schedules", (("Schedules", "/schedules"), ("New", "")))
    return await page(request, caller, "schedule_new.html", place, values, status)


async def show(
    request: Request, caller: Caller, engine: Engine, it: Schedule, left: ScheduleForm | None = None, status: int = 200
) -> Response:
    """The page of a schedule; its form as it is, or as somebody left it."""
    now, seen, form = datetime.now(UTC), viewer(request), left or form_of(it)
    tasks = await engine.tasks.newest(caller, limit=200)
    chosen = next((task for task in tasks if str(task.id) == form.task), None)
    listed = await engine.firings.newest(caller, it.id, limit=SHOWN_FIRINGS)
    values = {
        **form_values(form, tasks, chosen),
        "schedule": it,
        "standing": STATES[it.state],
        "preview": preview(form, now) if left else preview_of(it.timing, now),
        "zone": form.time_zone,
        "takes": takes(await engine.history.of_task(caller, it.task_id), it, now),
        "rows": [firing_row(each, seen) for each in listed],
        "seen": seen,
        "once": once_field(request.state.cursors, caller),
        "may_change": may_change(caller, it),
        "title": it.name,
    }
    place = Place("Schedules", (("Schedules", "/schedules"), (it.name, "")))
    return await page(request, caller, "schedule.html", place, values, status)


async def show_backfill(
    request: Request,
    caller: Caller,
    engine: Engine,
    it: Schedule,
    given: Any,
    problem: Invalid | Conflict | None = None,
) -> Response:
    """The form of a backfill, with its plan."""
    zone, found = it.timing.clock.zone, None
    since, until = field(given, "since", 40), field(given, "until", 40)
    try:
        begin, end = moment(since, zone, "since"), moment(until, zone, "until")
        if begin is not None and end is not None:
            found = await engine.firings.plan(caller, it.id, begin, end)
    except Invalid as refused:
        problem = problem or refused
    errors = errors_of(problem) if problem else ()
    values = {
        "schedule": it,
        "since": since,
        "until": until,
        "plan": found,
        "zone": zone,
        "overlaps": OVERLAPS,
        "problems": [(f"{each.field.replace('_', ' ')} {each.message}", each.field) for each in errors],
        "title": f"Make up for {it.name}",
    }
    crumbs = (("Schedules", "/schedules"), (it.name, f"/schedules/{it.id}"), ("Backfill", ""))
    place = Place("Schedules", crumbs)
    return await page(request, caller, "schedule_backfill.html", place, values, 422 if problem else 200)


def form_values(form: ScheduleForm, tasks: list[Task], chosen: Task | None) -> dict[str, Any]:
    """What the editor is drawn from."""
    return {
        "form": form,
        "tasks": tasks,
        "fields": parameter_fields(chosen, form.parameters or None, form.errors) if chosen else (),
        "days": DAYS,
        "cron_fields": CRON,
        "units": UNITS,
        "overlaps": OVERLAPS,
        "zones": zone_names(),
        "problems": form.problems,
    }
