"""The page of the system's health: every part in one line, and what it means for the work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import Myself
from api.pages.formats import MISSING, Viewer
from api.pages.rendering import page, viewer
from api.pages.shell import Place
from api.pages.sparks import Spark, draw_spark
from windlass.core.health import Grade, HealthReport, Part, PartHealth, examine
from windlass.core.pulses import Pulse, Pulses

router = APIRouter(include_in_schema=False)

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
        return cls(sentence(report), tuple(rows))


@router.get("/system")
async def system(request: Request, caller: Myself) -> Response:
    """How every part of the installation is."""
    shown = await SystemPage.load(request.state.health, request.state.pulses, viewer(request))
    values = {"view": shown, "shapes": SHAPES, "title": "Health"}
    return await page(request, caller, "system.html", Place("Health", (("Health", ""),), ("health",)), values)


def sentence(report: HealthReport) -> str:
    """The health of everything in one sentence."""
    failed = [part.name for part in report.parts if part.grade is Grade.FAIL]
    warned = [part.name for part in report.parts if part.grade is Grade.WARN]
    if failed:
        return f"{listed(failed).capitalize()} {'is' if len(failed) == 1 else 'are'} down."
    if warned:
        return f"Everything works. Have a look at {listed(warned)}."
    return "Everything works."


def listed(names: list[str]) -> str:
    """Names in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
