"""A full disk: clear words, nothing broken, and everything goes on when there is room."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests.faults.load import AGENT, Load, examine, finish, in_flight
from tests.faults.stack import Stack, running_stack
from tests.parts import short_folder

SIZE_MIB = 64
FEW = Load(runs=4, steps=30, step_s=0.2)
FULL_S = 20.0
REFUSED_IN_THE_END = 5
BLOCK = b"\0" * 65536

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


class Disk:
    """A small disk that can be filled and emptied."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    def fill(self) -> None:
        """Leave not one byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (len(BLOCK), 4096, 1):
                while self._takes(file.fileno(), size):
                    pass

    def empty(self) -> None:
        """Make room again."""
        self._ballast.unlink()

    def _takes(self, file: int, size: int) -> bool:
        try:
            return os.write(file, BLOCK[:size]) > 0
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Refused:
    """How a start on a full disk ended, and what it said."""

    code: int
    said: str


@pytest.fixture(scope="module")
def disk() -> Generator[Disk]:
    """A disk of 64 MiB."""
    with short_folder() as folder:
        place = folder / "home"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=711", "tmpfs", str(place)], check=True)  # noqa: S603, S607
        try:
            yield Disk(place)
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S603, S607


@pytest.fixture(scope="module")
async def refused(disk: Disk) -> Refused:
    """The first start of all on the disk, which is full; afterwards there is room."""
    stack = Stack(disk.folder)
    disk.fill()
    await stack.begin()
    assert stack.process is not None
    code = await asyncio.wait_for(stack.process.wait(), 60)
    disk.empty()
    return Refused(code, stack.said())


@pytest.fixture(scope="module")
async def small(disk: Disk, refused: Refused) -> AsyncGenerator[Stack]:
    """A stack on the small disk: the start after the one that found no room."""
    async with running_stack(disk.folder) as stack:
        yield stack


async def refusals(http: httpx.AsyncClient, marks: Path) -> list[httpx.Response]:
    """Start runs until so many were refused one after the other."""
    refused: list[httpx.Response] = []
    body = {"agent": AGENT, "inputs": {"marks": str(marks / "more"), "n": 1, "seconds": 0}, "title": "x" * 200}
    deadline = time.monotonic() + FULL_S
    while len(refused) < REFUSED_IN_THE_END and time.monotonic() < deadline:
        answer = await http.post("/v1/runs", json=body)
        refused = [*refused, answer] if answer.status_code != HTTPStatus.ACCEPTED else []
    return refused


@pytest.mark.timeout(240)
async def test_a_start_on_a_full_disk_says_so_and_the_next_one_works(refused: Refused, small: Stack):
    assert refused.code == 1
    assert "No space left on device" in refused.said
    assert "Traceback" not in refused.said
    await small.is_whole()
    assert "shown this once" not in small.said()  # its first administrator has a password that was given


@pytest.mark.timeout(240)
async def test_a_full_disk_is_said_and_survived(disk: Disk, small: Stack, marks: Path):
    async with await small.client() as client:
        await small.serve(client, "stepping")
        async with in_flight(client, FEW, marks) as followed:
            disk.fill()
            refused = await refusals(client.http, marks)
            disk.empty()
            await small.is_whole()
            await finish(followed, FEW.patience_s)
            await asyncio.gather(*(examine(client, each, FEW) for each in followed))

    assert {answer.status_code for answer in refused} == {HTTPStatus.SERVICE_UNAVAILABLE}
    assert any("the disk is full" in answer.json()["detail"] for answer in refused)
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)


@pytest.mark.timeout(240)
async def test_a_stack_whose_disk_was_full_ends_in_order(small: Stack):
    assert small.process is not None

    await small.stop()

    assert small.process.returncode == 0
