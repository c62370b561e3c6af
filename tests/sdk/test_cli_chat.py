"""`windlass chat`, run as a process against a small gateway on loopback."""

from pathlib import Path

import pytest

from tests.sdk.test_cli import Gateway, gateway, home, stream, windlass

__all__ = ["gateway", "home"]

SESSION = {"id": "s-1", "title": "Rates", "status": "idle"}


@pytest.fixture
def talking(gateway: Gateway) -> Gateway:
    """A gateway whose model answers every message alike."""
    answer = ("message", {"role": "assistant", "item": "a", "text": "Hello."})
    gateway.answers = {
        "POST /v1/sessions": (201, SESSION),
        "POST /v1/sessions/s-1/attachments": (201, {"id": "f-1", "name": "a.txt"}),
        "POST /v1/sessions/s-1/messages": (202, {"id": "m-1", "seq": 1, "role": "user"}),
        "GET /v1/sessions/s-1/stream": stream(
            ("status", {"took": ["m-1"], "turn": 1}), answer, ("status", {"turn": 1, "end": "finished"})
        ),
    }
    return gateway


def test_who_leaves_without_a_word_leaves_no_session_behind(talking: Gateway, home: Path, tmp_path: Path):
    (tmp_path / "a.txt").write_text("what it is about")

    ran = windlass(talking, home, "chat", "--agent", "reviewer", "--attach", str(tmp_path / "a.txt"))

    assert (ran.code, ran.out, talking.asked) == (0, "", [])
    assert ran.err == "An empty line ends the talk, not the session.\n"


def test_the_first_message_opens_the_session_and_says_which_it_is(talking: Gateway, home: Path):
    ran = windlass(talking, home, "chat", "--agent", "reviewer", say="Hi\nAnd you?\n")

    assert (ran.code, ran.out) == (0, "Hello.\nHello.\n")
    assert ran.err == "An empty line ends the talk, not the session.\nSession s-1.\n"
    assert [path for path, _ in talking.asked if path.startswith("POST")] == [
        "POST /v1/sessions",
        *["POST /v1/sessions/s-1/messages"] * 2,
    ]
    assert talking.asked[0][1] == {"agent": "reviewer"}


def test_a_talk_that_goes_on_says_at_once_with_what(talking: Gateway, home: Path):
    ran = windlass(talking, home, "chat", "s-1")

    assert (ran.code, ran.err) == (0, "Session s-1. An empty line ends the talk, not the session.\n")
    assert talking.asked == []
