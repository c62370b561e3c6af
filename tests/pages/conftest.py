"""A gateway, a browser, and people at it."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, expect

from tests.api.people import Gateway, running_gateway, settings_for
from tests.chromium import running_chromium
from tests.owner import as_owner
from tests.pages.consoles import WIDE, Console, open_console
from windlass.core.wakeup import Notifier

STANDIN = "http://127.0.0.1:9"  # nobody asks it: the tests play the worker

expect.set_options(timeout=30_000)  # ms: how busy the machine is decides nothing


@pytest.fixture(scope="session")
async def gateway(database_url: str) -> AsyncGenerator[Gateway]:
    """A real gateway on a loopback port, where nobody of this address has guessed passwords yet."""
    async with as_owner(database_url) as owner:
        await owner.execute("truncate rate_limit")
    async with running_gateway(settings_for(database_url, WINDLASS_STANDIN_URL=STANDIN)) as running:
        yield running


@pytest.fixture(scope="session")
async def notifier(database_url: str) -> AsyncGenerator[Notifier]:
    """What wakes the gateway up when the test, as a worker, has written."""
    waker = Notifier(database_url, name="tests")
    await waker.start()
    yield waker
    await waker.close()


@pytest.fixture(scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    """A real browser."""
    async with running_chromium() as browser:
        yield browser


@pytest.fixture
async def console(gateway: Gateway, chromium: Browser, notifier: Notifier) -> AsyncGenerator[Console]:
    """Somebody new at a wide screen; a browser that complained fails the test."""
    async with open_console(gateway, chromium, notifier, viewport=WIDE) as somebody:
        yield somebody


@pytest.fixture
async def reader(gateway: Gateway, chromium: Browser, notifier: Notifier) -> AsyncGenerator[Console]:
    """Somebody new whose browser runs no scripts."""
    async with open_console(gateway, chromium, notifier, java_script_enabled=False) as somebody:
        yield somebody


@pytest.fixture(scope="session")
async def visitor(gateway: Gateway, chromium: Browser, notifier: Notifier) -> AsyncGenerator[Console]:
    """Somebody at a wide screen who only looks, shared by the whole session."""
    async with open_console(gateway, chromium, notifier, viewport=WIDE) as somebody:
        yield somebody
