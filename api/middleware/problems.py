"""Every request ends in an answer, whatever happens inside."""

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Renderer, problem_of, translated
from windlass.core.database import OUTAGES

READS = ("GET", "HEAD")
ASKED_AT_MOST = 5  # each time waits for the database by itself, up to 10 s, and then says so

log = structlog.get_logger()


class Problems:
    """Turns what the application did not answer itself into a problem without a traceback.

    A read that the database left in the middle is asked again: nothing was changed, and asking waits for its return.
    """

    def __init__(self, app: ASGIApp, render: Renderer | None = None) -> None:
        self._app = app
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_answered, asked = False, dict(scope)

        async def watched(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        for left in reversed(range(ASKED_AT_MOST)):
            try:
                await self._app(scope, receive, watched)
            except Exception as error:  # noqa: BLE001 - the edge: every request ends in an answer
                if left and not is_answered and _may_be_asked_again(scope, error):
                    log.warning("read again: the database went away", path=scope["path"], reason=str(error)[:200])
                    scope.clear()
                    scope.update(asked)
                    continue
                await self._fail(scope, receive, send, error, is_answered=is_answered)
            return

    async def _fail(self, scope: Scope, receive: Receive, send: Send, error: Exception, *, is_answered: bool) -> None:
        known = translated(error)
        if known.status >= 500:
            log.error("request failed", path=scope["path"], exc_info=error)
        if not is_answered:
            problem = problem_of(known, scope["path"], scope["state"]["request_id"])
            response = self._render(Request(scope), problem) if self._render else problem.response()
            await response(scope, receive, send)


def _may_be_asked_again(scope: Scope, error: Exception) -> bool:
    """Whether the database went away under a read; a query that took too long would only take it again."""
    return scope["method"] in READS and isinstance(error, OUTAGES) and not isinstance(error, TimeoutError)
