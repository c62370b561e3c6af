"""Fixtures of the SDK's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.sdk.hosts import Host, running_host
from tests.sdk.places import short_folder


@pytest.fixture(scope="session")
async def host() -> AsyncGenerator[Host]:
    """A host most tests share; do not harm it."""
    with short_folder() as folder:
        async with running_host(folder) as running:
            yield running


@pytest.fixture
async def own_host() -> AsyncGenerator[Host]:
    """A host of the test's own, which may be harmed."""
    with short_folder() as folder:
        async with running_host(folder) as running:
            yield running


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A folder where agents leave marks outside of every log."""
    return tmp_path
