"""The command line as processes of their own that are forks of one that has loaded it.

Loading takes each of them more than a core-second, which a fork does not.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from windlass.cli import main

PLAIN = {"NO_COLOR": "1", "COLUMNS": "200"}  # what is read while it is loaded


@dataclass
class Ran:
    """What a command left behind."""

    code: int | None
    out: str
    err: str


def run(folder: Path, words: list[str], environment: Mapping[str, str], say: str = "") -> Ran:
    """Run `windlass WORDS…` in this folder and environment to its end; what it says stays beside the folder."""
    said = folder.with_name(f"{folder.name}-said")
    said.mkdir(exist_ok=True)
    streams = [said / f"std{name}" for name in ("in", "out", "err")]
    streams[0].write_text(say)
    process = loaded().Process(target=live, args=(folder, words, {**environment, **PLAIN}, streams))
    process.start()
    process.join()
    ran = Ran(process.exitcode, streams[1].read_text(), streams[2].read_text())
    process.close()
    return ran


@cache
def loaded() -> ForkServerContext:
    """What forks; it ends with the tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["windlass.cli.app", __name__])
    with pytest.MonkeyPatch.context() as patch:
        for name, text in PLAIN.items():
            patch.setenv(name, text)
        forkserver.ensure_running()
    return context


def live(folder: Path, words: list[str], environment: dict[str, str], streams: list[Path]) -> None:
    """In the fork: become the command, as if the interpreter had been started with `-m`."""
    for number, path in enumerate(streams):
        with path.open("wb" if number else "rb") as stream:
            os.dup2(stream.fileno(), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the one there was has been closed
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    sys.argv = ["windlass", *words]
    main()
