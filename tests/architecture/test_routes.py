"""Every route says who may use it (control A1)."""

from itertools import pairwise
from typing import Any, cast

import pytest

from api.app import ROUTERS, create_app
from api.dependencies import State
from api.pages import console
from api.routes.health import router
from tests.declarations import Declared, declared, ours
from windlass.core.permissions import OPERATOR_OF_PLATFORM, PERSONAL, ROLES, Permission, Role
from windlass.core.settings import Settings

PUBLIC = {
    "GET /compat/desktops/v1/health",
    "GET /compat/kayos/api/v1/health",
    "GET /docs",
    "GET /health",
    "GET /join",
    "GET /metrics",
    "GET /ready",
    "GET /v1/file-links",  # signed
    "HEAD /v1/file-links",
    "GET /redoc",
    "GET /signin",
    "POST /compat/agent-api/api/v1/auth/login",
    "POST /compat/agent-api/api/v1/auth/refresh",
    "POST /compat/desktops/v1/user/login",
    "POST /compat/desktops/v1/user/refresh",
    "POST /compat/desktops/v1/user/register",
    "POST /compat/kayos/api/v1/auth/login",
    "GET /compat/kodosumi/",  # these lead to pages, which ask by themselves who one is
    "GET /compat/kodosumi/admin/{path:path}",
    "GET /compat/kodosumi/maintenance",
    "GET /compat/kodosumi/schema",
    "GET /compat/kodosumi/schema/{path:path}",
    "GET /compat/kodosumi/api/masumi/{path:path}",  # these say, in one fixed sentence, what is not here
    "GET /compat/kodosumi/expose/{name}/registry",
    "GET /compat/kodosumi/expose/{name}/registry/{path:path}",
    "GET /compat/kodosumi/expose/{name}/wallets",
    "GET /compat/kodosumi/login",
    "GET /compat/kodosumi/logout",
    "GET /compat/kodosumi/static/{path:path}",
    "GET /compat/kodosumi/sumi/{path:path}",
    "POST /compat/kodosumi/admin/{path:path}",
    "POST /compat/kodosumi/api/masumi/{path:path}",
    "POST /compat/kodosumi/expose/{name}/registry",
    "POST /compat/kodosumi/expose/{name}/registry/{path:path}",
    "POST /compat/kodosumi/sumi/{path:path}",
    "POST /compat/kodosumi/api/login",
    "POST /compat/kodosumi/login",
    "POST /join",
    "POST /signin",
    "POST /v1/auth/join",
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "POST /v1/auth/register",
}
ASSETS = ("/static/", "/assets/", "/favicon")
ANY_PASSWORD = {
    "DELETE /v1/auth/sessions",
    "DELETE /v1/auth/sessions/{session_id}",
    "GET /compat/agent-api/api/v1/auth/me",
    "GET /compat/desktops/v1/user/profile",
    "GET /compat/kodosumi/health",
    "GET /compat/kodosumi/role/profile",
    "GET /password",
    "GET /v1/auth/sessions",
    "GET /v1/me",
    "POST /compat/kodosumi/logout",
    "POST /password",
    "POST /signout",
    "POST /switch",
    "POST /theme",
    "POST /v1/auth/logout",
    "POST /v1/auth/password",
    "POST /v1/auth/switch",
}


@pytest.fixture(scope="module")
def routes() -> list[Declared]:
    return [*ours()]


def test_every_route_declares_a_permission_or_that_it_is_public(routes: list[Declared]):
    """A1: default deny."""
    silent = [route.name for route in routes if route.permission is None and not route.is_public]

    assert silent == []
    assert len(routes) > 30


def test_no_route_is_made_a_second_time():
    """The application holds what the routers hold."""
    settings: Any = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    app = create_app(cast("State", {"settings": settings}))

    assert [route for each in (*ROUTERS, *console.ROUTERS) for route in each.routes if route not in app.routes] == []


def test_what_is_public_is_on_this_list(routes: list[Declared]):
    """A1: opening a route is a decision that shows here."""
    found = {route.name for route in routes if route.is_public and not route.path.startswith(ASSETS)}

    assert found - PUBLIC == set()
    assert {route.name for route in routes if route.is_public and route.permission is not None} == set()


def test_what_is_open_to_a_given_password_is_on_this_list(routes: list[Declared]):
    assert {route.name for route in routes if route.any_password} - ANY_PASSWORD == set()


def test_every_permission_is_asked_for_or_looked_at(routes: list[Declared]):
    looked_at = {Permission.RUNS_READ_ALL, Permission.KEYS_ALL, Permission.TASKS_WRITE_ALL}
    looked_at |= {Permission.DESKTOPS_READ_ALL, Permission.SESSIONS_READ_ALL}

    assert set(Permission) - {route.permission for route in routes} == looked_at


def test_a_route_without_a_permission_would_be_found():
    """A1: the gate can fail."""
    bare: Any = router.__class__()

    @bare.get("/bare")
    async def bare_route() -> None:  # pyright: ignore[reportUnusedFunction]
        """Forgot to say who may."""

    settings: Any = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]
    app = create_app(cast("State", {"settings": settings}))
    app.include_router(bare)

    assert [route.name for route in declared(app) if route.permission is None and not route.is_public] == ["GET /bare"]


def test_each_role_holds_all_of_the_one_below_it():
    """The operator sees their own runs, desktops and sessions only, which is the one exception."""
    order = list(Role)
    for higher, lower in pairwise(order):
        seeing = {Permission.RUNS_READ_ALL, Permission.DESKTOPS_READ_ALL, Permission.SESSIONS_READ_ALL}
        assert ROLES[lower] - ROLES[higher] <= seeing
        assert higher.outranks(lower)
        assert not lower.outranks(higher)


def test_no_role_reaches_the_platform():
    assert all(not (OPERATOR_OF_PLATFORM & permissions) for permissions in ROLES.values())
    assert OPERATOR_OF_PLATFORM <= PERSONAL
