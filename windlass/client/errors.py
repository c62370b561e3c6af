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
        super().__init__(f"The gateway at {url} cannot be reached: {reason or 'no answer'}.")
        self.url = url


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
        error = cls(
            response.status_code, str(body.get("title") or response.reason_phrase), str(body.get("detail") or "")
        )
        listed = cast(list[Any], body.get("errors") or [])
        error.errors = tuple(FieldProblem(str(e.get("field", "")), str(e.get("message", ""))) for e in listed)
        error.request_id = body.get("request_id") or response.headers.get("x-request-id")
        wait = response.headers.get("retry-after", "")
        error.retry_after_s = float(wait) if wait.isdecimal() else None
        return error


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return cast(dict[str, Any], body) if isinstance(body, dict) else {}
