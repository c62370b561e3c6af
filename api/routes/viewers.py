"""Looking at desktops live, and taking the mouse."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, WebSocket
from pydantic import BaseModel, Field

from api.bodies import Body
from api.dependencies import EngineDep, requires
from api.duplex import TOKEN_MARK, token_of
from api.engine import Engine
from api.routes.desktops import DesktopReader, DesktopView, DesktopWriter, view
from api.viewer import View, signed_in
from windlass.core.callers import Caller
from windlass.core.identity import Authentication
from windlass.core.permissions import Permission
from windlass.core.viewers import NOTE_CHARACTERS, Mode

router = APIRouter(prefix="/v1/desktops", tags=["desktops"])


class GiveBackBody(Body):
    """A note to the model that goes on: what was done at the screen, or what is to become different."""

    note: str = Field("", max_length=NOTE_CHARACTERS)


class ViewBody(Body):
    """How one wants to look."""

    mode: Mode = Field(Mode.VIEW, description="`control` needs a takeover before.")


class TicketView(BaseModel):
    """What opens the WebSocket: it is good for one person, one desktop, one mode, and a minute."""

    url: str
    protocols: list[str] = Field(description="The WebSocket's protocols; the second one is the token.")
    mode: Mode
    expires_at: datetime


@router.post("/{desktop_id}/view")
async def admit(desktop_id: UUID, caller: DesktopReader, engine: EngineDep, body: ViewBody | None = None) -> TicketView:
    """A token for the desktop's screen, good for a minute; a view that has begun goes on."""
    ticket = await engine.viewers.admit(caller, desktop_id, body.mode if body else Mode.VIEW)
    protocols = ["windlass", TOKEN_MARK + ticket.token]
    url = f"/v1/desktops/{desktop_id}/live"
    return TicketView(url=url, protocols=protocols, mode=ticket.mode, expires_at=ticket.expires_at)


@router.post("/{desktop_id}/takeover")
async def take_over(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> DesktopView:
    """Take the screen in hand: one person at a time, and no task begins until it is given back."""
    return view(await engine.viewers.take(caller, desktop_id))


@router.post("/{desktop_id}/giveback")
async def give_back(
    desktop_id: UUID, caller: DesktopWriter, engine: EngineDep, body: GiveBackBody | None = None
) -> DesktopView:
    """Give the screen back: the holder does, or the desktop's owner. The second time nothing changes."""
    return view(await engine.viewers.give_back(caller, desktop_id, body.note if body else ""))


@router.post("/{desktop_id}/askback")
async def ask_back(desktop_id: UUID, caller: DesktopWriter, engine: EngineDep) -> DesktopView:
    """Ask whoever has the screen to give it back: their page says so. Once a minute; sooner nothing changes."""
    return view(await engine.viewers.ask(caller, desktop_id))


@router.websocket("/{desktop_id}/live")
async def live(
    desktop_id: UUID, websocket: WebSocket, caller: Annotated[Caller, Depends(requires(Permission.DESKTOPS_READ))]
) -> None:
    """The desktop's screen (RFB 3.8) as a WebSocket; refused before it opens without a token that fits."""
    engine: Engine = websocket.state.engine
    known: Authentication = websocket.state.authentication
    screen = await engine.viewers.open(caller, desktop_id, token_of(websocket))

    async def may_go_on() -> bool:
        return await known.still(caller) and await engine.viewers.still(caller, desktop_id, screen.mode)

    async def keep() -> None:
        await engine.viewers.keep(caller, desktop_id)

    async with signed_in(screen) as line:
        head = await engine.events.head(caller.tenant_id, desktop_id)
        news = await engine.hub.subscribe(caller.tenant_id, desktop_id, head.last_seq)
        await View(websocket, screen, line, news).serve(may_go_on, keep if screen.mode is Mode.CONTROL else None)
