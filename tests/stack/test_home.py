"""The home: its lock, its secret, its leftovers, its logs and the ports it needs."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from stack import home, rotation
from stack.ports import PortTaken, require_free
from tests.parts import eventually, stop
from windlass.core import supervision
from windlass.core.supervision import ChildStatus, ProcessId, StackStatus

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def recorded(*children: ChildStatus) -> StackStatus:
    return StackStatus(ProcessId(1, "dead"), {}, children)


def test_two_supervisors_cannot_work_in_one_home(tmp_path: Path):
    with home.lock(tmp_path), pytest.raises(home.HomeTaken):
        home.lock(tmp_path)


def test_the_secret_is_made_once_and_readable_by_us_alone(tmp_path: Path):
    first = home.secret(tmp_path)

    assert home.secret(tmp_path) == first
    assert len(first) >= 32
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


def test_the_mode_of_a_folder_that_was_there_is_not_changed(tmp_path: Path):
    existing = tmp_path / "existing"
    existing.mkdir(mode=0o750)

    home.create(existing)

    assert existing.stat().st_mode & 0o777 == 0o750


async def test_a_leftover_is_ended(tmp_path: Path):
    left = await asyncio.create_subprocess_exec(*SLEEP)
    supervision.write(tmp_path, recorded(ChildStatus("gateway", process=supervision.identify(left.pid))))

    assert await home.end_leftovers(tmp_path) == ["gateway"]
    assert await left.wait() == -9


async def test_a_process_that_only_got_the_same_pid_is_left_alone(tmp_path: Path):
    other = await asyncio.create_subprocess_exec(*SLEEP)
    try:
        supervision.write(tmp_path, recorded(ChildStatus("gateway", process=ProcessId(other.pid, "earlier"))))

        assert await home.end_leftovers(tmp_path) == []
        assert other.returncode is None
    finally:
        await stop(other)


async def test_a_status_survives_writing_and_reading(tmp_path: Path):
    status = recorded(ChildStatus("gateway", restarts=2, process=supervision.identify(os.getpid())))

    supervision.write(tmp_path, status)

    assert supervision.read(tmp_path) == status


def test_a_damaged_status_is_no_status(tmp_path: Path):
    (tmp_path / supervision.FILE).write_text('{"supervisor": ')

    assert supervision.read(tmp_path) is None


async def test_a_dead_process_is_dead_before_it_is_reaped():
    child = await asyncio.create_subprocess_exec(*SLEEP)
    identity = supervision.identify(child.pid)
    assert identity.is_alive

    child.kill()
    await eventually(lambda: not identity.is_alive)
    await child.wait()


def test_a_full_log_is_cut_and_the_last_three_are_kept(tmp_path: Path):
    log = tmp_path / "gateway.log"
    with log.open("a") as writer:
        for number in range(5):
            writer.write(f"line {number}\n")
            writer.flush()
            rotation.rotate(tmp_path, limit_bytes=3)
        writer.write("the writer goes on\n")

    assert log.read_text() == "the writer goes on\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [log.name, *(f"{log.name}.{n}" for n in (1, 2, 3))]
    assert (tmp_path / "gateway.log.1").read_text() == "line 4\n"


def test_a_busy_port_is_named_with_its_holder_and_its_variable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=rf"Port {port} is held by pid {os.getpid()} .*WINDLASS_PORT="):
            require_free(port, "WINDLASS_PORT")

    require_free(port, "WINDLASS_PORT")
