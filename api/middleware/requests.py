"""Every request has an id, is counted and timed, and ends in an answer whatever happens inside."""

import re
from time import perf_counter
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.authentication import new_request_id
from api.errors import problem_of, translated

log = structlog.get_logger()

HEADER = "x-request-id"
GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
REQUESTS = Counter("windlass_http_requests", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "windlass_http_seconds", "Time to the first byte of the answer.", ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
)  # fmt: skip


class Requests:
    """Names, counts and times requests; turns an unforeseen exception into a problem without a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = scope["state"]["request_id"] = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        exchange = _Exchange(scope, request_id, send)
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:  # the edge of the process: nothing may leave without an answer
            await exchange.fail(error)
            if scope["type"] == "websocket":
                raise


class _Exchange:
    """One request and its answer, seen from outside."""

    def __init__(self, scope: Scope, request_id: str, send: Send) -> None:
        self._scope = scope
        self._request_id = request_id
        self._send = send
        self._started = perf_counter()
        self._answered = False

    async def send(self, message: Message) -> None:
        """Pass a message on; the first one gets the request's id and is counted."""
        if message["type"] == "http.response.start":
            self._answered = True
            MutableHeaders(scope=message)[HEADER] = self._request_id
            self._count(message["status"])
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with a problem if nothing was sent yet."""
        log.error("request failed", path=self._scope["path"], exc_info=error)
        if self._answered or self._scope["type"] != "http":
            return
        problem = problem_of(translated(error), self._scope["path"], self._request_id)
        await problem.response()(self._scope, _nothing, self.send)

    def _count(self, status: int) -> None:
        route: Any = self._scope.get("route")
        name = getattr(route, "path", "none")
        REQUESTS.labels(self._scope["method"], name, status).inc()
        SECONDS.labels(name).observe(perf_counter() - self._started)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get(HEADER, "")
    return sent if GOOD_ID.fullmatch(sent) else new_request_id()
