"""`/ui/stream`: what changes on a page, as fragments of HTML that the page's script puts in place."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from api.dependencies import AuthenticationDep, EngineDep
from api.engine import Engine
from api.pages.boot_screen import BootScreen
from api.pages.dashboard_screen import DashboardScreen
from api.pages.desktops_screen import DesktopsScreen
from api.pages.fragments import Fragment, event, fragments_event
from api.pages.run_screen import RunScreen
from api.pages.screens import HomeScreen, ListScreen, RailScreen, Screen, SystemScreen
from api.pages.sessions_screen import SessionScreen, SessionsScreen
from api.routes.runs import RunReader
from api.routes.stream import MultiplexerDep, may_follow
from api.sse import EventStream
from windlass.contracts.sessions import TOPIC as SESSIONS
from windlass.core.callers import Caller
from windlass.core.errors import NotFound
from windlass.core.multiplex import LogUpdate, Multiplex, Update
from windlass.core.wakeup import DESKTOPS

router = APIRouter(include_in_schema=False)

GATHER_S = 0.1  # fragments come at most ten times a second
STALE_S = 0.25  # how soon a screen that has put something off is asked again
TICK_S = 2.0  # how often a screen may look at the clock alone
OF_TOPICS: Mapping[str, Callable[[Engine, Caller, Request], Screen]] = {
    DESKTOPS: DesktopsScreen,
    SESSIONS: SessionsScreen,
    "boot:": BootScreen,
    "session:": SessionScreen,
}
MOST_WAITING = 2000  # updates; beyond that the page is so slow that the hub ends its subscription


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page follows (`topics`), from where in its logs: the seq it was drawn at, or a cursor of its stream."""

    topics: tuple[str, ...]
    cursor: str
    at: str

    @property
    def names(self) -> list[str]:
        """The topics, with the place to begin at."""
        start = f"@{self.at}" if self.at.isdecimal() and not self.cursor else ""
        return [f"{name}{start}" if name.startswith(("run:", "session:", "boot:")) else name for name in self.topics]


async def read_wish(topics: str, at: str = "", cursor: str = "", last_event_id: Annotated[str, Header()] = "") -> Wish:
    """The wish in an address; what the browser saw last wins."""
    return Wish(tuple(name for name in topics.split(",") if name)[:8], last_event_id or cursor, at[:16])


@router.get("/ui/stream")
async def stream(
    request: Request,
    wish: Annotated[Wish, Depends(read_wish)],
    caller: RunReader,
    engine: EngineDep,
    multiplexer: MultiplexerDep,
    known: AuthenticationDep,
) -> Response:
    """Follow the topics of one page, in the view its address says, from where the page has got to."""
    multiplex = await multiplexer.open(caller, wish.names, wish.cursor)
    screens = await open_screens(request, wish, caller, engine)
    follows = partial(may_follow, known, multiplexer, caller, multiplex)
    return EventStream(LivePage(multiplex, screens), bytes, follows)


async def open_screens(request: Request, wish: Wish, caller: Caller, engine: Engine) -> list[Screen]:
    """The live parts of the page."""
    screens: list[Screen] = [
        await RunScreen.open(engine, caller, name, request) for name in wish.topics if name.startswith("run:")
    ]
    if "runs" in wish.topics:
        screens.append(RailScreen(engine, caller))
    if "health" in wish.topics:
        screens.append(SystemScreen(request))
    for noun, kind in OF_TOPICS.items():
        if any(name.startswith(noun) if noun.endswith(":") else name == noun for name in wish.topics):
            screens.append(kind(engine, caller, request))
    if request.query_params.get("page") == "home":
        screens.append(HomeScreen(engine, caller, request))
    elif request.query_params.get("page") == "dashboard":
        screens.append(DashboardScreen(engine, caller, request))
    elif rows := request.query_params.get("rows"):
        screens.append(ListScreen(engine, caller, request, rows))
    return screens


class LivePage:
    """Gathers what has happened, lets the screens draw it, and hands out one write for all of it."""

    def __init__(self, multiplex: Multiplex, screens: Sequence[Screen]) -> None:
        self._multiplex, self._screens = multiplex, screens
        logs = multiplex.logs.values()
        self._was_over = bool(logs) and all(log.is_over for log in logs)  # the page has seen the end already
        self._waiting: list[Update] = []
        self._bell, self._room = asyncio.Event(), asyncio.Event()
        self._cursor = ""
        self._is_ended = self._is_dry = False

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        return self._is_ended

    @property
    def must_resync(self) -> bool:
        """Whether the page was too slow and has to come again."""
        return self._multiplex.must_resync

    def end(self) -> None:
        """Stop."""
        self._is_ended = True
        self._multiplex.end()
        self._bell.set()

    async def batches(self, patience_s: float) -> AsyncGenerator[list[bytes]]:
        """The whole state once, then what changes; an empty batch says that it was silent for so long."""
        pump = asyncio.create_task(self._pump(), name="live page")
        try:
            yield self._closed(await self._drawn([]))
            spoke_at = monotonic()
            while not self._is_ended:
                written = await self._next()
                if written or monotonic() - spoke_at > patience_s:
                    spoke_at = monotonic()
                    yield written
        except NotFound:
            yield [event("gone")]
        finally:
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump

    async def _next(self) -> list[bytes]:
        with suppress(TimeoutError):
            async with asyncio.timeout(STALE_S if any(screen.is_stale for screen in self._screens) else TICK_S):
                await self._bell.wait()
        if self._bell.is_set():
            await asyncio.sleep(GATHER_S)
        updates, self._waiting = self._waiting, []
        self._bell.clear()
        self._room.set()
        if self._is_dry and not updates:
            self._is_ended = True
            return []
        return self._closed(await self._drawn(updates))

    def _closed(self, written: list[bytes]) -> list[bytes]:
        """The same, and that it was the last when a screen has come to its end."""
        if self._was_over or any(screen.is_over for screen in self._screens):
            self._is_ended = True
            return [*written, event("over")]
        return written

    async def _drawn(self, updates: Sequence[Update]) -> list[bytes]:
        for update in updates:
            if isinstance(update, LogUpdate) and update.cursor is not None:
                self._cursor = update.cursor
        fragments: list[Fragment] = []
        for screen in self._screens:
            fragments += await screen.draw(updates)
        return [fragments_event(fragments, self._cursor)] if fragments else []

    async def _pump(self) -> None:
        async with aclosing(self._multiplex.batches(60)) as batches:
            async for batch in batches:
                self._waiting += batch
                if batch:
                    self._bell.set()
                if len(self._waiting) > MOST_WAITING:
                    self._room.clear()
                    await self._room.wait()
        self._is_dry = True
        self._bell.set()
