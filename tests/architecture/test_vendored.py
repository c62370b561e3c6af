"""Vendored files are the ones that were published (control M3)."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "api" / "static" / "vendor"
MANIFEST: dict[str, dict[str, str]] = json.loads((VENDOR / "manifest.json").read_text())


def digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha384(content).digest()).decode()


@pytest.mark.parametrize("name", MANIFEST)
def test_a_vendored_file_is_unchanged(name: str):
    """M3."""
    assert digest((VENDOR / name).read_bytes()) == MANIFEST[name]["sha384"]
    assert MANIFEST[name]["version"]


def test_every_vendored_script_and_style_is_in_the_manifest():
    """M3."""
    assert {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css")} == MANIFEST.keys()


def test_a_modified_file_would_be_found():
    """M3: the gate can fail."""
    name = next(iter(MANIFEST))

    assert digest((VENDOR / name).read_bytes() + b" ") != MANIFEST[name]["sha384"]
