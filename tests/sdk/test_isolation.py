"""A run with a process of its own: the same run, and nobody else's problem."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sdk.hosts import Drive, Host, is_step, prints, running_host
from tests.sdk.log import Log, attach
from tests.sdk.places import short_folder


@pytest.fixture(scope="module")
async def apart() -> AsyncGenerator[Host]:
    """A host whose service wants a process for each run."""
    with short_folder() as folder:
        async with running_host(folder, "apart:app") as running:
            yield running


def _is_alive(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


async def _gone(pid: int) -> None:
    while _is_alive(pid):
        os.sched_yield()


async def test_a_run_has_its_own_process_and_environment(apart: Host):
    drive = await apart.run("/environment", run_id="own")

    found = drive.last["value"]["dict"]
    assert found["pid"] != apart.pid
    assert (found["run"], found["fid"]) == ("own", "own")
    assert drive.log.texts() == ["from a thread of its own"]
    assert drive.meta["entry_point"] == "agents.environment"
    await _gone(found["pid"])


async def test_any_run_may_ask_for_its_own_process(host: Host):
    drive = await Drive(Log(), {"run_id": "alone", "flow": "/environment"}).on(host, isolate=True)

    assert drive.last["value"]["dict"]["pid"] != host.pid
    assert drive.heard[0]["boot_id"] == (await host.ask({"op": "ping"}))["boot_id"]


async def test_a_driver_that_comes_back_finds_the_process_going_on(apart: Host, marks: Path):
    drive = Drive(Log(), {"run_id": "b", "flow": "/steps", "inputs": {"n": 6, "seconds": 0.05, "marks": str(marks)}})
    await drive.on(apart, until=is_step("step 2", "done"))

    await drive.on(apart)

    assert drive.value == {"__list__": [{"int": n} for n in range(6)]}
    assert [heard["resumed"] for heard in drive.heard if heard["op"] == "attached"] == [False, True]
    assert {path.read_text() for path in marks.iterdir()} == {"x"}


async def test_a_process_that_dies_takes_nobody_along_and_its_run_goes_on_from_its_steps(apart: Host, tmp_path: Path):
    neighbour = Drive(Log(), {"run_id": "n", "flow": "/waits"})
    await neighbour.on(apart, until=prints("waiting"))
    drive = Drive(Log(), {"run_id": "v", "flow": "/vanishes", "inputs": {"marks": str(tmp_path / "m"), "times": 1}})

    await drive.on(apart)
    died = drive.last
    await drive.on(apart)

    assert died == {"op": "died", "reason": "exit code 9", "exit_code": 9}
    assert drive.value == {"str": "survived"}
    assert drive.log.states("before") == ["started", "done"]
    await apart.ask({"op": "cancel", "run_id": "n"})
    assert (await neighbour.on(apart)).last["outcome"] == "cancelled"


async def test_a_driver_that_is_just_writing_hears_of_the_death(apart: Host, tmp_path: Path):
    log, driver = Log(), await apart.connect()
    run = {"run_id": "busy", "flow": "/vanishes", "inputs": {"marks": str(tmp_path / "m"), "times": 1}}
    driver.say(attach(run))
    for _ in ("started", "done"):
        driver.say({"op": "ack", "producers": log.store(await driver.hear_until("event"))})
    while (await apart.ask({"op": "ping"}))["runs"]:
        await asyncio.sleep(0.02)

    driver.say({"op": "ack", "producers": {"agent:0": 1}})
    await asyncio.sleep(0.02)

    assert (await driver.hear_until("died"))["exit_code"] == 9
    await driver.close()


async def test_a_death_that_nobody_heard_is_told_to_the_next_driver(apart: Host, tmp_path: Path):
    marks = tmp_path / "m"
    drive = Drive(Log(), {"run_id": "unheard", "flow": "/vanishes", "inputs": {"marks": str(marks), "times": 1}})
    first = await apart.connect()
    first.say(attach(drive.run))
    for _ in ("started", "done"):
        first.say({"op": "ack", "producers": drive.log.store(await first.hear_until("event"))})
    await first.close()
    while (await apart.ask({"op": "ping"}))["runs"]:
        await asyncio.sleep(0.02)

    await drive.on(apart)
    died = drive.last
    await drive.on(apart)

    assert died["op"] == "died"
    assert (drive.value, marks.read_text()) == ({"str": "survived"}, "xx")


async def test_a_process_in_which_nothing_moves_any_more_is_ended():
    """A regular expression that backtracks for years stops every thread, also the one that watches. So does this."""
    drive = Drive(Log(), {"run_id": "still", "flow": "/stands_still"})
    with short_folder() as folder:
        async with running_host(folder, "agents:app", "--replace-after", "0.5") as host:
            await drive.on(host, isolate=True)
            pong = await host.ask({"op": "ping"})

    assert drive.last == {"op": "died", "reason": "it gave no sign of life for 6 s", "exit_code": -9}
    assert drive.log.states("before") == ["started", "done"]
    assert pong["runs"] == 0


async def test_cancel_reaches_a_process_of_its_own(apart: Host):
    drive = Drive(Log(), {"run_id": "c", "flow": "/waits"})
    await drive.on(apart, until=prints("waiting"))

    await apart.ask({"op": "cancel", "run_id": "c"})
    await drive.on(apart)

    assert drive.last == {"op": "end", "outcome": "cancelled"}
    assert drive.log.texts("debug") == ["cleaned up"]


async def test_children_and_what_they_started_die_with_the_host():
    drive = Drive(Log(), {"run_id": "orphan", "flow": "/has_children"})
    with short_folder() as folder:
        async with running_host(folder) as host:
            await drive.on(host, until=lambda heard: heard.get("kind") == "stdout", isolate=True)
            await host.kill()

    await _gone(int(drive.log.texts()[0]))
