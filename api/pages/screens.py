"""What the live parts of pages are drawn from: the rail, the list of runs, the home page, the system's health."""

from collections.abc import Sequence
from time import monotonic
from typing import Protocol
from uuid import UUID

from starlette.requests import Request

from api.authentication import csrf_token
from api.engine import Engine
from api.pages.fragments import Fragment, live_count, needs_count
from api.pages.home import HomePage
from api.pages.rendering import rail_counts, templates, viewer
from api.pages.runs_bulk import acts_of
from api.pages.runs_list import row
from api.pages.shell import Counts, Frame, Place, Shell
from api.pages.system import SHAPES, SystemPage
from windlass.contracts.questions import TOPIC
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.multiplex import Update
from windlass.core.runs import Run
from windlass.core.states import StateChange

CALM_S = 1.0  # between two drawings of a whole page
CALM_SHARE = 10  # and so many times as long as drawing it took


class Screen(Protocol):
    """A part of a page that changes by itself."""

    @property
    def is_over(self) -> bool:
        """Whether it will never change again."""
        ...

    @property
    def is_stale(self) -> bool:
        """Whether there is something to draw that has only been put off."""
        ...

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """What has to change on the page; without updates everything the first time, then what time has changed."""
        ...


def changed_keys(updates: Sequence[Update], topic: str) -> set[str]:
    """The keys of a state that have changed."""
    changes = (update for update in updates if isinstance(update, StateChange) and update.topic == topic)
    return {key for change in changes for key in change.parts}


class Endless:
    """A screen that changes as long as somebody looks."""

    is_over = False
    is_stale = False


class RailScreen(Endless):
    """The numbers in the rail."""

    def __init__(self, engine: Engine, caller: Caller) -> None:
        self._engine, self._caller = engine, caller
        self._shown: Counts | None = None

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """The numbers of live runs and of open questions, when they have changed."""
        if "counts" not in changed_keys(updates, "runs") and not changed_keys(updates, TOPIC):
            return []
        counts = await rail_counts(self._engine, self._caller)
        if counts == self._shown:
            return []
        self._shown = counts
        return [live_count(counts), needs_count(counts)]


class ListScreen(Endless):
    """The rows of the list of runs, and whether there are newer ones."""

    def __init__(self, engine: Engine, caller: Caller, request: Request, rows: str) -> None:
        self._engine, self._caller, self._request = engine, caller, request
        self._rows = {identity for text in rows.split(".")[:200] if (identity := as_id(text)) is not None}
        self._counts_newer = "newest" in request.query_params
        self._newer: set[UUID] = set()
        self._asking: set[UUID] | None = None

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """The rows that have changed; newer runs are counted, never pushed in."""
        changed = {each for key in changed_keys(updates, "runs") if (each := as_id(key)) is not None}
        changed |= await self._asked(updates)
        fragments = [await self._row(identity) for identity in changed & self._rows]
        fresh = {each for each in changed - self._rows if self._counts_newer and each > max(self._rows, default=each)}
        if fresh - self._newer:
            self._newer |= fresh
            count = len(self._newer)
            html = templates().macro("run_rows", "newer", count, self._request.query_params.get("back", "/runs"))
            fragments.append(Fragment("newer", html))
        return [fragment for fragment in fragments if fragment is not None]

    async def _asked(self, updates: Sequence[Update]) -> set[UUID]:
        """The rows that have begun, or ceased, to wait for an answer."""
        if self._asking is not None and not changed_keys(updates, TOPIC):
            return set()
        before, self._asking = self._asking, await self._engine.questions.asking(self._caller, list(self._rows))
        return set() if before is None else before ^ self._asking

    async def _row(self, identity: UUID) -> Fragment | None:
        try:
            run: Run = await self._engine.runs.get(self._caller, identity)
        except NotFound:
            return Fragment(f"run-{identity}", how="drop")
        steps = (await self._engine.runs.steps(self._caller, [identity]))[run.id]
        drawn = row(run, steps, viewer(self._request), asks=identity in (self._asking or ()))
        # a bare table row would be dropped by the parser, so it travels inside a template
        return Fragment(
            f"run-{identity}", templates().macro("run_rows", "table_row", drawn, bool(acts_of(self._caller)))
        )


class HomeScreen(Endless):
    """The home page, drawn anew when runs change, at most once a second."""

    def __init__(self, engine: Engine, caller: Caller, request: Request) -> None:
        self._engine, self._caller, self._request = engine, caller, request
        self._drawn_at, self._calm_s = monotonic(), CALM_S
        self.is_stale = False

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """The page's content."""
        self.is_stale = self.is_stale or bool(changed_keys(updates, "runs") or changed_keys(updates, TOPIC))
        if not self.is_stale or monotonic() - self._drawn_at < self._calm_s:
            return []
        self.is_stale, began = False, monotonic()
        shown = await HomePage.load(self._engine, self._caller, self._request.state.health, viewer(self._request))
        frame = Frame("", False, csrf_token(self._request, self._caller), "/")
        shell = Shell(self._caller, viewer(self._request), frame, Place("Home", ()))
        html = templates().render("parts/home.html", {"view": shown, "shell": shell, "shapes": SHAPES})
        self._drawn_at = monotonic()
        self._calm_s = max(CALM_S, CALM_SHARE * (self._drawn_at - began))
        return [Fragment("home", html)]


class SystemScreen(Endless):
    """The page of the system's health."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def draw(self, updates: Sequence[Update]) -> list[Fragment]:
        """Every part, when one has changed."""
        if not changed_keys(updates, "health"):
            return []
        state = self._request.state
        shown = await SystemPage.load(state.health, state.pulses, viewer(self._request))
        values = {"view": shown, "shapes": SHAPES}
        return [Fragment("system", templates().render("parts/system.html", values))]


def as_id(text: str) -> UUID | None:
    """The id in a text, None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
