"""What the routes of the gateway declare: method, address, and the permission they ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts

from api.app import create_app
from api.dependencies import Requires, State, public
from windlass.core.permissions import Permission
from windlass.core.settings import Settings

WEBSOCKET = "WS"


@dataclass(frozen=True, slots=True)
class Declared:
    """A route and what its signature says about who may use it."""

    method: str
    path: str
    permission: Permission | None
    is_public: bool
    any_password: bool

    @property
    def name(self) -> str:
        """How a test's name shows it."""
        return f"{self.method} {self.path}"


@cache
def ours() -> tuple[Declared, ...]:
    """Those of the gateway. Put together once: it takes half a second."""
    settings: Any = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    return tuple(declared(create_app(cast("State", {"settings": settings}))))


def declared(app: FastAPI) -> list[Declared]:
    """Every route but mounts and the schema; the method of a WebSocket is `WS`."""
    found: list[Declared] = []
    for context in iter_route_contexts(app.routes):
        route: Any = context.original_route
        if not isinstance(route, APIRoute | APIWebSocketRoute):
            assert context.path in ("/openapi.json", "/static/vendor"), f"{context.path} is not a declared route"
            continue
        calls = list(_calls(getattr(context, "dependant")))  # noqa: B009 - the framework's stubs do not know it
        asked = [call for call in calls if isinstance(call, Requires)]
        assert len(asked) <= 1, f"{context.path} asks for more than one permission"
        for method in sorted(context.methods or ()) if isinstance(route, APIRoute) else [WEBSOCKET]:
            permission = asked[0].permission if asked else None
            any_password = bool(asked and asked[0].any_password)
            found.append(Declared(method, str(context.path), permission, public in calls, any_password))
    return found


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)
