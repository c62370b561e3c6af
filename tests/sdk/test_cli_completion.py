"""What a shell is told when somebody presses the tab key, by a small gateway on loopback."""

import socket
import time
from pathlib import Path

import pytest

from tests.sdk.test_cli import Gateway, gateway, home, windlass

__all__ = ["gateway", "home"]


def completed(gateway: Gateway, home: Path, line: str) -> list[str]:
    """What bash would offer at the end of this line."""
    last = len(line.split(" ")) - 1
    ran = windlass(gateway, home, _WINDLASS_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(last))
    assert ran.err == ""
    return ran.out.split()


@pytest.fixture
def knowing(gateway: Gateway) -> Gateway:
    agents = [{"name": name, "kind": "flow", "summary": "[/x]"} for name in ("claude", "books/sort", "books/read")]
    gateway.answers = {"GET /v1/agents": {"items": agents, "next": None}}
    return gateway


@pytest.mark.parametrize(
    ("begun", "offered"),
    [("", ["claude", "books/sort", "books/read"]), ("books/", ["books/sort", "books/read"]), ("x", [])],
)
def test_the_names_of_agents_are_completed_where_one_is_started(
    knowing: Gateway, home: Path, begun: str, offered: list[str]
):
    assert completed(knowing, home, f"windlass run start {begun}") == offered


def test_the_gateway_of_the_line_is_asked(knowing: Gateway, home: Path):
    elsewhere = Gateway(url="http://127.0.0.1:1")

    assert completed(elsewhere, home, f"windlass --url {knowing.url} run start c") == ["claude"]


def test_nothing_is_offered_and_nothing_said_where_nobody_answers_or_signed_in(gateway: Gateway, home: Path):
    line = "windlass run start "
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        unanswered = completed(Gateway(url=f"http://127.0.0.1:{silent.getsockname()[1]}"), home, line)
        took_s = time.monotonic() - began

    assert unanswered == completed(Gateway(url="http://127.0.0.1:1"), home, line) == []
    assert took_s < 5
    gateway.answers = {"GET /v1/agents": (401, {"status": 401, "title": "Not signed in", "detail": "No."})}
    assert completed(gateway, home, line) == []
