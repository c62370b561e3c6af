"""One stack for all faults, in a folder of its own, and the report they write."""

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from tests.faults.figures import Report
from tests.faults.load import Load
from tests.faults.stack import Stack
from windlass.client import AsyncClient

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
async def stack(stack: Stack) -> Stack:
    """The stack of this session, which now serves the program `stepping`."""
    async with await stack.client() as client:
        await stack.serve(client, "stepping")
    return stack


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
