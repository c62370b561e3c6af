"""What `/openapi.json` says: the routes as FastAPI finds them, and every error as it is answered, a problem."""

from typing import Any

from fastapi import FastAPI

from api.errors import MEDIA_TYPE

FOREIGN = ("HTTPValidationError", "ValidationError")  # what FastAPI would answer
ERRORS = ("4XX", "5XX")
TEXT = {"type": "string"}
FIELD = {"type": "object", "properties": {"field": TEXT, "message": TEXT}, "required": ["field", "message"]}
PROPERTIES = {
    "type": TEXT | {"description": "Which problem it is, for programs."},
    "title": TEXT,
    "status": {"type": "integer", "description": "That of the answer."},
    "detail": TEXT | {"description": "What happened, what was kept and what to do next."},
    "instance": TEXT | {"description": "The path that was asked."},
    "request_id": TEXT | {"description": "Leads the operator to the line of the log."},
    "errors": {"type": "array", "items": FIELD, "description": "What is wrong with which field, where it is known."},
}
PROBLEM: dict[str, Any] = {"type": "object", "properties": PROPERTIES, "required": list(PROPERTIES)}
ANSWER: dict[str, Any] = {
    "description": "A problem (RFC 9457).",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Described(FastAPI):
    """An application whose description tells of its errors what is true."""

    def openapi(self) -> dict[str, Any]:
        """The description, put together when it is asked for first."""
        if self.openapi_schema is None:
            self.openapi_schema = _with_problems(super().openapi())
        return self.openapi_schema


def _with_problems(described: dict[str, Any]) -> dict[str, Any]:
    for path in described["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"] |= {status: {"$ref": "#/components/responses/Problem"} for status in ERRORS}
    components = described["components"]
    for name in FOREIGN:
        components["schemas"].pop(name, None)
    components["schemas"]["Problem"] = PROBLEM
    components["responses"] = {"Problem": ANSWER}
    return described
