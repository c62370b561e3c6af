"""Compose itself: what this machine has, else the program of a newer Debian's package, kept in the user's cache."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PLUGINS = (
    Path("/usr/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
    Path.home() / ".docker/cli-plugins",
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCE = f"deb [signed-by={KEYRING}] http://deb.debian.org/debian trixie main\n"
CONFIGURATION = """
Dir::State "{folder}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{folder}/cache";
Dir::Etc::SourceList "{folder}/sources";
Dir::Etc::SourceParts "-";
Acquire::Languages "none";
APT::Sandbox::User "";
"""
PATIENCE_S = 300


class NoCompose(Exception):
    """There is no compose 2, and none can be had here; the message says why."""


def compose() -> Path:
    """The program, which takes compose's words. Raises NoCompose."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "windlass"
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / "docker-compose"
    found = next((each for each in (*_installed(), kept) if _is_new(each)), None)
    if found is not None:
        return found
    with (cache / "docker-compose.lock").open("w") as lock:  # two sessions fetch it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_new(kept):
            _fetch(kept)
    if not _is_new(kept):
        raise NoCompose(f"The docker-compose of Debian's package does not run here: {_run(str(kept), 'version')}")
    return kept


def _installed() -> Iterator[Path]:
    on_path = shutil.which("docker-compose")
    if on_path is not None:
        yield Path(on_path)
    yield from (folder / "docker-compose" for folder in PLUGINS)


def _is_new(program: Path) -> bool:
    """Whether it is there, runs, and is not the first compose, which cannot read our file."""
    return program.exists() and _run(str(program), "version", "--short").lstrip("v").startswith(
        ("2.", "3.", "4.", "5.")
    )


def _fetch(program: Path) -> None:
    """Take it out of the package, which is not installed. Raises NoCompose."""
    if shutil.which("apt-get") is None or not KEYRING.exists():
        raise NoCompose(
            "There is no compose 2 here. Install your distribution's package, such as docker-compose-plugin."
        )
    with tempfile.TemporaryDirectory(dir=program.parent) as name:
        folder = Path(name)
        for each in ("state/lists/partial", "cache/archives/partial"):
            (folder / each).mkdir(parents=True)
        (folder / "sources").write_text(SOURCE)
        (folder / "apt.conf").write_text(CONFIGURATION.format(folder=folder))
        said = _run("apt-get", "-qq", "update", folder=folder) + _run(
            "apt-get", "-qq", "download", "docker-compose", folder=folder
        )
        package = next(folder.glob("docker-compose_*.deb"), None)
        if package is None:
            raise NoCompose(f"Debian's package of compose could not be fetched: {said[-500:]}")
        _run("dpkg-deb", "--extract", str(package), str(folder / "root"))
        root = (folder / "root").rglob("docker-compose")
        next(each for each in root if each.is_file() and os.access(each, os.X_OK)).rename(program)


def _run(*words: str, folder: Path | None = None) -> str:
    """What a program says, whatever its exit code."""
    environment = os.environ if folder is None else {**os.environ, "APT_CONFIG": str(folder / "apt.conf")}
    done = subprocess.run(  # noqa: S603 - our own words
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return (done.stdout + done.stderr).strip()
