"""How the client signs its requests and renews its tokens, against a real server on loopback."""

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from windlass.client import ApiError, AsyncClient, Client, Credentials, Unreachable
from windlass.client.calls import RunOptions
from windlass.client.credentials import MemoryStore, believed


@dataclass
class Gate:
    """A gateway that accepts one token at a time and can be told to be busy."""

    url: str = ""
    good: str = "second"
    busy: int = 0
    seen: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])

    def answer(self, path: str, body: dict[str, str], token: str, key: str | None) -> tuple[int, dict[str, object]]:
        self.seen.append(path)
        if self.busy > 0:
            self.busy -= 1
            return 503, {"title": "Not available"}
        if path == "/v1/auth/refresh":
            if body.get("refresh_token") != "r1":
                return 401, {"title": "Not signed in", "detail": "Sign in again."}
            return 200, {"access_token": self.good, "refresh_token": "r2", "expires_in": 60}
        if path == "/v1/auth/login":
            return 200, {"access_token": self.good, "refresh_token": "r1", "expires_in": 60}
        if token != f"Bearer {self.good}":
            return 401, {"title": "Not signed in", "detail": "Sign in again."}
        if path == "/v1/runs":
            self.keys.append(key or "")
            return 202, {"id": "7", "agent": "claude", "status": "queued", "color": "red"}
        return 200, {"person": {"id": "1", "name": "Ada"}, "tenant": {"id": "2"}}


@pytest.fixture
def gate() -> Iterator[Gate]:
    state = Gate()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            token, key = self.headers.get("authorization", ""), self.headers.get("idempotency-key")
            status, answer = state.answer(self.path, json.loads(raw or b"{}"), token, key)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_any  # noqa: N815 - the names http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield state
        server.shutdown()


def test_an_api_key_is_shown_as_it_is(gate: Gate):
    with Client(gate.url, api_key="second") as client:
        assert client.me().person.name == "Ada"

    assert gate.seen == ["/v1/me"]


def test_a_sign_in_is_kept(gate: Gate):
    store = MemoryStore()

    with Client(gate.url, store=store) as client:
        client.login("ada@example.org", "secret")
        assert client.me().person.name == "Ada"

    kept = store.load()
    assert kept is not None
    assert (kept.bearer, kept.refresh_token) == ("second", "r1")


def test_a_token_that_was_refused_is_renewed_once(gate: Gate):
    store = MemoryStore(Credentials("first", "r1", expires_at=2**40))

    with Client(gate.url, store=store) as client:
        assert client.me().person.name == "Ada"

    assert gate.seen == ["/v1/me", "/v1/auth/refresh", "/v1/me"]
    assert store.load() != Credentials("first", "r1", expires_at=2**40)


async def test_the_asynchronous_client_renews_too(gate: Gate):
    store = MemoryStore(Credentials("first", "r1", expires_at=1))

    async with AsyncClient(gate.url, store=store) as client:
        me = await client.me()

    assert me.person.name == "Ada"
    assert gate.seen == ["/v1/auth/refresh", "/v1/me"]


def test_a_token_another_process_renewed_is_taken_over(gate: Gate):
    store = MemoryStore(Credentials("first", "used up", expires_at=2**40))

    class SharedStore(MemoryStore):
        def load(self) -> Credentials | None:
            found = store.load()
            store.save(Credentials("second", "r9", expires_at=2**40))
            return found

    with Client(gate.url, store=SharedStore()) as client:
        assert client.me().person.name == "Ada"

    assert gate.seen == ["/v1/me", "/v1/me"]


def test_a_session_that_is_over_says_so(gate: Gate):
    with (
        Client(gate.url, store=MemoryStore(Credentials("first", "unknown", expires_at=2**40))) as client,
        pytest.raises(ApiError, match="Sign in again") as raised,
    ):
        client.me()

    assert raised.value.status == 401


def test_a_start_is_repeated_under_one_key_while_the_gateway_is_replaced(gate: Gate):
    gate.busy = 2

    with Client(gate.url, api_key="second") as client:
        run = client.runs.start("claude", {"prompt": "Hi"})

    assert (run.id, run.is_live, run.to_json()["color"]) == ("7", True, "red")
    assert gate.seen == ["/v1/runs"] * 3


def test_a_start_keeps_the_key_it_was_given(gate: Gate):
    with Client(gate.url, api_key="second") as client:
        client.runs.start("claude", {"prompt": "Hi"}, RunOptions(idempotency_key="mine"))

    assert gate.keys == ["mine"]


def test_a_sign_in_is_never_repeated(gate: Gate):
    gate.busy = 1

    with Client(gate.url) as client, pytest.raises(ApiError):
        client.login("ada@example.org", "secret")

    assert gate.seen == ["/v1/auth/login"]


def test_a_gateway_that_is_down_is_named():
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:1"):
        client.login("ada@example.org", "secret")


def test_certificates_are_believed_where_an_address_asks_for_them_and_nobodys_where_it_does_not():
    nobodys = believed("http://gateway")

    assert believed("HTTPS://gateway") is True
    assert isinstance(nobodys, ssl.SSLContext)
    assert (nobodys.verify_mode, nobodys.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert nobodys.get_ca_certs() == []
