"""A session over a WebSocket: everything that its stream shows, and messages and interrupts the other way."""

from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, WebSocket
from pydantic import Field, TypeAdapter

from api.bodies import Body
from api.dialogue import Answer, Dialogue, Language, check_page
from api.engine import Engine
from api.routes.sessions import MessageBody, SessionReader, may_follow
from api.sse import After
from windlass.core.allowances import Allowances
from windlass.core.callers import Caller
from windlass.core.frames import Frame
from windlass.core.identity import Authentication
from windlass.core.letters import NewMessage
from windlass.core.permissions import Permission

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class SayWord(MessageBody):
    """Something said; what `steers` is taken up by the turn under way."""

    type: Literal["message"]
    steers: bool = False

    def wish(self) -> NewMessage | None:
        """The message."""
        return self.message(steers=self.steers)


class InterruptWord(Body):
    """The turn under way is to end."""

    type: Literal["interrupt"]

    def wish(self) -> NewMessage | None:
        """Nothing to say."""
        return None


def show(frame: Frame) -> str:
    """An event as the stream has it."""
    return frame.data.decode()


LANGUAGE = Language(TypeAdapter(Annotated[SayWord | InterruptWord, Field(discriminator="type")]), show)


@router.websocket("/{session_id}/ws")
async def converse(session_id: UUID, websocket: WebSocket, after: After, caller: SessionReader) -> None:
    """The session's log, live, as a WebSocket, and messages and interrupts the other way."""
    await hold(websocket, session_id, after, caller, LANGUAGE)


async def hold(websocket: WebSocket, session_id: UUID, after: int, caller: Caller, language: Language) -> None:
    """Open a session to one reader. Raises NotFound, BadCursor, Forbidden before it opens."""
    engine: Engine = websocket.state.engine
    known: Authentication = websocket.state.authentication
    allowances: Allowances = websocket.state.allowances
    check_page(websocket, caller)
    await engine.sessions.get(caller, session_id)

    async def act(text: bytes) -> Answer:
        await allowances.take(caller)  # of whatever is sent, before it is read
        caller.require(Permission.SESSIONS_WRITE)
        message = language.read(text).wish()
        if message is None:
            session = await engine.sessions.interrupt(caller, session_id)
            return {"type": "accepted", "interrupts": session.turn}
        said = await engine.sessions.say(caller, session_id, message)
        return {"type": "accepted", "id": said.id, "seq": said.seq, "turn": said.turn}

    news = await engine.hub.subscribe(caller.tenant_id, session_id, after)
    follows = partial(may_follow, known, engine, caller, session_id)
    await Dialogue(websocket, news, language.show).serve(follows, act, lambda: engine.hub.is_drained)
