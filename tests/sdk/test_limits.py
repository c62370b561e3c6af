"""Agents that do too much get limits with a clear word, and never harm the host."""

from pathlib import Path

import psutil
import pytest

from tests.sdk.hosts import Drive, Host, is_step, prints, running_host
from tests.sdk.log import Log
from tests.sdk.places import short_folder

LINES, WIDTH = 10_000, 5_000  # fifty megabytes


async def test_reports_wait_while_the_driver_has_not_stored_them(host: Host):
    drive = await host.run("/reports_much", {"n": 2500})

    assert [payload["int"] for payload in drive.log.of("action")] == list(range(2500))


@pytest.mark.parametrize("flow", ["/prints_much", "/prints_much_in_a_thread"])
async def test_much_print_does_not_fill_the_memory_and_the_count_of_lost_lines_is_told(own_host: Host, flow: str):
    await own_host.run(flow, {"lines": 1, "width": 1})
    process = psutil.Process(own_host.pid)
    before = process.memory_info().rss

    drive = await own_host.run(flow, {"lines": LINES, "width": WIDTH})

    kept, told = len(drive.log.texts()), drive.log.of("log")[-1]["text"]
    assert drive.value == {"str": "printed"}
    assert told.startswith(f"{LINES - kept} lines of output were dropped")
    assert kept >= 200
    assert process.memory_info().rss - before < 32 * 2**20


async def test_a_line_without_an_end_is_cut(host: Host):
    drive = await host.run("/prints_much", {"lines": 1, "width": 3_000_000})

    (text,) = drive.log.texts()
    assert text.endswith("… (1951424 more characters were dropped)")


async def test_a_return_value_of_a_hundred_megabytes_fails_the_run_with_the_limit(own_host: Host):
    drive = await own_host.run("/returns_much", {"bytes": 100 * 2**20})

    assert drive.last["outcome"] == "failed"
    assert drive.last["error"]["type"] == "ValueTooLarge"
    assert "100.0 MiB, at most 16 MiB" in drive.last["error"]["message"]


async def test_a_return_value_within_the_limit_arrives(host: Host):
    drive = await host.run("/returns_much", {"bytes": 15 * 2**20})

    assert drive.value == {"str": "x" * 15 * 2**20}


async def test_a_step_that_returns_too_much_fails_with_its_name(host: Host):
    drive = await host.run("/step_returns_much")

    assert drive.last["error"]["message"].startswith("step 'too much' returned 16.2 MiB, at most 16 MiB")
    assert drive.log.states("too much") == ["started", "failed"]


async def test_os_exit_ends_the_host_and_the_run_goes_on_in_the_next_one(tmp_path: Path):
    inputs = {"marks": str(tmp_path / "marks"), "times": 1}
    drive = Drive(Log(), {"run_id": "exit", "flow": "/vanishes", "inputs": inputs})
    with short_folder() as folder:
        async with running_host(folder) as first:
            await drive.on(first)
            assert drive.last == {"op": "closed"}
            assert await first.process.wait() == 9
        async with running_host(folder) as second:
            await drive.on(second)

    assert drive.value == {"str": "survived"}


async def test_a_blocked_loop_is_named_while_the_server_still_answers():
    with short_folder() as folder:
        async with running_host(folder, "agents:app", "--warn-after", "1", "--replace-after", "60") as host:
            drive = Drive(Log(), {"run_id": "block", "flow": "/blocks", "inputs": {"seconds": 4}})
            await drive.on(host, until=lambda heard: heard.get("kind") == "log")
            pong = await host.ask({"op": "ping"})
            await drive.on(host)

    (warning,) = drive.log.texts("log")
    assert "in blocks: `time.sleep(inputs[" in warning
    assert pong["loop_lag_s"] >= 1
    assert drive.value == {"str": "unblocked"}


async def test_a_loop_that_stays_blocked_has_its_process_replaced():
    with short_folder() as folder:
        async with running_host(folder, "agents:app", "--warn-after", "1", "--replace-after", "2") as host:
            drive = Drive(Log(), {"run_id": "block", "flow": "/blocks", "inputs": {"seconds": 300}})
            await drive.on(host, until=prints("never"))
            code = await host.process.wait()

    assert code == 5
    assert drive.last == {"op": "closed"}
    assert "blocked" in drive.log.texts("log")[0]


async def test_a_leak_ends_its_own_process_with_the_reason():
    with short_folder() as folder:
        async with running_host(folder, environment={"WINDLASS_HOST_MEMORY_MIB": "150"}) as host:
            drive = Drive(Log(), {"run_id": "leak", "flow": "/leaks"})
            await drive.on(host)
            code = await host.process.wait()

    assert code == 6
    assert "more than the 150 MiB it may have" in drive.log.texts("log")[-1]


async def test_a_process_of_its_own_that_leaks_says_why_it_died():
    with short_folder() as folder:
        async with running_host(folder, environment={"WINDLASS_HOST_MEMORY_MIB": "150"}) as host:
            drive = await Drive(Log(), {"run_id": "leak", "flow": "/leaks"}).on(host, isolate=True)

    assert drive.last == {"op": "died", "reason": "it used more memory than it may", "exit_code": 6}


async def test_more_results_than_fit_into_one_line_of_the_log_come_back_after_a_crash():
    log = Log()
    with short_folder() as folder:
        async with running_host(folder) as first:
            drive = Drive(log, {"run_id": "big", "flow": "/big_steps", "inputs": {"n": 4, "bytes": 8 * 2**20}})
            await drive.on(first, until=is_step("big 3", "started"))
            await first.kill()
        async with running_host(folder) as second:
            await drive.on(second)

    assert drive.value == {"int": 4 * 8 * 2**20}
    assert log.states("big 0") == ["started", "done"]
