"""The live part of a boot's page: drawn anew whenever something was said."""

from collections.abc import Sequence

from starlette.requests import Request

from api.authentication import csrf_token
from api.engine import Engine
from api.pages import boot as pages
from api.pages.fragments import Fragment, say
from api.pages.rendering import templates, viewer
from api.pages.screens import as_id
from api.pages.shell import Frame, Place, Shell
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.multiplex import LogUpdate, Update


class BootScreen:
    """One boot as it goes on, to its end."""

    is_stale = False

    def __init__(self, engine: Engine, caller: Caller, request: Request) -> None:
        self._engine, self._caller, self._request = engine, caller, request
        self._id = as_id(request.query_params.get("id", ""))
        self._is_drawn = False
        self.is_over = False

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """All of it after a new message, and the first time."""
        if self._is_drawn and not any(isinstance(each, LogUpdate) for each in updates):
            return []
        self._is_drawn = True
        try:
            boot = await self._engine.boots.get(self._caller, self._id)
        except NotFound:
            return [Fragment("boot", how="drop")]
        self.is_over = not boot.is_running
        frame = Frame("", False, csrf_token(self._request, self._caller), f"/boot/{boot.id}")
        shell = Shell(self._caller, viewer(self._request), frame, Place("Services", ()))
        values = {**await pages.parts(self._request, self._caller, self._engine, boot), "shell": shell}
        drawn = Fragment("boot", templates().render("parts/boot.html", values))
        seq = Fragment("seq", f'<span class="seq" id="seq">seq {values["seq"]}</span>')
        return [drawn, seq, say("The boot is over")] if self.is_over else [drawn, seq]
