"""Has all screens looked at, when somebody asks for that, and says what came of it."""

import asyncio
from uuid import UUID

from api.engine import Engine
from windlass.contracts.screens import COOLDOWN_S
from windlass.core.callers import Caller
from windlass.core.errors import Conflict, NotFound, Unavailable

AT_ONCE = 8
NOW_S = 2.0  # what is no older was looked at because of this


async def looked(engine: Engine, caller: Caller, only: UUID | None = None) -> str:
    """Look at every screen the caller may see, or at one, and say how many are new. Raises NotFound."""
    found = await engine.desktops.catalogue(caller) if only is None else [await engine.desktops.get(caller, only)]
    places, on = asyncio.Semaphore(AT_ONCE), [each for each in found if each.status.is_on]

    async def age_s(desktop_id: UUID) -> float | None:
        async with places:
            try:
                return (await engine.cameras.picture(caller, desktop_id)).age_s
            except (Conflict, NotFound, Unavailable):
                return None

    ages = await asyncio.gather(*(age_s(each.id) for each in on))
    seen = [age for age in ages if age is not None]
    return sentence(sum(age < NOW_S for age in seen), sum(age >= NOW_S for age in seen), len(ages) - len(seen))


def sentence(new: int, recent: int, failed: int) -> str:
    """What came of looking."""
    if not new + recent + failed:
        return "No desktop is on"
    said = [f"{new} {'screen' if new == 1 else 'screens'} looked at"]
    said += [f"{recent} seen less than {COOLDOWN_S:g}s ago"] if recent else []
    said += [f"{failed} not to be seen"] if failed else []
    return ", ".join(said)
