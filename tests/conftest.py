"""Fixtures every test may ask for. Where only the SDK is installed there are none, and `tests/sdk` needs none."""

import os
from importlib.util import find_spec

from hypothesis import HealthCheck, settings

# How long an example takes is the machine's affair: on a busy one the first examples alone are too slow by default.
# In CI the examples are the same for the same code: it says what a change broke; what is new is searched elsewhere.
settings.register_profile(
    "windlass", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("windlass")

pytest_plugins = ["tests.real_parts"] if find_spec("temporalio") else []
