"""One stack for all acceptance cases, the two applications they are about, and people of two organisations."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.acceptance.cases import are_up
from tests.blueprints import furnish
from tests.faults.stack import EMAIL, PASSWORD, Stack, running_stack
from tests.parts import short_folder
from tests.people import Door, Person
from windlass.core.permissions import Role

SERVICES = Path(__file__).parent / "services"


@pytest.fixture(scope="session")
async def stack() -> AsyncGenerator[Stack]:
    """Everything, as `make up` starts it; whoever breaks something leaves it whole again."""
    with short_folder() as folder:
        await furnish(folder / "home")
        async with running_stack(folder / "home", WINDLASS_SIGNUP="open") as stack:
            yield stack


@pytest.fixture(scope="session")
async def door(stack: Stack) -> AsyncGenerator[Door]:
    """Its gateway, as people find it."""
    async with AsyncExitStack() as clients:
        yield Door(stack.url, clients)


@pytest.fixture(scope="session")
async def ada(door: Door) -> Person:
    """The first administrator, who serves app A as `a` and app B as `bench`."""
    ada = await door.sign_in(EMAIL, PASSWORD)
    for name in ("a", "bench"):
        wish = {"name": name, "project": str(SERVICES / name), "import_path": "app:app"}
        added = await ada.http.post("/v1/services", json=wish)
        assert added.status_code == 201, added.text
    await are_up(ada, "a", "bench")
    return ada


@pytest.fixture(scope="session")
async def bob(door: Door, ada: Person) -> Person:
    """A plain member of Ada's organisation: an operator, who sees their own runs only."""
    return await door.hire(ada, Role.OPERATOR)


@pytest.fixture(scope="session")
async def stranger(door: Door) -> Person:
    """Who owns another organisation."""
    return await door.sign_up("Umbrella")
