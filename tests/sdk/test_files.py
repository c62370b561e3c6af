"""Files of runs, as agents and people send and get them, when the way to the gateway breaks."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.sdk.hosts import ROOT
from windlass.client.files import sources_of
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
        self.rfile.read(int(self.headers.get("content-length") or 0))
        gateway.asked.append(self)
        gateway.script.pop(0)(self)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = answered  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def gateway(*script: Answer) -> Generator[tuple[str, list[Asked]]]:
    """The address of a gateway that answers so, and what it was asked."""
    asked: list[Asked] = []
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    server.script, server.asked = list(script), asked
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files_at(url: str) -> FileSystem:
    """The files of a run that has its gateway there."""
    return FileSystem(FileAccess(url, "run", "wr_token", asyncio.to_thread))


def silence(asked: Asked) -> None:
    """Do what was asked, and say nothing."""


def missing(asked: Asked) -> None:
    """There is none."""
    asked.say(404)


def test_a_file_whose_removal_was_never_answered_was_removed():
    with gateway(silence, missing) as (url, asked), files_at(url) as files:
        assert files.remove("in/a.txt") is True

    assert [each.command for each in asked] == ["DELETE", "DELETE"]


def test_a_file_that_was_never_there_cannot_be_removed():
    with gateway(missing) as (url, _), files_at(url) as files, pytest.raises(FileNotFoundError):
        files.remove("in/a.txt")


def test_reading_goes_on_behind_the_last_whole_piece_when_the_connection_breaks():
    content = b"a" * PIECE_BYTES + b"bcdefg"

    def most(asked: Asked) -> None:
        asked.say(200, content[:-3], content_length=len(content), etag='"1"')

    def rest(asked: Asked) -> None:
        asked.say(206, content[PIECE_BYTES:], etag='"1"')

    with gateway(most, rest) as (url, asked), files_at(url) as files:
        read = files.open("in/a.txt").read_all()

    assert read == content
    assert (asked[1].headers["range"], asked[1].headers["if-range"]) == (f"bytes={PIECE_BYTES}-", '"1"')


def test_an_upload_that_breaks_off_says_how_it_goes_on(tmp_path: Path):
    (tmp_path / "a.txt").write_text("a")
    file = {"file_id": "f", "path": "a.txt", "size_bytes": 1, "chunks": 1, "chunk_bytes": 1, "sha256": None}
    upload = {"upload_id": "0199", "expires_at": "2026-01-01T00:00:00Z", "complete": False, "files": [file]}

    def announced(asked: Asked) -> None:
        asked.say(201, json.dumps(upload).encode(), content_type="application/json")

    def refused(asked: Asked) -> None:
        problem = {"type": "urn:windlass:problem:conflict", "title": "Conflict", "status": 409, "detail": "No."}
        asked.say(409, json.dumps(problem).encode(), content_type="application/problem+json")

    with gateway(announced, refused) as (url, asked):
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "windlass.cli", "--url", url, "file", "upload", str(tmp_path / "a.txt")],
            env={**os.environ, "PYTHONPATH": str(ROOT), "WINDLASS_API_KEY": "wl_key", "WINDLASS_CONFIG": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert [each.command for each in asked] == ["POST", "PUT"]
    assert done.returncode != 0
    assert "--resume 0199 goes on with it." in done.stderr


def test_more_files_than_a_run_takes_are_refused_before_any_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("windlass.client.files.MOST_FILES", 1)
    for name in ("a", "b"):
        (tmp_path / name).touch()

    with pytest.raises(ValueError, match=r"These are 2 files, and a run takes 1\. Nothing was sent\."):
        sources_of([tmp_path])
