"""The live parts of the pages of sessions: the list, and one conversation as it is spoken."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from markupsafe import escape
from starlette.requests import Request

from api.authentication import csrf_token
from api.engine import Engine
from api.pages import sessions
from api.pages.fragments import Fragment, say
from api.pages.rendering import templates, viewer
from api.pages.screens import Endless, as_id, changed_keys
from api.pages.shell import Frame, Place, Shell
from windlass.contracts.events import EventKind
from windlass.contracts.sessions import TOPIC
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.frames import Frame as LogFrame
from windlass.core.multiplex import LogUpdate, Update

PARTS = ("head", "talk", "waits", "aside")
NOTHING = '<div id="writing"></div>'


class SessionsScreen(Endless):
    """The list, drawn anew when one of the sessions has changed."""

    def __init__(self, engine: Engine, caller: Caller, request: Request) -> None:
        self._engine, self._caller, self._request = engine, caller, request

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """The rows, when they have changed."""
        if not changed_keys(updates, TOPIC):
            return []
        values = {**await sessions.rows(self._request, self._caller, self._engine)}
        return [Fragment("sessions", templates().render("parts/sessions.html", values))]


class SessionScreen(Endless):
    """One conversation: words as they come, everything else when something was recorded."""

    def __init__(self, engine: Engine, caller: Caller, request: Request) -> None:
        self._engine, self._caller, self._request = engine, caller, request
        self._id: UUID | None = as_id(request.query_params.get("id", ""))
        self._writing: dict[str, int] = {}  # attempt by item
        self._seq = -1

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """The words on their way, and the parts after a new event; everything the first time."""
        logs = [each.frame for each in updates if isinstance(each, LogUpdate)]
        recorded = [frame for frame in logs if frame.seq is not None]
        words = [each for frame in logs if frame.seq is None and self._id for each in self._write(frame)]
        if not recorded and self._seq >= 0:
            return words
        self._seq = max([self._seq, 0, *(frame.seq or 0 for frame in recorded)])
        told = [orjson.loads(frame.data) for frame in recorded]
        if any(_ends_words(each) for each in told):
            self._writing.clear()
            words = [Fragment("writing", NOTHING)]
        parts = await self._parts()
        said = [say("Claude answered")] if any(_is_answer(each) for each in told) else []
        return parts + (words + said if self._id else [])

    async def _parts(self) -> list[Fragment]:
        if self._id is None:
            return []
        try:
            found = await self._engine.sessions.get(self._caller, self._id)
        except NotFound:
            self._id = None  # deleted, or somebody else's now
            return [Fragment("session", how="drop")]
        frame = Frame("", False, csrf_token(self._request, self._caller), f"/sessions/{self._id}")
        shell = Shell(self._caller, viewer(self._request), frame, Place("Sessions", ()))
        values = {**await sessions.parts(self._request, self._caller, self._engine, found), "shell": shell}
        drawn = {name: templates().render(f"parts/session_{name}.html", values) for name in PARTS}
        seq = f'<span class="seq" id="seq">seq {self._seq}</span>' if self._seq else ""
        parts = [Fragment(f"session-{name}", html) for name, html in drawn.items()]
        return [*parts, *([Fragment("seq", seq)] if seq else [])]

    def _write(self, frame: LogFrame) -> list[Fragment]:
        """Words of an answer; a higher attempt begins it anew."""
        payload: dict[str, Any] = orjson.loads(frame.data)["payload"]
        item, attempt, text = str(payload["item"]), int(payload["attempt"]), str(payload["text"])
        known = self._writing.get(item)
        if known is not None and attempt < known:
            return []
        if known == attempt:
            return [Fragment(f"w-{item}", str(escape(text)), "write")]
        self._writing[item] = attempt
        return [Fragment("writing", templates().macro("talk", "writing", item, text))]


def _is_answer(told: dict[str, Any]) -> bool:
    """Whether this is a message of the model, and not what somebody says meanwhile."""
    return told["kind"] == EventKind.MESSAGE and told["payload"].get("role") == "assistant"


def _ends_words(told: dict[str, Any]) -> bool:
    """Whether the words on their way are a message now, or will never be one."""
    return _is_answer(told) or (told["kind"] == EventKind.STATUS and "end" in told["payload"])
