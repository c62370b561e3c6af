"""States of the world that end a request: raised where the fact is known, translated once per edge."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field; `field` is a JSON path such as `inputs.name`."""

    field: str
    message: str


class WindlassError(Exception):
    """Something the caller should know; `status` is its HTTP status."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(WindlassError):
    """There is no such thing, or it belongs to somebody else: the answer is the same."""

    status = 404
    title = "Not found"

    def __init__(self, noun: str, identifier: object) -> None:
        super().__init__(f"There is no {noun} {identifier}.")


class Conflict(WindlassError):
    """The thing is in a state that does not allow this."""

    status = 409
    title = "Conflict"


class Stale(WindlassError):
    """The thing was changed since it was read; read it again."""

    status = 412
    title = "Changed meanwhile"


class Unauthenticated(WindlassError):
    """Nobody is signed in, or the credentials are no longer good."""

    status = 401
    title = "Not signed in"


class Forbidden(WindlassError):
    """The caller's role does not allow this."""

    status = 403
    title = "Not allowed"


class Invalid(WindlassError):
    """What was sent cannot be used; `errors` names each field."""

    status = 422
    title = "Invalid input"

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class BadCursor(WindlassError):
    """The cursor was not made by this list."""

    status = 400
    title = "Unknown cursor"


class TooMany(WindlassError):
    """The limit is reached; `retry_after_s` says when to try again."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(WindlassError):
    """A part that is needed is down for the moment."""

    status = 503
    title = "Not available"
