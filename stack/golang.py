"""Programs of other people, built from the Go module proxy once and kept in the user's cache."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BUILD_S = 1800
# Not optimized, and nothing for a debugger: nobody is in a hurry for what it serves, but everybody waits for the build.
QUICKLY = ("-trimpath", "-buildvcs=false", "-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w")


class NotBuilt(Exception):
    """The program cannot be built here; the message says what is missing."""


def built(name: str, module: str, version: str) -> Path:
    """The program of a module, built when it is not there yet. Raises NotBuilt."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "windlass"
    cache.mkdir(parents=True, exist_ok=True)
    program = cache / f"{name}-{version}"
    with (cache / f"{name}.lock").open("w") as lock:  # two sessions build it once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program, f"{module}@{version}")
    return program


def _build(program: Path, module: str) -> None:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise NotBuilt(f"There is no {program.name}: building one needs Go (apt-get install golang).")
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        environment = {**os.environ, "GOBIN": folder, "GOFLAGS": "", "CGO_ENABLED": "0"}
        words = (go, "install", *QUICKLY, module)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False)  # noqa: S603 - words of ours
        if done.returncode != 0:
            raise NotBuilt(f"There is no {program.name}: {' '.join(words)} failed:\n{done.stderr[-1500:]}")
        next(Path(folder).iterdir()).rename(program)
