"""The table of roles and permissions, executed: every role at every route (control A1)."""

import re
from collections.abc import Iterable

import httpx
import pytest

from tests.api.people import Gateway, Organisation
from tests.declarations import WEBSOCKET, Declared, ours
from windlass.contracts.ids import new_id
from windlass.core.permissions import PERSONAL, ROLES, Permission, Role

ENDING = {
    "/v1/auth/logout",
    "/signout",
    "/compat/kodosumi/logout",
}  # they end the session that the rest of the test needs
WHOLE = ("/v1/exchange/export", "/v1/exchange/backups")  # ask for the permissions of all parts: test_tenant_exchange.py


# Every route that asks for a permission.
ROUTES = tuple(route for route in ours() if route.permission is not None and route.method != WEBSOCKET)


def address(route: Declared) -> str:
    """The route's address for a thing that does not exist."""
    path = re.sub(r"\{\w+_id\}", str(new_id()), route.path)
    return re.sub(r"\{[^}]+\}", "0", path)


async def status_of(http: httpx.AsyncClient, route: Declared) -> int:
    """What a route answers with; read where it has an end, so that the connection serves the next request too."""
    async with http.stream(route.method, address(route)) as answer:
        if "content-length" in answer.headers:
            await answer.aread()
        return answer.status_code


@pytest.fixture(scope="module")
async def people(gateway: Gateway) -> Organisation:
    return await gateway.organisation("Matrix")


@pytest.mark.parametrize("route", [pytest.param(route, id=route.name) for route in ROUTES])
async def test_a_role_may_exactly_what_the_table_says(people: Organisation, route: Declared):
    """A1: without the permission 403; with it whatever the route says about a thing that does not exist."""
    for role, person in people.people.items():
        is_allowed = route.permission in ROLES[role]
        if is_allowed and route.path in ENDING:
            continue
        status = await status_of(person.http, route)
        assert (status != 403) == is_allowed, f"{role}: {status}"
        assert status not in (401, 500)


async def test_nobody_may_nothing(gateway: Gateway):
    """A1: without credentials 401, or for pages the way to the sign-in."""
    nobody, otherwise = await gateway.browser(), dict[str, int]()
    for route in ROUTES:
        nobody.cookies.clear()
        status = await status_of(nobody, route)
        if status not in ((401,) if route.path.startswith("/v1/") else (302, 303, 401)):
            otherwise[route.name] = status

    assert otherwise == {}


GRANTABLE = ROLES[Role.OWNER] - PERSONAL


async def with_key(acme: Organisation, gateway: Gateway, permissions: Iterable[Permission]) -> httpx.AsyncClient:
    """Somebody with a new key that was given these permissions."""
    made = await acme.owner.http.post("/v1/api-keys", json={"name": "one", "permissions": sorted(permissions)})
    assert made.status_code == 201, made.text
    return await gateway.browser(headers={"authorization": f"Bearer {made.json()['key']}"})


async def is_refused(http: httpx.AsyncClient, route: Declared) -> bool:
    return await status_of(http, route) == 403


@pytest.mark.parametrize("permission", sorted(GRANTABLE))
async def test_a_key_may_only_what_it_was_given(acme: Organisation, gateway: Gateway, permission: Permission):
    """C7: a route lets in a key that was given its permission alone, and none that was given all the others."""
    alone = await with_key(acme, gateway, [permission])
    others = await with_key(acme, gateway, GRANTABLE - {permission})

    for route in (route for route in ROUTES if route.path.startswith("/v1/") and route.permission == permission):
        assert await is_refused(alone, route) == route.path.startswith(WHOLE), route.name
        assert await is_refused(others, route), route.name


async def test_no_key_may_what_only_a_person_may(acme: Organisation, gateway: Gateway):
    """C7: whatever it was given."""
    everything = await with_key(acme, gateway, GRANTABLE)
    personal = [route for route in ROUTES if route.path.startswith("/v1/") and route.permission not in GRANTABLE]

    assert personal
    for route in personal:
        assert await is_refused(everything, route), route.name
