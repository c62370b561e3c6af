"""Every request ends in an answer, whatever happens inside."""

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Renderer, problem_of, translated

log = structlog.get_logger()


class Problems:
    """Turns what the application did not answer itself into a problem without a traceback."""

    def __init__(self, app: ASGIApp, render: Renderer | None = None) -> None:
        self._app = app
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_answered = False

        async def watched(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            known = translated(error)
            if known.status >= 500:
                log.error("request failed", path=scope["path"], exc_info=error)
            if not is_answered:
                problem = problem_of(known, scope["path"], scope["state"]["request_id"])
                response = self._render(Request(scope), problem) if self._render else problem.response()
                await response(scope, receive, send)
