"""Where the program `temporal` comes from, and what an error says when it comes from nowhere."""

import hashlib
import io
import platform
import sys
import tarfile
import threading
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stack import temporal
from stack.temporal import VERSION, TemporalError, fetch_release, find_program


def program(path: Path, version: str) -> Path:
    path.write_text(f"#!/bin/sh\necho 'temporal version {version} (Server 1.32.0, UI 2.54.1)'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def releases(tmp_path: Path) -> Generator[tuple[Path, str]]:
    """A folder that looks like the official releases, and its address."""
    folder = tmp_path / "releases" / f"v{VERSION}"
    folder.mkdir(parents=True)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    archive = folder / f"temporal_cli_{VERSION}_{sys.platform}_{machine}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        entry = tarfile.TarInfo("temporal")
        entry.size = 7
        packed.addfile(entry, io.BytesIO(b"program"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / "checksums.txt").write_text(f"{digest}  {archive.name}\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "releases")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without telling."""

    def log_message(self, format: str, *args: object) -> None:
        return


async def test_the_configured_program_comes_first(tmp_path: Path):
    chosen = program(tmp_path / "mine", "1.9.0")

    assert await find_program(chosen, tmp_path) == chosen


async def test_a_matching_program_on_path_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = program(tmp_path / "temporal", "1.9.7")

    assert await find_program(None, tmp_path) == found


async def test_another_version_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = program(tmp_path / "temporal", "1.3.0")

    assert await find_program(None, tmp_path) != found


async def test_every_way_that_failed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(temporal, "_in_wheel", lambda: None)
    monkeypatch.setattr(temporal, "fetch_release", refuse)
    program(tmp_path / "temporal", "1.3.0")

    with pytest.raises(TemporalError) as error:
        await find_program(tmp_path / "missing", tmp_path)

    message = str(error.value)
    assert "WINDLASS_TEMPORAL_BIN" in message
    assert "No such file" in message
    assert "version 1.3 is not 1.9" in message
    assert "the wheel" in message
    assert "the official release: no route to host" in message


def test_the_official_release_is_kept_when_its_checksum_is_right(tmp_path: Path, releases: tuple[Path, str]):
    fetched = fetch_release(tmp_path, releases[1])

    assert fetched.read_bytes() == b"program"
    assert fetched.stat().st_mode & 0o111


def test_a_release_that_was_tampered_with_is_refused(tmp_path: Path, releases: tuple[Path, str]):
    folder, address = releases
    (archive,) = folder.glob("*.tar.gz")
    archive.write_bytes(archive.read_bytes() + b"x")

    with pytest.raises(TemporalError, match="checksum"):
        fetch_release(tmp_path, address)

    assert not list(tmp_path.glob("temporal-*"))


def refuse(_folder: Path) -> Path:
    raise OSError("no route to host")
