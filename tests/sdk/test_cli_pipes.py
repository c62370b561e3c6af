"""What a command prints into a pipe that nobody reads any more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.test_cli import RUN, Gateway, gateway, home

__all__ = ["gateway", "home"]


def into_a_closed_pipe(gateway: Gateway, home: Path, *words: str) -> tuple[int, bytes]:
    """Run the command; answers its exit code and what it says of itself."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("WINDLASS_")}
    known = {"WINDLASS_CONFIG": str(home), "WINDLASS_URL": gateway.url}
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "windlass.cli", *words]
    with subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, env=clean | known) as process:  # noqa: S603 - our own command
        os.close(write)
        _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("words", [("run", "list"), ("run", "list", "--json"), ("run", "--help"), ("--version",)])
def test_a_pipe_that_nobody_reads_ends_a_command_quietly_as_it_ends_others(
    gateway: Gateway, home: Path, words: tuple[str, ...]
):
    gateway.answers = {"GET /v1/runs": {"items": [RUN]}}

    ended = into_a_closed_pipe(gateway, home, *words)

    assert ended == (141, b"")
