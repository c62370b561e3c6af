"""A real Chromium for tests of pages."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

# The shell is the same browser without a window to draw: 17 tests of pages took 50 s of CPU in it, and 92 s outside.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = ("--disable-gpu", "--disable-background-networking")


@asynccontextmanager
async def running_chromium() -> AsyncGenerator[Browser]:
    """The browser of this machine; without one a test is skipped, in CI it fails."""
    program = next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM", ""), *NAMES))), None)
    if program is None:
        message = "There is no Chromium on PATH: install the distribution's package."
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    async with async_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS, *sandbox])
        yield browser
        await browser.close()
