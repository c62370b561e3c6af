"""Errors as RFC 9457 problems: what happened, never how the code looks inside."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import ENOSPC
from http import HTTPStatus
from math import ceil
from typing import Any

import asyncpg
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.websockets import WebSocket

from windlass.core.database import OUTAGES
from windlass.core.errors import FieldError, Invalid, NotFound, TooMany, Unavailable, WindlassError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:windlass:problem:"
RETRY_S: dict[int, float] = {HTTPStatus.SERVICE_UNAVAILABLE: 1.0}
NO_ROOM = (asyncpg.InsufficientResourcesError,)  # disk, memory or connections of the database
UNSTORABLE = (asyncpg.DataError, asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError)


class MethodNotAllowed(WindlassError):
    """The address exists, the method does not."""

    status = 405
    title = "Method not allowed"


class BadRequest(WindlassError):
    """The request cannot be read."""

    status = 400
    title = "Bad request"


class Gone(WindlassError):
    """What an older system had at this address is not here; `detail` says where the thing is, if there is one."""

    status = 410
    title = "Not here"


class TooLarge(WindlassError):
    """The request is bigger than what is taken here."""

    status = 413
    title = "Too large"


class TooSlow(WindlassError):
    """The request did not arrive in time."""

    status = 408
    title = "Too slow"


@dataclass(frozen=True, slots=True)
class Problem:
    """The body of every answer that is an error."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: tuple[FieldError, ...] = ()
    retry_after_s: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(1, ceil(self.retry_after_s)))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Bearer"
        if self.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            headers["connection"] = "close"  # what is left of the body is not read
        return headers

    def body(self) -> bytes:
        """The problem as JSON."""
        return orjson.dumps(
            {
                "type": self.type,
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "instance": self.instance,
                "request_id": self.request_id,
                "errors": [{"field": error.field, "message": error.message} for error in self.errors],
            }
        )

    def response(self) -> Response:
        """The answer to send."""
        return Response(self.body(), self.status, self.headers, MEDIA_TYPE)


Renderer = Callable[[Request, Problem], Response]
"""How a problem becomes an answer; pages render theirs as HTML."""


def problem_of(error: WindlassError, instance: str, request_id: str) -> Problem:
    """The problem that states a domain error."""
    return Problem(
        type=TYPE + slug(type(error).__name__),
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=instance,
        request_id=request_id,
        errors=error.errors if isinstance(error, Invalid) else (),
        retry_after_s=error.retry_after_s if isinstance(error, TooMany) else RETRY_S.get(error.status),
    )


def slug(name: str) -> str:
    """The last part of a problem's type: `PasswordChangeRequired` is `password-change-required`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def translated(error: Exception) -> WindlassError:
    """Any exception as a state of the world; what nobody foresaw is an internal error without details."""
    match error:
        case WindlassError():
            return error
        case RequestValidationError() if (unknown := _in_the_path(error.errors())) is not None:
            return unknown
        case RequestValidationError():
            return Invalid("The request does not fit what is expected here.", tuple(_fields(error.errors())))
        case HTTPException():
            return _http_error(error)
        case _ if isinstance(error, UNSTORABLE):
            return Invalid("A value cannot be stored: it is out of range or holds a character that is not text.")
        case _ if isinstance(error, OUTAGES):
            return Unavailable(
                "The database went away meanwhile. Try again; with an Idempotency-Key nothing is done twice."
            )
        case _ if isinstance(error, NO_ROOM) or (isinstance(error, OSError) and error.errno == ENOSPC):
            return Unavailable("There is no room to store anything: the disk is full. Nothing was changed.")
        case _:
            return WindlassError("Something went wrong here. The request id leads the operator to the reason.")


def install_problems(app: FastAPI, render: Renderer | None = None) -> None:
    """Answer every error with a problem; `render` may answer some requests differently."""

    async def answer(request: Request | WebSocket, error: Exception) -> Response:
        known = translated(error)
        if known.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", path=request.url.path, exc_info=error)
        problem = problem_of(known, request.url.path, request.state.request_id)
        if isinstance(request, WebSocket):
            return problem.response()  # it is sent before the WebSocket opens: not a byte of it
        response = render(request, problem) if render else problem.response()
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    # Outages are left to `Problems`, which may ask again.
    for kind in (WindlassError, RequestValidationError, HTTPException, *UNSTORABLE, *NO_ROOM):
        app.add_exception_handler(kind, answer)


def _http_error(error: HTTPException) -> WindlassError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("page at", "this address")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed("This address does not take this method.")
    return BadRequest(str(error.detail))


def _in_the_path(errors: Sequence[Any]) -> NotFound | None:
    """What is no id at all names nothing, like an id that nobody has."""
    wrong = [error for error in errors if error["loc"][0] == "path"]
    if not wrong:
        return None
    return NotFound(str(wrong[0]["loc"][-1]).removesuffix("_id"), str(wrong[0]["input"])[:100])


def _fields(errors: Sequence[Any]) -> list[FieldError]:
    return [
        FieldError(
            ".".join(str(part) for part in error["loc"] if part != "body"),
            str(error["msg"]).removeprefix("Value error, "),  # ours say all of it
        )
        for error in errors
    ]
