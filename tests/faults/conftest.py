"""One stack for all faults, in a folder of its own, and the report they write."""

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.blueprints import furnish
from tests.containers import IMAGE
from tests.faults.figures import Report
from tests.faults.load import Load
from tests.faults.stack import Stack, running_stack
from tests.parts import short_folder
from windlass.client import AsyncClient

LOOPBACK = "127.0.0.0/8"  # MCP servers of tests
FORM = os.environ.get("WINDLASS_FAULTS", "short")
LOADS = {"full": Load(20, 30, 0.2), "short": Load(8, 15, 0.2)}


@pytest.fixture(scope="session")
def load() -> Load:
    """How much is in flight when something breaks."""
    return LOADS[FORM]


@pytest.fixture(scope="session")
def report() -> Generator[Report]:
    """The figures of this session."""
    report = Report(FORM)
    yield report
    if FORM == "full":
        report.publish()
    print(f"\n\n{report.table()}\n")  # noqa: T201 - what the faults are run for


@pytest.fixture(scope="session")
async def stack() -> AsyncGenerator[Stack]:
    """A stack that serves the program `stepping`; whoever breaks it leaves it whole again."""
    with short_folder() as folder:
        await furnish(folder / "home")
        async with running_stack(
            folder / "home", WINDLASS_DESKTOP_IMAGE=IMAGE, WINDLASS_OUTBOUND_ALLOW=LOOPBACK
        ) as stack:
            async with await stack.client() as client:
                await stack.serve(client, "stepping")
            yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncGenerator[AsyncClient]:
    """A client of the stack that is signed in."""
    async with await stack.client() as client:
        yield client


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A folder outside in which steps leave their marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder
