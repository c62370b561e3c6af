"""The live part of the pages of desktops."""

from collections.abc import Sequence

from starlette.requests import Request

from api.authentication import csrf_token
from api.engine import Engine
from api.pages import desktops
from api.pages.fragments import Fragment
from api.pages.rendering import templates, viewer
from api.pages.screens import Endless, as_id, changed_keys
from api.pages.shell import Frame, Place, Shell
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.multiplex import Update
from windlass.core.states import StateChange
from windlass.core.wakeup import DESKTOPS, RUNS

TASK = b'"agent":"desktop"'  # in a run's line of the state


def _has_tasks(updates: Sequence[Update]) -> bool:
    """Whether a task of some desktop has changed."""
    changes = (each for each in updates if isinstance(each, StateChange) and each.topic == RUNS)
    return any(TASK in value for change in changes for value in change.parts.values() if value)


class DesktopsScreen(Endless):
    """All tiles, or one desktop: drawn anew when one of them has changed."""

    def __init__(self, engine: Engine, caller: Caller, request: Request) -> None:
        self._engine, self._caller, self._request = engine, caller, request
        self._one = as_id(request.query_params.get("id", ""))

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """The tiles, or the one desktop, when they have changed."""
        changed = changed_keys(updates, DESKTOPS)
        is_mine = str(self._one) in changed if self._one else bool(changed)
        if not is_mine and not _has_tasks(updates):
            return []
        frame = Frame("", False, csrf_token(self._request, self._caller), "/desktops")
        shell = Shell(self._caller, viewer(self._request), frame, Place("Desktops", ()))
        if self._one is None:
            values = await desktops.tiles(self._request, self._caller, self._engine)
            return [Fragment("desktops", templates().render("parts/desktops.html", {**values, "shell": shell}))]
        try:
            found = await self._engine.desktops.get(self._caller, self._one)
        except NotFound:
            return [Fragment("desktop", how="drop")]
        values = await desktops.parts(self._request, self._caller, self._engine, found)
        return [Fragment("desktop", templates().render("parts/desktop.html", {**values, "shell": shell}))]
