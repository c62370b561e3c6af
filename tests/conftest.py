"""Fixtures every test may ask for. Where only the SDK is installed there are none, and `tests/sdk` needs none."""

import faulthandler
import os
from collections.abc import Generator
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's affair: on a busy one the first examples alone are too slow by default.
# In CI the examples are the same for the same code: it says what a change broke; what is new is searched elsewhere.
settings.register_profile(
    "windlass", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("windlass")

LAST_S = 60.0  # what a test has beyond its time limit to come to an end
STDERR = pytest.StashKey[int]()

pytest_plugins = ["tests.real_parts"] if find_spec("temporalio") else []


def pytest_configure(config: pytest.Config) -> None:
    """Keep the standard error output of before any test captures it."""
    config.stash[STDERR] = os.dup(2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End the process where a test outlives its limit, and say where every thread stands.

    The limit asks the main thread to fail, once. A loop that never awaits, or another task whose step was struck, goes
    on after that; one such loop had taken all memory of the machine before anybody looked.
    """
    marked = item.get_closest_marker("timeout")
    limit = float(marked.args[0] if marked else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(limit + LAST_S, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
