"""Schedules and firings as rows of pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from api.pages.formats import MISSING, Viewer, counted, duration, money
from api.pages.schedule_forms import away
from windlass.contracts.firings import Decision
from windlass.core.calendars import due_times, in_words
from windlass.core.firings import Firing
from windlass.core.history import Statistics
from windlass.core.schedules import Schedule

SHAPES: Mapping[Decision, str] = {
    Decision.STARTED: "finished",
    Decision.LATE: "finished",
    Decision.BUFFERED: "queued",
    Decision.SKIPPED: "skipped",
    Decision.REFUSED: "failed",
    Decision.FAILED: "failed",
    Decision.UNKNOWN: "lost",
}
STATES = {"on": ("finished", "On"), "paused": ("paused", "Paused"), "ended": ("offline", "Ended")}
AHEAD = timedelta(days=30)
COUNTED = 200


@dataclass(frozen=True, slots=True)
class FiringRow:
    """One firing in a list."""

    id: UUID
    due: str
    shape: str
    decision: str
    reason: str
    run_id: UUID | None
    run: str
    run_shape: str
    cost: str


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One schedule in the list; `ticks` are its last decisions, the newest last."""

    id: UUID
    name: str
    shape: str
    state: str
    task: str
    task_id: UUID
    words: str
    zone: str
    next: str
    next_at: datetime | None
    last: str
    ticks: tuple[tuple[str, str], ...]


def firing_row(it: Firing, seen: Viewer) -> FiringRow:
    """A firing as a row."""
    due = seen.when(it.scheduled_at)
    if it.until is not None:
        due = f"{due} to {seen.when(it.until)}, {it.count} times"
    took = f" in {duration(it.run_took_s)}" if it.run_took_s is not None else ""
    return FiringRow(
        it.id,
        due,
        "starting" if it.decision is None else SHAPES[it.decision],
        "On its way" if it.decision is None else it.decision.capitalize(),
        it.reason or (f"asked for by {it.asked_by_name}" if it.asked_by_name else ""),
        it.run_id,
        MISSING if it.run_status is None else f"{it.run_status}{took}",
        "" if it.run_status is None else str(it.run_status),
        money(None if it.run_cost_usd is None else Decimal(str(it.run_cost_usd))),
    )


def schedule_row(it: Schedule, last: Sequence[Firing], seen: Viewer) -> ScheduleRow:
    """A schedule as a row."""
    shape, state = STATES[it.state]
    following = it.timing.next_after(seen.now) if it.state == "on" else None
    rows = [firing_row(each, seen) for each in last]
    return ScheduleRow(
        it.id,
        it.name,
        shape,
        state,
        it.task_name,
        it.task_id,
        in_words(it.timing),
        it.timing.time_zone,
        MISSING if following is None else f"{seen.when(following)}, {away(following - seen.now)}",
        following,
        f"{rows[0].decision}: {rows[0].reason}" if rows else "not due yet",
        tuple((row.shape, f"{row.due} {row.decision}: {row.reason}") for row in reversed(rows)),
    )


def takes(numbers: Statistics, it: Schedule, now: datetime) -> tuple[tuple[str, str], ...]:
    """What its firings take, as the task's history says."""
    cost = None if numbers.usual_cost_usd is None else Decimal(str(numbers.usual_cost_usd))
    count = sum(1 for due in due_times(it.timing, now, COUNTED) if due.at <= now + AHEAD and not due.skipped)
    most = f"{COUNTED} runs or more" if count >= COUNTED else counted(count, "run")
    month = None if cost is None else cost * count
    return (
        ("One firing", f"{money(cost)}, {duration(numbers.took_p50_s)}"),
        ("Next 30 days", f"{most}, {money(month)}" if it.state == "on" else MISSING),
        ("Finished", MISSING if numbers.success_rate is None else f"{numbers.success_rate:.0%}"),
        ("Zone", f"{it.timing.time_zone}, now {now.astimezone(ZoneInfo(it.timing.time_zone)):%H:%M}"),
    )
