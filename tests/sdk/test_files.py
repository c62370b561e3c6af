"""Files of a run, seen from inside: what the agent is told when the way to the gateway breaks."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from windlass.files import PIECE_BYTES, FileAccess, FileSystem

Answer = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """A request, answered by the next answer of the gateway's script."""

    def say(self, status: int, body: bytes = b"", **headers: object) -> None:
        """Send a whole answer, or the beginning of one whose `content_length` is longer."""
        self.send_response(status)
        for name, value in ({"content_length": len(body)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def answered(self) -> None:
        """Whatever the script says now; then the connection is closed."""
        gateway: Any = self.server
        gateway.asked.append(self)
        gateway.script.pop(0)(self)
        self.close_connection = True

    do_GET = do_DELETE = answered  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def gateway(*script: Answer) -> Generator[tuple[FileSystem, list[Asked]]]:
    """The files of a run behind a gateway that answers so, and what it was asked."""
    asked: list[Asked] = []
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    server.script, server.asked = list(script), asked
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    access = FileAccess(f"http://127.0.0.1:{server.server_port}", "run", "wr_token", asyncio.to_thread)
    try:
        with FileSystem(access) as files:
            yield files, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def silence(asked: Asked) -> None:
    """Do what was asked, and say nothing."""


def missing(asked: Asked) -> None:
    """There is none."""
    asked.say(404)


def test_a_file_whose_removal_was_never_answered_was_removed():
    with gateway(silence, missing) as (files, asked):
        assert files.remove("in/a.txt") is True

    assert [each.command for each in asked] == ["DELETE", "DELETE"]


def test_a_file_that_was_never_there_cannot_be_removed():
    with gateway(missing) as (files, _), pytest.raises(FileNotFoundError):
        files.remove("in/a.txt")


def test_reading_goes_on_behind_the_last_whole_piece_when_the_connection_breaks():
    content = b"a" * PIECE_BYTES + b"bcdefg"

    def most(asked: Asked) -> None:
        asked.say(200, content[:-3], content_length=len(content), etag='"1"')

    def rest(asked: Asked) -> None:
        asked.say(206, content[PIECE_BYTES:], etag='"1"')

    with gateway(most, rest) as (files, asked):
        read = files.open("in/a.txt").read_all()

    assert read == content
    assert (asked[1].headers["range"], asked[1].headers["if-range"]) == (f"bytes={PIECE_BYTES}-", '"1"')
