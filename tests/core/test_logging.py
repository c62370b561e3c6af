"""Logs: one line a fact, no secret, no forged line."""

import json
import logging
from collections.abc import Generator
from typing import Any

import pytest
import structlog

from windlass.core.logging import clean, configure, context

CANARIES = [
    "wl_8f3a_Zm9vYmFyYmF6cXV4cXV1eA",
    "sk-ant-api03-canarycanary",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.canarysignature",
    "Bearer canarycanary",
    "postgresql://owner:canarypassword@db/windlass",
    "-----BEGIN PRIVATE KEY-----canary-----END PRIVATE KEY-----",
]


@pytest.fixture(autouse=True)
def restored() -> Generator[None]:
    handlers, level, configuration = logging.root.handlers, logging.root.level, structlog.get_config()
    yield
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
    structlog.configure(**configuration)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_carries_the_ids_of_its_request(capsys: pytest.CaptureFixture[str]):
    configure("gateway", format="json")

    with context(request_id="r-1", tenant="acme", run="42"):
        structlog.get_logger("api").info("run started", agent="echo")

    (line,) = lines(capsys)
    assert line["event"] == "run started"
    assert (line["request_id"], line["tenant"], line["run"], line["agent"]) == ("r-1", "acme", "42", "echo")
    assert (line["process"], line["logger"], line["level"]) == ("gateway", "api", "info")


@pytest.mark.parametrize("secret", CANARIES)
def test_a_secret_reaches_no_line(capsys: pytest.CaptureFixture[str], secret: str):
    configure("gateway", format="json")

    structlog.get_logger().info(f"got {secret}", detail={"header": [secret]}, error=ValueError(secret))
    logging.getLogger("library").warning("saw %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        structlog.get_logger().exception("failed")

    written = capsys.readouterr().out
    assert secret not in written
    assert "canary" not in written
    assert "Zm9vYmFy" not in written


def test_a_value_is_hidden_by_its_name(capsys: pytest.CaptureFixture[str]):
    configure("gateway", format="json")

    structlog.get_logger().info("signed in", password="hunter2", headers={"Cookie": "hunter2"})  # noqa: S106

    assert "hunter2" not in capsys.readouterr().out


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_value_cannot_forge_a_second_line(capsys: pytest.CaptureFixture[str], format: Any):
    configure("gateway", format=format)

    structlog.get_logger().info("named", name="a\r\nlevel=error forged\x1b[2J")

    written = capsys.readouterr().out
    assert len(written.splitlines()) == 1
    assert "\x1b[2J" not in written


def test_a_library_line_has_the_same_shape(capsys: pytest.CaptureFixture[str]):
    configure("worker runs", format="json")

    logging.getLogger("temporalio").warning("slow %s", "poll")

    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["process"]) == ("slow poll", "temporalio", "worker runs")


def test_hostile_text_is_cleaned_in_linear_time():
    text = "wl_" * 100_000 + "://" + "a" * 100_000

    assert len(clean(text)) > 0
