"""Every request has an id, is counted and timed."""

import re
import secrets
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from windlass.core.allowances import Allowance

log = structlog.get_logger()

HEADER = "x-request-id"
GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
QUIET = frozenset({"GET", "HEAD", "OPTIONS"})  # what only reads is logged when something breaks
REQUESTS = Counter("windlass_http_requests", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "windlass_http_seconds", "Time to the first byte of the answer.", ["route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5),
)  # fmt: skip


class Requests:
    """Names, counts and times requests."""

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
        started = perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                _show_allowances(headers, scope["state"].get("allowances_left", ()))
                _count(scope, message["status"], perf_counter() - started)
            await send(message)

        await self._app(scope, receive, counted)


def _show_allowances(headers: MutableHeaders, left: Sequence[Allowance]) -> None:
    """What the caller may still send, as draft-ietf-httpapi-ratelimit-headers says it."""
    if left:
        headers["ratelimit-policy"] = ", ".join(f'"{each.name}";q={each.limit};w={each.period_s}' for each in left)
        headers["ratelimit"] = ", ".join(f'"{each.name}";r={each.remaining};t={each.period_s}' for each in left)


def _count(scope: Scope, status: int, seconds: float) -> None:
    route: Any = scope.get("route")
    name = getattr(route, "path", "none")
    REQUESTS.labels(scope["method"], name, status).inc()
    SECONDS.labels(name).observe(seconds)
    say = log.debug if scope["method"] in QUIET and status < 500 else log.info
    say("request", method=scope["method"], route=name, status=status, ms=round(seconds * 1000, 1))


def _request_id(scope: Scope) -> str:
    sent = Headers(scope=scope).get(HEADER, "")
    return sent if GOOD_ID.fullmatch(sent) else secrets.token_hex(12)
