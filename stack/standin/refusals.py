"""HTTP errors in the provider's shape."""

from typing import Any

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class Refused(Exception):
    """An HTTP error the client gets as JSON."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = error_body(kind or ERROR_TYPES.get(status, "api_error"), message)


def error_body(kind: str, message: str) -> dict[str, Any]:
    """The JSON of an error, as an answer or as an event of a stream."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_standin"}
