"""What a request says in sessions; its answer's headers show what its caller may still say."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from api.engine import Engine
from windlass.core.allowances import Allowance
from windlass.core.callers import Caller
from windlass.core.letters import NewMessage
from windlass.core.message_limits import TooManyMessages
from windlass.core.sessions import NewSession, Session
from windlass.core.transcripts import Message


class Speech:
    """Says things for the caller of one request."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._engine: Engine = request.state.engine

    async def say(self, caller: Caller, session_id: UUID, message: NewMessage) -> Message:
        """Keep a message. Raises NotFound, Invalid, MessageRefused, TooManyMessages."""
        with self._shown():
            said = await self._engine.sessions.say(caller, session_id, message)
        self._show(said.allowances)
        return said

    async def begin(self, caller: Caller, wish: NewSession, content: str) -> tuple[Session, Message]:
        """Open a session with its first message. Raises NotFound, Invalid, MessageRefused, TooManyMessages."""
        with self._shown():
            session, said = await self._engine.sessions.begin(caller, wish, content)
        self._show(said.allowances)
        return session, said

    @contextmanager
    def _shown(self) -> Generator[None]:
        """Show also with a refusal what is left, which is nothing."""
        try:
            yield
        except TooManyMessages as refusal:
            self._show(refusal.allowances)
            raise

    def _show(self, left: tuple[Allowance, ...]) -> None:
        self._request.state.allowances_left += left


async def get_speech(request: Request) -> Speech:
    """What this request says."""
    return Speech(request)


SpeechDep = Annotated[Speech, Depends(get_speech)]
