"""`windlass exchange`, run as a process against a small gateway on loopback."""

from pathlib import Path

import pytest

from tests.sdk.test_cli import Gateway, gateway, home, windlass

__all__ = ["gateway", "home"]


@pytest.mark.parametrize(
    ("tasks", "servers", "said"),
    [(1, 2, "1 task, 2 mcp servers"), (2, 1, "2 tasks, 1 mcp server"), (1, 0, "1 task")],
)
def test_what_was_written_down_is_counted_in_words(
    gateway: Gateway, home: Path, tmp_path: Path, tasks: int, servers: int, said: str
):
    gateway.answers = {"GET /v1/exchange/export": {"tasks": [{}] * tasks, "mcp_servers": [{}] * servers}}

    ran = windlass(gateway, home, "exchange", "export", "--tenant", str(tmp_path / "house.json"))

    assert (ran.code, ran.out) == (0, f"{said} in {tmp_path / 'house.json'}.\n")
