"""The two applications of the acceptance cases, and people of two organisations, on the stack of the session."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.acceptance.cases import are_up
from tests.faults.stack import Stack
from tests.people import Door, Person
from windlass.core.permissions import Role

NAMES = ("a", "bench")
SERVICES = Path(__file__).parent / "services"


@pytest.fixture(scope="package")
async def door(stack: Stack) -> AsyncGenerator[Door]:
    """Its gateway, as people find it."""
    async with AsyncExitStack() as clients:
        yield Door(stack.url, clients)


@pytest.fixture(scope="package")
async def ada(door: Door) -> AsyncGenerator[Person]:
    """Who owns an organisation and serves app A in it as `a` and app B as `bench`, as long as the cases last."""
    ada = await door.sign_up("Ada")
    for name in NAMES:
        wish = {"name": name, "project": str(SERVICES / name), "import_path": "app:app", "env": {"WORD": "tea"}}
        added = await ada.http.post("/v1/services", json=wish)
        assert added.status_code == 201, added.text
    await are_up(ada, *NAMES)
    yield ada
    for name in NAMES:
        assert (await ada.http.delete(f"/v1/services/{name}")).status_code == 204


@pytest.fixture(scope="package")
async def bob(door: Door, ada: Person) -> Person:
    """A plain member of Ada's organisation: an operator, who sees their own runs only."""
    return await door.hire(ada, Role.OPERATOR)


@pytest.fixture(scope="package")
async def stranger(door: Door) -> Person:
    """Who owns another organisation."""
    return await door.sign_up("Umbrella")
