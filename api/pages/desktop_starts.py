"""How a desktop begins: the steps of one that starts, and whether there is room for one more."""

from dataclasses import dataclass
from datetime import datetime

from api.engine import Engine
from api.pages.formats import duration
from windlass.contracts.desktops import DesktopStatus, Step, Template
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop

WORDS = {Step.PLACED: "place on {}", Step.MADE: "container made", Step.UP: "container up"}
LAST = "screen"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a start, and how long it took once it is done."""

    shape: str
    name: str
    took: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """How many more desktops the caller may have, and what the usual one is made of."""

    left: int
    limit: int
    made_of: Template


def beginning(desktop: Desktop) -> list[Stage]:
    """The steps of a desktop that starts; none of one that does not."""
    if desktop.status is not DesktopStatus.STARTING or desktop.changed_at is None:
        return []
    stages: list[Stage] = []
    before = desktop.changed_at
    for step, word in WORDS.items():
        at = desktop.steps.get(step)
        name = word.format(desktop.node) if at else word.format("a machine")
        if at is None:
            stages.append(Stage("queued", name))
            continue
        now = datetime.fromisoformat(at)
        stages.append(Stage("finished", name, duration((now - before).total_seconds())))
        before = now
    stages.append(Stage("queued", LAST))
    done = sum(stage.shape == "finished" for stage in stages)
    return [Stage("starting", stage.name) if place == done else stage for place, stage in enumerate(stages)]


async def room(engine: Engine, caller: Caller, found: list[Desktop]) -> Room:
    """What is left of the caller's limit."""
    limit = engine.desktops.per_person
    own = sum(desktop.owner == caller.person_id for desktop in found)
    standard = (await engine.desktop_templates.catalogue(caller))[0]
    return Room(max(limit - own, 0), limit, standard.made_of)
