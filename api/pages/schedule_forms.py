"""The form of a schedule: when, in four ways of saying it, and what is done then."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from api.pages.rendering import Form
from api.pages.rendering import field as text_of
from windlass.contracts.firings import Overlap
from windlass.core.calendars import Due, Timing, due_times, in_words, read_timing, zone_named
from windlass.core.calendars.timing import check_year
from windlass.core.errors import FieldError, Invalid
from windlass.core.schedules import Policy, Schedule

KINDS = ("simple", "cron", "every", "once")
DAYS = (("1", "Mon"), ("2", "Tue"), ("3", "Wed"), ("4", "Thu"), ("5", "Fri"), ("6", "Sat"), ("0", "Sun"))
CRON = (("minute", "minute"), ("hour", "hour"), ("day", "day of month"), ("month", "month"), ("week", "day of week"))
UNITS = (("60", "minutes"), ("3600", "hours"), ("86400", "days"), ("1", "seconds"))
NEXT = 10
NEAR = timedelta(days=340)  # what is further off needs its year
OVERLAPS = (
    (Overlap.SKIP, "Skip this one", "the earlier one goes on alone"),
    (Overlap.BUFFER_ONE, "Wait, one at most", "it starts when the earlier one ends"),
    (Overlap.BUFFER_ALL, "Wait in line", "they start one after the other"),
    (Overlap.CANCEL_OTHER, "Cancel the earlier one", "it starts when that has stopped"),
    (Overlap.TERMINATE_OTHER, "End the earlier one", "it starts at once"),
    (Overlap.ALLOW_ALL, "Let both run", "side by side"),
)
COPIED = (
    "name task kind time days cron every unit at time_zone start_at end_at overlap catch_up jitter remaining on_failure"
)


@dataclass(frozen=True, slots=True)
class ScheduleForm:
    """A form as somebody left it, and what is wrong with it."""

    name: str = ""
    task: str = ""
    kind: str = "simple"
    time: str = "07:30"
    days: tuple[str, ...] = ("1", "2", "3", "4", "5")
    cron: tuple[str, ...] = ("30", "7", "*", "*", "1-5")
    every: str = "1"
    unit: str = "3600"
    at: str = ""
    time_zone: str = "UTC"
    start_at: str = ""
    end_at: str = ""
    overlap: str = "skip"
    catch_up: str = "10"
    jitter: str = "0"
    remaining: str = ""
    on_failure: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    errors: tuple[FieldError, ...] = ()

    def wrong(self, *names: str) -> str:
        """What is wrong with one of these fields."""
        return "; ".join(error.message for error in self.errors if error.field in names)

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Everything that is wrong, with the place in the page it leads to."""
        return tuple((f"{error.field.replace('_', ' ')} {error.message}", place(error.field)) for error in self.errors)


@dataclass(frozen=True, slots=True)
class NextRow:
    """One of the next due times."""

    number: int
    day: str
    time: str
    zone: str
    away: str
    skipped: str
    note: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A timing in words and its next due times; or what is wrong with it."""

    words: str = ""
    rows: tuple[NextRow, ...] = ()
    wrong: str = ""


def place(name: str) -> str:
    """The id in the page of the field that a core field is."""
    return {"cron": "when", "interval_s": "every", "offset_s": "every", "catch_up_s": "catch_up"}.get(name, name)


def read_schedule_form(form: Form) -> ScheduleForm:
    """The posted form, or the query of a preview."""
    texts = {name: text_of(form, name, 200) for name in COPIED.split() if name not in ("days", "cron", "on_failure")}
    given = {name: text for name, text in texts.items() if text or name in form}
    days = tuple(day for day in form.get("days", []) if day in dict(DAYS))
    cron = tuple(text_of(form, f"cron-{name}", 100) or "*" for name, _ in CRON)
    values: dict[str, Any] = {**given, "days": days, "cron": cron, "on_failure": bool(form.get("on_failure"))}
    return ScheduleForm(**values)


def form_of(schedule: Schedule) -> ScheduleForm:
    """A schedule as its form shows it."""
    timing, policy = schedule.timing, schedule.policy
    shown = ScheduleForm(
        name=schedule.name,
        task=str(schedule.task_id),
        time_zone=timing.time_zone,
        start_at=local(timing.start_at, timing.time_zone),
        end_at=local(timing.end_at, timing.time_zone),
        overlap=policy.overlap,
        catch_up=f"{policy.catch_up_s / 60:g}",
        jitter=str(policy.jitter_s),
        remaining=str(policy.remaining or ""),
        on_failure=policy.pause_on_failure,
        parameters=policy.parameters,
    )
    return _with_timing(shown, timing)


def timing_in(form: ScheduleForm) -> dict[str, Any]:
    """When, as the core reads it. Raises Invalid."""
    zone = zone_named(form.time_zone)
    bounds = {name: moment(getattr(form, name), zone, name) for name in ("start_at", "end_at")}
    when: dict[str, Any]
    match form.kind:
        case "cron":
            when = {"cron": " ".join(form.cron)}
        case "every":
            when = {"interval_s": _seconds(form)}
        case "once":
            when = {"at": form.at or "never"}
        case _:
            when = {"cron": _simple(form)}
    return {**when, "time_zone": form.time_zone, **{name: at for name, at in bounds.items() if at}}


def policy_in(form: ScheduleForm, parameters: Mapping[str, Any]) -> Policy:
    """What is done then. Raises Invalid."""
    errors: list[FieldError] = []

    def number(name: str, text: str, most: float, scale: int = 1) -> int:
        try:
            found = float(text or "0") * scale
        except ValueError:
            found = -1.0
        if not 0 <= found <= most:
            errors.append(FieldError(name, f"must be a number from 0 to {most / scale:g}"))
            return 0
        return int(found)

    catch_up, jitter = number("catch_up", form.catch_up, 86400, 60), number("jitter", form.jitter, 86400)
    remaining = number("remaining", form.remaining, 1_000_000) or None
    if form.overlap not in set(Overlap):
        errors.append(FieldError("overlap", "must be one of the six"))
    if errors:
        raise Invalid("The schedule was not saved.", tuple(errors))
    return Policy(jitter, Overlap(form.overlap), catch_up, form.on_failure, remaining, dict(parameters))


def preview(form: ScheduleForm, now: datetime) -> Preview:
    """What the form says, in words and times; wrong is what could not be saved."""
    try:
        timing = read_timing(timing_in(form), now)
    except Invalid as refused:
        return Preview(wrong="; ".join(f"{each.field.replace('_', ' ')} {each.message}" for each in refused.errors))
    return preview_of(timing, now)


def preview_of(timing: Timing, now: datetime) -> Preview:
    """A timing in words and its next due times."""
    zone = ZoneInfo(timing.time_zone)
    rows = (next_row(number, due, zone, now) for number, due in enumerate(due_times(timing, now, NEXT), 1))
    return Preview(in_words(timing), tuple(rows))


def next_row(number: int, due: Due, zone: ZoneInfo, now: datetime) -> NextRow:
    """A due time as its zone's clock shows it."""
    at = due.at.astimezone(zone)
    year = f" {at.year}" if due.at - now > NEAR else ""
    time = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
    utc = f"{due.at.astimezone(UTC):%H:%M}"
    return NextRow(
        number,
        f"{at:%a} {at.day} {at:%b}{year}",
        time,
        f"{at:%Z}, {utc} UTC",
        away(due.at - now),
        due.skipped,
        due.note,
    )


