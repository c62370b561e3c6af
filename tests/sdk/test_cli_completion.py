"""What a shell is told when somebody presses the tab key, by a small gateway on loopback."""

import json
import socket
import time
from pathlib import Path

import pytest

from tests.sdk.test_cli import Gateway, gateway, home, windlass

__all__ = ["gateway", "home"]


def completed(gateway: Gateway, home: Path, line: str, **environment: str) -> list[str]:
    """What bash would offer at the end of this line."""
    last = len(line.split(" ")) - 1
    asking = {"_WINDLASS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(last)}
    ran = windlass(gateway, home, **asking, **environment)
    assert ran.err == ""
    return ran.out.split()


def sign_in(gateway: Gateway, home: Path, expires_at: float) -> str:
    """Somebody is signed in until then; what is kept of it."""
    kept = {"bearer": "good", "refresh_token": "r1", "expires_at": expires_at}
    home.mkdir(exist_ok=True)
    path = home / "credentials.json"
    path.write_text(json.dumps({"current": gateway.url, "servers": {gateway.url: kept}}))
    return path.read_text()


@pytest.fixture
def knowing(gateway: Gateway, home: Path) -> Gateway:
    sign_in(gateway, home, time.time() + 3600)
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
    assert knowing.tokens == ["Bearer good"]


def test_nothing_is_offered_and_nothing_said_where_nobody_answers_or_signed_in(gateway: Gateway, home: Path):
    line, key = "windlass run start ", {"WINDLASS_API_KEY": "wl_1_x"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        unanswered = completed(Gateway(url=f"http://127.0.0.1:{silent.getsockname()[1]}"), home, line, **key)
        took_s = time.monotonic() - began

    assert unanswered == completed(Gateway(url="http://127.0.0.1:1"), home, line, **key) == []
    assert took_s < 5
    gateway.answers = {"GET /v1/agents": (401, {"status": 401, "title": "Not signed in", "detail": "No."})}
    assert completed(gateway, home, line, **key) == []
    assert completed(Gateway(url="http://[x]"), home, line, **key) == []


@pytest.mark.parametrize("left_s", [-1, 3600])
def test_a_token_is_never_renewed_for_it(gateway: Gateway, home: Path, left_s: float):
    kept = sign_in(gateway, home, time.time() + left_s)
    grant = {"access_token": "new", "refresh_token": "r2", "expires_in": 7200}
    refused = (401, {"status": 401, "title": "Not signed in", "detail": "No."})
    gateway.answers = {"GET /v1/agents": refused, "POST /v1/auth/refresh": grant}

    offered = completed(gateway, home, "windlass run start ")

    assert offered == []
    assert [asked.partition("?")[0] for asked, _ in gateway.asked] == ["GET /v1/agents"] * (left_s > 0)
    assert (home / "credentials.json").read_text() == kept
