"""What a call to the gateway may raise."""

from dataclasses import dataclass
from typing import Any, cast

import httpx

from windlass.errors import WindlassError


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field."""

    field: str
    message: str


class Unreachable(WindlassError):
    """Nobody answers at the gateway's address."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f"The gateway at {url} cannot be reached: {str(reason).rstrip('.') or 'no answer'}.")
        self.url = url


class NoGateway(Unreachable):
    """Something answers at the gateway's address, but no Windlass: another program, a proxy, or another version."""

    def __init__(self, response: httpx.Response) -> None:
        self.url = origin(response)
        kind = response.headers.get("content-type") or "no content type"
        said = f"{response.status_code} with {kind}"
        WindlassError.__init__(self, f"What answers at {self.url} is not this version of Windlass: it sent {said}.")


class ApiError(WindlassError):
    """The gateway refused: a problem (RFC 9457) with its status, what is wrong, and the id of the request."""

    def __init__(self, status: int, title: str, detail: str = "") -> None:
        super().__init__(detail or title)
        self.status, self.title, self.detail = status, title, detail
        self.errors: tuple[FieldProblem, ...] = ()
        self.request_id: str | None = None
        self.retry_after_s: float | None = None

    @classmethod
    def from_response(cls, response: httpx.Response) -> "ApiError":
        """Read a refusal; one that is no problem+json (from a proxy, say) keeps its status."""
        body = _object(response)
        title, detail = str(body.get("title") or ""), str(body.get("detail") or "")
        if not title:
            title = f"{response.status_code} {response.reason_phrase}".rstrip()
            detail = detail or f"This is no answer of Windlass, but of what stands at {origin(response)}."
        error = cls(response.status_code, title, detail)
        listed = cast(list[Any], body.get("errors") or [])
        error.errors = tuple(FieldProblem(str(e.get("field", "")), str(e.get("message", ""))) for e in listed)
        error.request_id = body.get("request_id") or response.headers.get("x-request-id")
        wait = response.headers.get("retry-after", "")
        error.retry_after_s = float(wait) if wait.isdecimal() else None
        return error


def origin(response: httpx.Response) -> str:
    """The address that was asked, without a path."""
    return str(response.request.url.copy_with(path="/", query=None, fragment=None)).rstrip("/")


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return cast(dict[str, Any], body) if isinstance(body, dict) else {}
