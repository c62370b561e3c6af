"""The page of the system's health: every part in one line, and what it means for the work."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.dependencies import Myself
from api.pages.rendering import page
from api.pages.shell import Place
from windlass.core.health import Grade, HealthReport, examine

router = APIRouter(include_in_schema=False)

SHAPES = {Grade.PASS: "finished", Grade.WARN: "awaiting", Grade.FAIL: "failed"}


@router.get("/system")
async def system(request: Request, caller: Myself) -> Response:
    """How every part of the installation is."""
    report = await examine(request.state.health)
    values = {"report": report, "shapes": SHAPES, "sentence": sentence(report), "title": "Health"}
    return await page(request, caller, "system.html", Place("Health", (("Health", ""),), ("health",)), values)


def sentence(report: HealthReport) -> str:
    """The health of everything in one sentence."""
    failed = [part.name for part in report.parts if part.grade is Grade.FAIL]
    warned = [part.name for part in report.parts if part.grade is Grade.WARN]
    if failed:
        return f"{listed(failed).capitalize()} {'is' if len(failed) == 1 else 'are'} down."
    if warned:
        return f"Everything works. {listed(warned).capitalize()} {'needs' if len(warned) == 1 else 'need'} a look."
    return "Everything works."


def listed(names: list[str]) -> str:
    """Names in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
