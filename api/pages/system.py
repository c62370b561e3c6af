"""The page of the system's health: every part in one line, what it means for the work, and what is done by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import MaintenanceDep, Myself, PlatformReader
from api.pages.formats import MISSING, Viewer, took
from api.pages.rendering import page, viewer
from api.pages.shell import Place
from api.pages.sparks import Spark, draw_spark
from windlass.core.health import Grade, HealthReport, Part, PartHealth, examine
from windlass.core.maintenance import Report, Standing
from windlass.core.permissions import Permission
from windlass.core.pulses import Pulse, Pulses

router = APIRouter(include_in_schema=False)

REPORTS = 100
SHAPES = {Grade.PASS: "finished", Grade.WARN: "awaiting", Grade.FAIL: "failed"}


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part, since when it has been like this, and how it was in the last hour."""

    part: PartHealth
    since: str
    spark: Spark


@dataclass(frozen=True, slots=True)
class SystemPage:
    """The values of `parts/system.html`."""

    sentence: str
    rows: tuple[PartRow, ...]
    is_without_database: bool = False

    @classmethod
    async def load(cls, parts: Sequence[Part], pulses: Pulses, seen: Viewer) -> "SystemPage":
        """Look at every part, and at what is written down about it."""
        report = await examine(parts)
        failed = any(part.name == "database" and part.grade is Grade.FAIL for part in report.parts)
        known: Mapping[str, Pulse] = (
            {} if failed else await pulses.last_hour(seen.now)
        )  # without the database the page says that alone
        rows: list[PartRow] = []
        for part in report.parts:
            pulse = known.get(part.name)
            spark = draw_spark(pulse.minutes if pulse else (), part.figure.partition(" ")[2], seen.now)
            rows.append(PartRow(part, f"since {seen.when(pulse.since)}" if pulse else MISSING, spark))
        return cls(sentence(report), tuple(rows), failed)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One report of a system schedule."""

    shape: str
    due: str
    words: str
    took: str

    @classmethod
    def of(cls, report: Report, seen: Viewer) -> "ReportRow":
        """The report as its reader's clock shows it."""
        shape = "finished" if report.ended_at else "failed" if report.problem else "running"
        length = took(report.began_at, report.ended_at, seen.now).text if report.ended_at else MISSING
        return cls(shape, seen.when(report.due_at), report.words, length)


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A system schedule in one line, with what it did last."""

    name: str
    means: str
    when: str
    next: str
    last: ReportRow | None

    @classmethod
    def of(cls, each: Standing, seen: Viewer) -> "SystemRow":
        """The schedule as its reader's clock shows it."""
        last = None if each.last is None else ReportRow.of(each.last, seen)
        return cls(each.name, each.means, f"{each.when}, {each.time_zone}", seen.when(each.next_at), last)


@router.get("/system")
async def system(request: Request, caller: Myself, maintenance: MaintenanceDep) -> Response:
    """How every part of the installation is; for the operator of the platform also what it does by itself."""
    seen = viewer(request)
    shown = await SystemPage.load(request.state.health, request.state.pulses, seen)
    is_operator = caller.may(Permission.PLATFORM_READ) and not shown.is_without_database
    own = await maintenance.schedules(caller, seen.now) if is_operator else []
    rows = [SystemRow.of(each, seen) for each in own]
    values = {"view": shown, "shapes": SHAPES, "own": rows, "title": "Health"}
    return await page(request, caller, "system.html", Place("Health", (("Health", ""),), ("health",)), values)


@router.get("/system/{name}")
async def system_schedule(request: Request, name: str, caller: PlatformReader, maintenance: MaintenanceDep) -> Response:
    """What one system schedule did."""
    seen = viewer(request)
    reports = await maintenance.reports(caller, name, limit=REPORTS)
    one = next(each for each in await maintenance.schedules(caller, seen.now) if each.name == name)
    rows = [ReportRow.of(each, seen) for each in reports]
    values = {"one": SystemRow.of(one, seen), "rows": rows, "title": name.capitalize()}
    place = Place("Health", (("Health", "/system"), (name.capitalize(), "")), ())
    return await page(request, caller, "system_schedule.html", place, values)


def sentence(report: HealthReport) -> str:
    """The health of everything in one sentence."""
    failed = [part.name for part in report.parts if part.grade is Grade.FAIL]
    warned = [part.name for part in report.parts if part.grade is Grade.WARN]
    if failed:
        return f"{listed(failed).capitalize()} {'is' if len(failed) == 1 else 'are'} down."
    if warned:
        return f"Everything works. Worth a look: {listed(warned)}."
    return "Everything works."


def listed(names: list[str]) -> str:
    """Names in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