def away(length: timedelta) -> str:
    """How far off, coarse: `in 12s`, `in 5m`, `in 3h`, `in 7d`, `in 10w`."""
    seconds = max(int(length.total_seconds()), 0)
    for size, unit in ((604_800 * 3, "w"), (86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"in {seconds // (604_800 if unit == 'w' else size)}{unit}"
    return f"in {seconds}s"


def moment(text: str, zone: ZoneInfo | None, name: str) -> datetime | None:
    """A time of the form in its zone. Raises Invalid."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("The schedule was not saved.", (FieldError(name, "must be a date and time"),)) from None
    check_year(name, at)
    return at if at.tzinfo else at.replace(tzinfo=zone or UTC)


def local(at: datetime | None, zone: str) -> str:
    """A time as a field of the form shows it."""
    return "" if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}"


def task_id(form: ScheduleForm) -> UUID:
    """The task that is chosen. Raises Invalid."""
    try:
        return UUID(form.task)
    except ValueError:
        raise Invalid("The schedule was not saved.", (FieldError("task", "must be chosen"),)) from None


def _with_timing(form: ScheduleForm, timing: Timing) -> ScheduleForm:
    source = timing.source
    if timing.kind == "cron":
        parts = tuple(str(source["cron"]).split())
        return _simplified(replace(form, kind="cron", cron=parts))
    if timing.kind == "interval":
        seconds = int(source["interval_s"])
        unit = next(size for size in (86400, 3600, 60, 1) if seconds % size == 0)
        return replace(form, kind="every", every=str(seconds // unit), unit=str(unit))
    if timing.kind == "at":
        return replace(form, kind="once", at=local(datetime.fromisoformat(str(source["at"])), timing.time_zone))
    named = dict(source["calendar"])
    order = (("minute", "0"), ("hour", "0"), ("day_of_month", "*"), ("month", "*"), ("day_of_week", "*"))
    return replace(form, kind="cron", cron=tuple(str(named.get(name, default)) for name, default in order))


def _simplified(form: ScheduleForm) -> ScheduleForm:
    """The simple way of saying a cron expression, where there is one."""
    minute, hour, day, month, week = form.cron
    listed = {"*": "1,2,3,4,5,6,0", "1-5": "1,2,3,4,5"}.get(week, week).split(",")
    if (day, month) != ("*", "*") or not (minute.isdecimal() and hour.isdecimal()) or set(listed) - dict(DAYS).keys():
        return form
    return replace(form, kind="simple", time=f"{int(hour):02d}:{int(minute):02d}", days=tuple(listed))


def _simple(form: ScheduleForm) -> str:
    hour, colon, minute = form.time.partition(":")
    if not (colon and hour.isdecimal() and minute[:2].isdecimal()):
        raise Invalid("The schedule was not saved.", (FieldError("time", "must be a time such as 07:30"),))
    if not form.days:
        raise Invalid("The schedule was not saved.", (FieldError("days", "must have at least one day"),))
    week = "*" if len(form.days) == len(DAYS) else ",".join(form.days)
    return f"{int(minute[:2])} {int(hour)} * * {'1-5' if week == '1,2,3,4,5' else week}"


def _seconds(form: ScheduleForm) -> int:
    if not form.every.isdecimal() or form.unit not in dict(UNITS):
        raise Invalid("The schedule was not saved.", (FieldError("every", "must be a whole number"),))
    return min(int(form.every), 10**9) * int(form.unit)
