"""Fixtures every test may ask for. Where only the SDK is installed there are none, and `tests/sdk` needs none."""

from importlib.util import find_spec

pytest_plugins = ["tests.real_parts"] if find_spec("temporalio") else []
