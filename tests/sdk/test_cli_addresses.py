"""What the command line says where an address or this machine is in its way, on a small gateway on loopback."""

from pathlib import Path
from typing import Any

import pytest

from tests.sdk.test_cli import RUN, Gateway, gateway, home, windlass

__all__ = ["gateway", "home"]


@pytest.mark.parametrize("page", [b"<!doctype html>", {"items": "none"}])
def test_an_address_where_something_else_answers_is_named_and_the_doctor_goes_on(
    gateway: Gateway, home: Path, page: Any
):
    gateway.answers = {f"GET {path}": page for path in ("/health", "/ready", "/v1/runs", "/v1/me")}

    ran, doctor = windlass(gateway, home, "run", "list"), windlass(gateway, home, "doctor")

    assert ran.code == 4
    assert f"What answers at {gateway.url} is not this version of Windlass" in ran.err
    assert "Another address: --url" in ran.err
    assert "make up" not in ran.err
    assert (doctor.code, doctor.err) == (1, "")


def test_a_refusal_that_is_not_of_windlass_says_who_gave_it(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/runs": (400, b"<h1>no</h1>")}

    ran = windlass(gateway, home, "run", "list")

    assert (ran.code, ran.err) == (
        3, f"400 Bad Request. This is no answer of Windlass, but of what stands at {gateway.url}.\n",
    )  # fmt: skip


def test_an_address_without_a_scheme_is_wrong_usage(gateway: Gateway, home: Path):
    ran = windlass(gateway, home, "run", "list", WINDLASS_URL="localhost:8700")

    assert ran.code == 2
    assert "begin it with http:// or https://" in ran.err


def test_files_of_ones_own_newest_run_are_listed_by_its_short_name(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/runs": {"items": [RUN], "next": None}, "GET /v1/runs/7/files": {"items": []}}

    ran = windlass(gateway, home, "file", "list", "last")

    assert (ran.code, ran.out) == (0, "The run has no files there.\n")
    assert gateway.asked[0][0] == "GET /v1/runs?mine=true&limit=1"  # an administrator sees those of others too


def test_what_this_machine_refuses_is_a_sentence(gateway: Gateway, home: Path):
    (home / "credentials.json").mkdir(parents=True)

    ran = windlass(gateway, home, "run", "list")

    assert ran.code == 1
    assert ran.err.startswith(f"This machine refused {home}/credentials.json: Is a directory.\n")
    assert "Traceback" not in ran.err
