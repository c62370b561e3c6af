"""The command line, run as a process against a small gateway on loopback."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from tests.sdk.commands import Ran, run

RUN = {"id": "7", "agent": "claude", "status": "queued", "title": "Claude", "inputs": {"prompt": "Hi"}}
ME = {"person": {"id": "1", "name": "Ada"}, "tenant": {"id": "2", "name": "Home", "role": "owner"}}
GRANT = {"access_token": "good", "refresh_token": "r1", "expires_in": 7200}


@dataclass
class Gateway:
    """Answers by method and path; remembers what it was asked."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    """The body, or the status and the body, by method and path, with its query where that matters."""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    tokens: list[str] = field(default_factory=list[str])


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            state.asked.append((f"{self.command} {self.path}", json.loads(raw or b"{}")))
            state.tokens.append(self.headers.get("authorization", ""))
            problem = {"status": 404, "title": "Not found", "detail": "There is no such thing."}
            asked, bare = f"{self.command} {self.path}", f"{self.command} {self.path.partition('?')[0]}"
            answer = state.answers.get(asked, state.answers.get(bare, (404, problem)))
            status, body = cast(tuple[int, Any], answer) if isinstance(answer, tuple) else (200, answer)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield state
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "config"


def windlass(gateway: Gateway, home: Path, *arguments: str, say: str = "", **environment: str) -> Ran:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("WINDLASS_")}
    known = {"WINDLASS_CONFIG": str(home), "WINDLASS_URL": gateway.url}
    return run(home.parent, [*arguments], clean | known | environment, say)


def stream(*events: tuple[str, dict[str, Any]]) -> bytes:
    frames: list[str] = []
    for seq, (kind, payload) in enumerate(events, 1):
        data = {"seq": seq, "at": "2026-11-21T10:00:00Z", "kind": kind, "payload": payload}
        frames.append(f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n")
    return "".join(frames).encode()


def test_a_sign_in_is_kept_in_a_file_only_its_owner_can_read(gateway: Gateway, home: Path):
    gateway.answers = {"POST /v1/auth/login": GRANT, "GET /v1/me": ME}

    ran = windlass(gateway, home, "login", "--email", "ada@example.org", "--password-stdin", say="secret\n")

    assert (ran.code, ran.out) == (0, f"Signed in to {gateway.url} as Ada (owner of Home).\n")
    assert gateway.asked[0][1] == {"email": "ada@example.org", "password": "secret"}
    assert (home / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_the_next_command_uses_the_sign_in_and_the_environment_wins(gateway: Gateway, home: Path):
    gateway.answers = {"POST /v1/auth/login": GRANT, "GET /v1/me": ME}
    windlass(gateway, home, "login", "--email", "ada@example.org", "--password-stdin", say="secret\n")

    windlass(gateway, home, "whoami")
    windlass(gateway, home, "whoami", WINDLASS_API_KEY="wl_1_x")

    assert gateway.tokens[-2:] == ["Bearer good", "Bearer wl_1_x"]


def test_signing_out_forgets_the_tokens(gateway: Gateway, home: Path):
    gateway.answers = {"POST /v1/auth/login": GRANT, "GET /v1/me": ME, "POST /v1/auth/logout": (204, b"")}
    windlass(gateway, home, "login", "--email", "ada@example.org", "--password-stdin", say="secret\n")

    ran = windlass(gateway, home, "logout")

    assert ran.code == 0
    assert json.loads((home / "credentials.json").read_text())["servers"] == {}


def test_a_start_sends_the_inputs_prints_the_id_and_names_what_was_left_out(gateway: Gateway, home: Path):
    gateway.answers = {"POST /v1/runs": (202, RUN)}

    ran = windlass(
        gateway, home, "run", "start", "claude", "prompt=Hi", "max_tokens:=5", "--tag", "a", "--timeout", "9"
    )

    assert (ran.code, ran.out) == (0, "7\n")
    assert "Left out, since claude does not take it: max_tokens. What it takes: windlass agents show claude" in ran.err
    inputs = {"prompt": "Hi", "max_tokens": 5}
    assert gateway.asked[0][1] == {"agent": "claude", "inputs": inputs, "tags": ["a"], "timeout_s": 9}


@pytest.mark.parametrize(("status", "code"), [("finished", 0), ("failed", 1), ("cancelled", 130)])
def test_the_exit_code_of_a_watched_run_follows_its_outcome(gateway: Gateway, home: Path, status: str, code: int):
    gateway.answers = {"POST /v1/runs": (202, RUN), "GET /v1/runs/7/stream": stream(("status", {"status": status}))}

    ran = windlass(gateway, home, "run", "start", "claude", "prompt=Hi", "--watch")

    assert ran.code == code


def test_a_watched_run_shows_its_steps_and_its_answer(gateway: Gateway, home: Path):
    steps = ("step", {"key": "a", "name": "read", "state": "done", "ms": 1200})
    final = ("final", {"Markdown": {"body": "The **answer**"}})
    ended = ("status", {"status": "finished"})
    gateway.answers = {"GET /v1/runs/7": RUN, "GET /v1/runs/7/stream": stream(steps, final, ended)}

    ran = windlass(gateway, home, "run", "watch", "7")

    assert "read done 1.2 s" in ran.out
    assert "The answer" in ran.out


def test_a_failed_run_says_what_happened_what_was_kept_and_what_to_do(gateway: Gateway, home: Path):
    steps = ("step", {"key": "a", "name": "read", "state": "done"})
    error = ("error", {"type": "ValueError", "message": "boom"})
    ended = ("status", {"status": "failed"})
    gateway.answers = {"GET /v1/runs/7": RUN, "GET /v1/runs/7/stream": stream(steps, error, ended)}

    ran = windlass(gateway, home, "run", "watch", "7")

    assert "ValueError: boom" in ran.err
    assert "1 finished step is kept" in ran.err
    assert "windlass run retry 7" in ran.err


def test_watching_for_programs_is_one_event_a_line(gateway: Gateway, home: Path):
    ended = ("status", {"status": "finished"})
    gateway.answers = {"GET /v1/runs/7": RUN, "GET /v1/runs/7/stream": stream(("debug", {"text": "x"}), ended)}

    ran = windlass(gateway, home, "run", "watch", "7", "--json")

    assert [json.loads(line)["seq"] for line in ran.out.splitlines()] == [1, 2]


def test_a_refusal_is_a_sentence_with_its_fields(gateway: Gateway, home: Path):
    problem = {
        "title": "Invalid input",
        "detail": "It cannot be used.",
        "errors": [{"field": "n", "message": "is odd"}],
    }
    gateway.answers = {"POST /v1/runs": (422, problem)}

    ran = windlass(gateway, home, "run", "start", "claude")

    assert ran.code == 3
    assert "Invalid input. It cannot be used." in ran.err
    assert "n: is odd" in ran.err
    assert "Traceback" not in ran.err


def test_a_gateway_that_is_down_has_its_own_exit_code(home: Path):
    ran = windlass(Gateway("http://127.0.0.1:1"), home, "login", "--email", "a", "--password-stdin", say="x\n")

    assert ran.code == 4
    assert "make up" in ran.err


def test_wrong_usage_has_its_own_exit_code(gateway: Gateway, home: Path):
    assert windlass(gateway, home, "run", "start", "claude", "prompt").code == 2


@pytest.mark.parametrize("verb", ["add", "change"])
def test_an_application_that_is_no_module_and_name_is_refused_in_words(gateway: Gateway, home: Path, verb: str):
    ran = windlass(gateway, home, "service", verb, "voyage", "--app", "app")

    assert (ran.code, "'app' is no module:app, such as app:app." in ran.err, gateway.asked) == (2, True, [])


def test_lists_are_tables_for_people_and_json_for_programs(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/runs": {"items": [RUN], "next": None}}

    table = windlass(gateway, home, "run", "list", "--status", "queued").out
    span = ("--since", "2026-11-21", "--until", "2026-11-22T06:00:00", "--after", "c1")
    listed = json.loads(windlass(gateway, home, "run", "list", *span, "--json").out)

    assert "queued" in table
    assert listed["items"][0]["id"] == "7"
    assert gateway.asked[0][0] == "GET /v1/runs?status=queued&limit=20"
    wanted = "since=2026-11-21T00%3A00%3A00%2B00%3A00&until=2026-11-22T06%3A00%3A00%2B00%3A00&limit=20&after=c1"
    assert gateway.asked[1][0] == f"GET /v1/runs?{wanted}"


def test_the_doctor_names_what_is_missing(home: Path):
    ran = windlass(Gateway("http://127.0.0.1:1"), home, "doctor", "--json")

    found = {check["name"]: check for check in json.loads(ran.out)}
    assert ran.code == 1
    assert found["Python"]["state"] == "pass"
    assert found["Gateway"]["state"] == "fail"
    assert "make up" in found["Gateway"]["remedy"]


QUESTION: dict[str, Any] = {
    "id": "q1",
    "run_id": "7",
    "name": "Pay invoice 4711?",
    "run_title": "Invoices",
    "state": "open",
    "data": {"amount": 812},
    "elements": [
        {"type": "markdown", "text": "Twice the rate."},
        {"type": "radio", "name": "answer", "label": "Decision", "option": [{"name": "pay"}, {"name": "dispute"}]},
    ],
}


def test_what_waits_is_listed(gateway: Gateway, home: Path):
    gateway.answers["GET /v1/questions"] = {"items": [QUESTION], "next": None}

    ran = windlass(gateway, home, "question", "list")

    assert ran.code == 0
    assert "Pay invoice 4711?" in ran.out
    assert gateway.asked[0][0].startswith("GET /v1/questions?state=open")


def test_a_question_is_shown_with_its_fields(gateway: Gateway, home: Path):
    tick = {"type": "boolean", "name": "sure", "label": "Sure", "option": "I have looked"}
    gateway.answers["GET /v1/questions/q1"] = {**QUESTION, "elements": [*QUESTION["elements"], tick]}

    ran = windlass(gateway, home, "question", "show", "q1")

    assert "pay, dispute" in ran.out
    assert "812" in ran.out
    assert "on: I have looked" in ran.out


def test_the_question_that_waits_longest_is_answered(gateway: Gateway, home: Path):
    gateway.answers["GET /v1/questions"] = {"items": [QUESTION], "next": None}
    gateway.answers["POST /v1/questions/q1/answer"] = {**QUESTION, "state": "answered", "unsettled": True}

    ran = windlass(gateway, home, "question", "answer", "next", "answer=pay")

    assert (ran.code, gateway.asked[-1]) == (0, ("POST /v1/questions/q1/answer", {"inputs": {"answer": "pay"}}))
    assert ran.out == "“Pay invoice 4711?” is answered. Run 7 goes on.\n"
    assert "its handler looks at the answer" in ran.err


def test_who_comes_second_is_told_who_was_first(gateway: Gateway, home: Path):
    gateway.answers["GET /v1/questions/q1"] = QUESTION
    problem = {"title": "Conflict", "status": 409, "detail": "Grace answered it at 14:23:00 UTC. That answer stands."}
    gateway.answers["POST /v1/questions/q1/answer"] = (409, problem)

    ran = windlass(gateway, home, "question", "answer", "q1", "answer=pay")

    assert ran.code == 3
    assert "Grace answered it" in ran.err


def test_what_a_turn_asks_to_do_is_shown_exactly_and_allowed_or_denied(gateway: Gateway, home: Path):
    command = f"rm [a-z]* [/tmp] {'-v ' * 200}end"
    call = {"tool": "shell", "input": {"command": command}}
    approval = {**QUESTION, "id": "q2", "kind": "approval", "run_id": None, "session_id": "s1", "data": call}
    gateway.answers["GET /v1/questions"] = {"items": [QUESTION, approval], "next": None}
    gateway.answers["GET /v1/questions/q2"] = approval
    gateway.answers["POST /v1/questions/q2/answer"] = {**approval, "state": "answered"}

    listed = windlass(gateway, home, "approve")
    allowed = windlass(gateway, home, "approve", "q2", "--session")
    denied = windlass(gateway, home, "approve", "q2", "--deny", "--why", "not there")

    shown = f'shell {{"command": "{command}"}}'
    assert (listed.out.count("q2"), "q1" in listed.out, shown in listed.out) == (1, False, True)
    assert allowed.out == f"Allowed for the session: {shown}. Session s1 goes on.\n"
    assert denied.out.startswith(f"Denied: {shown}")
    decisions = [body["inputs"] for _, body in gateway.asked[-2:]]
    assert decisions == [{"decision": "session"}, {"decision": "deny", "why": "not there"}]
    whole = windlass(gateway, home, "question", "show", "q2").out
    assert ("rm [a-z]* [/tmp]" in whole, whole.count("-v"), 'end"' in whole) == (True, 200, True)
    assert windlass(gateway, home, "approve", "q2", "--session", "--deny").code == 2


def test_nothing_waits(gateway: Gateway, home: Path):
    gateway.answers["GET /v1/questions"] = {"items": [], "next": None}

    assert "Nothing waits for an answer." in windlass(gateway, home, "question", "list").out
    assert windlass(gateway, home, "question", "answer", "next").code == 2


def test_a_sign_in_and_its_end_can_be_read_by_programs(gateway: Gateway, home: Path):
    gateway.answers = {"POST /v1/auth/login": GRANT, "GET /v1/me": ME, "POST /v1/auth/logout": (204, b"")}

    given = windlass(gateway, home, "login", "--email", "a@example.org", "--password-stdin", "--json", say="secret\n")
    ended = windlass(gateway, home, "logout", "--json")

    assert json.loads(given.out)["person"]["name"] == "Ada"
    assert json.loads(ended.out) == {"url": gateway.url, "signed_out": True}


@pytest.mark.parametrize(
    ("words", "path", "answer"),
    [
        (("run", "delete", "7"), "DELETE /v1/runs/7", {"id": "7", "removed": True}),
        (("keys", "remove", "k1"), "DELETE /v1/api-keys/k1", {"id": "k1", "removed": True}),
        (("service", "remove", "hello"), "DELETE /v1/services/hello", {"name": "hello", "removed": True}),
    ],
)
def test_what_was_removed_is_said_to_people_and_to_programs(
    gateway: Gateway, home: Path, words: tuple[str, ...], path: str, answer: dict[str, Any]
):
    gateway.answers = {"GET /v1/runs/7": RUN, path: (204, b"")}

    said = windlass(gateway, home, *words)
    read = windlass(gateway, home, *words, "--json")

    assert (said.code, len(said.out.splitlines())) == (0, 1)
    assert json.loads(read.out) == answer


def test_the_process_of_a_service_that_is_down_is_null_and_the_command_fails(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/services/hello": {"name": "hello", "state": "down", "pid": None}}

    ran = windlass(gateway, home, "service", "pid", "hello", "--json")

    assert (ran.code, json.loads(ran.out)) == (1, {"pid": None})


def test_the_hosts_of_a_service_are_told_one_by_one(gateway: Gateway, home: Path):
    hosts = [{"n": 1, "state": "running", "pid": 7, "reason": None}]
    hosts += [{"n": 2, "state": "unhealthy", "pid": None, "reason": "It ended."}]
    gateway.answers = {"GET /v1/services/hello": {"name": "hello", "state": "running", "replicas": 2, "hosts": hosts}}

    ran = windlass(gateway, home, "service", "show", "hello")

    assert ran.out.splitlines()[-2:] == ["host 1: running, process 7.", "host 2: unhealthy, no process. It ended."]


def test_what_several_hosts_of_a_service_printed_last_is_told_once(gateway: Gateway, home: Path):
    lines = "Traceback\nValueError: mine"
    hosts = [{"n": n, "state": "unhealthy", "pid": None, "reason": f"Try {n}. It ended.\n{lines}"} for n in (1, 2)]
    reason = f"Replica 1 of 2: {hosts[0]['reason']}"
    known = {"name": "hello", "state": "unhealthy", "reason": reason, "replicas": 2, "hosts": hosts}
    gateway.answers = {"GET /v1/services/hello": known}

    ran = windlass(gateway, home, "service", "show", "hello")

    assert ran.out.splitlines()[2:] == [
        "host 1: unhealthy, no process. Try 1. It ended.",
        *lines.splitlines(),
        "host 2: unhealthy, no process. Try 2. It ended. (the last lines are those of host 1)",
    ]


def test_what_a_service_printed_is_shown_of_what_lives_or_else_of_what_ended_last(gateway: Gateway, home: Path):
    at = "2026-11-30T10:00:00Z"
    old, new = ({"pid": n, "text": f"[{n}] said", "started_at": at, "ended_at": at} for n in (1, 2))
    gateway.answers = {"GET /v1/services/hello/log": {"items": [new, old]}}

    ended = windlass(gateway, home, "service", "log", "hello")
    every = windlass(gateway, home, "service", "log", "hello", "--all")
    gateway.answers = {"GET /v1/services/hello/log": {"items": []}}
    nothing = windlass(gateway, home, "service", "log", "hello")

    assert (ended.out, every.out, nothing.out) == ("[2] said\n", "[2] said\n[1] said\n", "")
    assert ("process 2" in ended.err, "Nothing of hello has run" in nothing.err) == (True, True)
