"""Fixtures every test may ask for. Where only the SDK is installed there are none, and `tests/sdk` needs none."""

import faulthandler
import gc
import gzip
import json
import os
from collections.abc import Generator
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.charmap import charmap_file

# How long an example takes is the machine's affair: on a busy one the first examples alone are too slow by default.
# In CI the examples are the same for the same code: it says what a change broke; what is new is searched elsewhere.
settings.register_profile(
    "windlass", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("windlass")

# Until every test is loaded: looks for garbage, which is not there, took two of the five core-seconds of tests/api.
gc.disable()

# All but the surrogates can be written in UTF-8: Hypothesis tries out every character, in three core-seconds, and keeps
# what it found where it looks first.
UTF_8 = [[[0, 0xD7FF], [0xE000, 0x10FFFF]], []]

LAST_S = 60.0  # what a test has beyond its time limit to come to an end
STDERR = pytest.StashKey[int]()

pytest_plugins = ["tests.real_parts"] if find_spec("temporalio") else []


@pytest.hookimpl(trylast=True)  # Hypothesis first takes note that its beginning is over
def pytest_sessionstart() -> None:
    """Write down what Hypothesis would find out about UTF-8. Where it looks elsewhere it finds it out itself."""
    place = charmap_file("codec-v2-utf-8")
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        half = place.with_suffix(f".{os.getpid()}")
        half.write_bytes(gzip.compress(json.dumps(UTF_8).encode()))
        half.replace(place)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and no more at what was loaded, which stays."""
    gc.collect()
    gc.freeze()
    gc.enable()


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
