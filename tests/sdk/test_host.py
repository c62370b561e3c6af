"""A host executes runs, reports them in order, and loses nothing when somebody dies."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.sdk.hosts import SERVICES, Drive, Host, errors_of, is_step, running_host, start
from tests.sdk.log import Log, Message, attach
from tests.sdk.places import short_folder
from windlass.contracts.hosts import STOPPING


async def test_a_host_describes_its_flows(host: Host):
    described = await host.ask({"op": "describe"})

    asks = next(flow for flow in described["flows"] if flow["path"] == "/asks")
    assert described["service"] == "test"
    assert described["isolation"] == "shared"
    assert (asks["name"], asks["author"], asks["tags"]) == ("asks", "me@example.com", ["a", "B"])
    assert [element["type"] for element in asks["elements"]] == ["text", "number", "errors", "submit"]
    assert asks["schema"]["required"] == ["name"]


async def test_a_host_answers_a_ping(host: Host):
    pong = await host.ask({"op": "ping"})

    assert pong["pid"] == host.pid
    assert pong["loop_lag_s"] < 5


async def test_events_come_in_call_order_with_the_kinds_of_their_calls(host: Host):
    drive = await host.run("/reports")

    kinds = [event["kind"] for event in drive.log.events]
    assert kinds == [
        "debug",
        "action",
        "action",
        "result",
        "result",
        "result",
        *["stderr", "stdout"],
        *["stderr"] * 2,
        "stdout",
    ]
    assert drive.log.texts("debug") == ["one\ntwo"]
    assert drive.log.of("action") == [{"dict": {"looked": 1}}, {"__list__": [{"int": 2}]}]
    assert drive.log.of("result")[0] == {"Markdown": {"body": "# Found"}}
    assert drive.value == {"Markdown": {"body": "done"}}


async def test_prints_become_lines_without_blank_ones(host: Host):
    drive = await host.run("/reports")

    assert drive.log.texts("stdout") == ["to stdout", "unfinished"]
    assert drive.log.texts("stderr") == ["careful", "to stderr", "logged"]


async def test_a_plain_function_runs_in_a_thread_with_its_prints(host: Host):
    drive = await host.run("/threaded", {"n": 3})

    assert drive.log.texts() == ["in a thread"]
    assert drive.log.of("action") == [{"str": "working"}]
    assert drive.value == {"__list__": [{"int": 0}, {"int": 1}, {"int": 4}]}


async def test_an_exception_ends_the_run_with_its_traceback(host: Host):
    drive = await host.run("/failing")

    error = drive.last["error"]
    assert drive.last["outcome"] == "failed"
    assert (error["type"], error["message"]) == ("ValueError", "boom")
    assert "agents.py" in error["traceback"]
    assert "windlass/host" not in error["traceback"]


async def test_sys_exit_in_a_task_ends_its_run_alone(host: Host):
    drive = await host.run("/exits")

    assert (drive.last["outcome"], drive.last["error"]["type"]) == ("failed", "SystemExit")
    assert (await host.run("/threaded", {"n": 1})).value == {"__list__": [{"int": 0}]}


async def test_tasks_left_behind_are_stopped_before_the_end(host: Host):
    drive = await host.run("/leaves_tasks")

    assert drive.value == {"str": "left 1"}
    assert drive.log.texts("debug") == ["stopped"]


async def test_values_the_database_refuses_are_made_storable(host: Host):
    drive = await host.run("/odd_values")

    assert drive.value == {"dict": {"kept": "a\ufffdb"}}
    assert drive.log.texts() == ["nul \ufffd and half \ufffd\ufffd\ufffd"]
    assert drive.log.of("action") == [
        {"dict": {"nan": "nan", "big": str(2**80), "bytes": "YWI=", "nul\ufffd": "\ufffd"}}
    ]


async def test_the_facts_of_the_run_are_on_the_tracer(host: Host):
    drive = await host.run("/environment", run_id="r1", user_id="ada", tenant_id="acme")

    assert drive.last["value"]["dict"]["tracer"] == ["r1", "r1", "ada", "acme", 1]


async def test_the_handler_decides_and_the_meta_says_what_it_launched(host: Host):
    drive = await host.run("/asks", {"name": "Ada"}, extra={"b": 2}, user_id="ada")

    assert drive.log.texts() == ["asked by ada"]
    assert (drive.meta["entry_point"], drive.meta["summary"]) == ("agents.answers", "Better")
    assert (drive.meta["author"], drive.meta["extra"]) == ("me@example.com", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("inputs", "fields"),
    [
        ({}, {"name": ["is required"], "_global_": []}),
        ({"name": "bad"}, {"name": ["name must not be bad"], "_global_": ["global message"]}),
        ({"name": "x", "age": "old"}, {"age": ["must be a number"], "_global_": []}),
    ],
)
async def test_wrong_inputs_end_the_run_as_invalid_by_field(host: Host, inputs: dict[str, str], fields: object):
    drive = await host.run("/asks", inputs)

    assert drive.last["outcome"] == "invalid"
    assert drive.last["error"]["fields"] == fields
    assert drive.meta == {}


async def test_a_handler_that_launches_nothing_fails_the_run(host: Host):
    wrong, broken = await host.run("/wrong"), await host.run("/broken")

    assert wrong.last["error"]["message"] == "windlass endpoint must return a Launch object or raise an InputsError"
    assert broken.last["error"]["message"] == "This is a runtime error"


async def test_an_unknown_flow_is_an_error(host: Host):
    drive = await host.run("/nowhere")

    assert drive.last == {"op": "error", "reason": "no such flow: /nowhere"}


@pytest.mark.parametrize("nonsense", [b"hello\n", b"[]\n", b'{"op":"dance"}\n', b'{"op":"attach","run":{}}\n'])
async def test_a_line_that_is_no_message_is_answered_and_harms_nobody(host: Host, nonsense: bytes):
    driver = await host.connect()

    driver.say_raw(nonsense)

    assert (await driver.hear())["op"] == "error"
    driver.say({"op": "ping"})
    assert (await driver.hear())["op"] == "pong"
    await driver.close()


async def test_a_driver_that_comes_back_finds_the_run_going_on(host: Host, marks: Path):
    drive = Drive(Log(), {"run_id": "back", "flow": "/steps", "inputs": {"n": 6, "seconds": 0.05, "marks": str(marks)}})
    await drive.on(host, until=is_step("step 2", "done"))

    await drive.on(host)

    assert drive.value == {"__list__": [{"int": n} for n in range(6)]}
    assert [heard["resumed"] for heard in drive.heard if heard["op"] == "attached"] == [False, True]
    assert {path.read_text() for path in marks.iterdir()} == {"x"}


async def test_the_end_is_told_again_until_the_driver_says_goodbye(own_host: Host):
    order = attach({"run_id": "end", "flow": "/trivial"})
    ends = [await _end_of(own_host, order), await _end_of(own_host, order, bye=True)]

    after = await own_host.ask({"op": "ping"})

    assert [end["value"] for end in ends] == [{"str": "done"}] * 2
    assert after["runs"] == 0


async def _end_of(host: Host, order: Message, *, bye: bool = False) -> Message:
    driver = await host.connect()
    driver.say(order)
    end = await driver.hear_until("end")
    if bye:
        driver.say({"op": "bye"})
    await driver.close()
    return end


async def test_a_second_driver_takes_over_from_the_first(host: Host):
    first, second = await host.connect(), await host.connect()
    first.say(attach({"run_id": "two", "flow": "/waits"}))
    await first.hear_until("attached")

    second.say(attach({"run_id": "two", "flow": "/waits", "epoch": 2}))

    assert (await second.hear())["resumed"] is True
    assert await first.hear_until("closed")
    second.say({"op": "cancel"})
    assert (await second.hear_until("end"))["outcome"] == "cancelled"
    await first.close()
    await second.close()


async def test_a_killed_host_costs_no_finished_step(marks: Path):
    drive = Drive(Log(), {"run_id": "kill", "flow": "/steps", "inputs": {"n": 5, "seconds": 0.05, "marks": str(marks)}})
    with short_folder() as folder:
        async with running_host(folder) as first:
            await drive.on(first, until=is_step("step 2", "started"))
            await first.kill()
        async with running_host(folder) as second:
            await drive.on(second)

    assert drive.value == {"__list__": [{"int": n} for n in range(5)]}
    assert {path.read_text() for path in marks.iterdir() if path.name != "2"} == {"x"}
    assert drive.log.states("step 2") == ["started", "repeated", "done"]
    assert drive.log.results() == {f"step {n}": n for n in range(5)}


async def test_reports_from_inside_a_step_do_not_shift_those_after_it():
    drive = Drive(Log(), {"run_id": "lambda", "flow": "/steps_by_lambda", "inputs": {"seconds": 0.5}})
    with short_folder() as folder:
        async with running_host(folder) as first:
            await drive.on(first, until=is_step("pause", "started"))
            await first.kill()
        async with running_host(folder) as second:
            await drive.on(second)

    told = [payload["str"] for payload in drive.log.of("action")]
    assert told == ["fetching", "fetched 0", "fetching", "fetched 1", "fetching", "fetched 2"]
    assert drive.log.repeats == 3


async def test_a_step_marked_once_ends_as_unknown_after_a_crash(marks: Path):
    paid = marks / "paid"
    drive = Drive(Log(), {"run_id": "once", "flow": "/once", "inputs": {"marks": str(paid)}})
    with short_folder() as folder:
        async with running_host(folder) as first:
            following = asyncio.create_task(drive.on(first))
            while not paid.exists():
                await asyncio.sleep(0.01)
            await first.kill()
            await following
        async with running_host(folder) as second:
            await drive.on(second)

    assert (drive.last["outcome"], drive.last["error"]["type"]) == ("failed", "StepUnknown")
    assert drive.log.states("pay") == ["started", "unknown"]


async def test_what_a_handler_computed_is_the_same_after_a_crash():
    drive = Drive(Log(), {"run_id": "asks", "flow": "/asks", "inputs": {"name": "Ada", "age": 0.2}})
    with short_folder() as folder:
        async with running_host(folder) as first:
            await drive.on(first, until=is_step("wait", "started"))
            await first.kill()
        async with running_host(folder) as second:
            await drive.on(second)

    assert drive.value == {"dict": drive.log.results()["enter"]["inputs"]}


async def test_a_new_attempt_runs_a_failed_run_again(host: Host):
    log = Log()
    await host.run("/failing", log=log, run_id="again")

    second = await host.run("/failing", log=log, run_id="again", attempt=2)

    assert second.heard[0]["resumed"] is False
    assert second.last["outcome"] == "failed"
    assert log.of("action") == [{"str": "about to fail"}]
    assert log.repeats == 1


async def test_whoever_connects_while_the_process_is_busy_is_answered_later(own_host: Host):
    await own_host.ask({"op": "ping"})
    os.kill(own_host.pid, signal.SIGSTOP)
    try:
        drivers = [await own_host.connect() for _ in range(300)]
        for driver in drivers:
            driver.say({"op": "ping"})
    finally:
        os.kill(own_host.pid, signal.SIGCONT)

    assert {(await driver.hear())["op"] for driver in drivers} == {"pong"}
    for driver in drivers:
        await driver.close()


async def test_a_stopping_host_lets_its_runs_end_and_takes_no_new_ones(own_host: Host):
    drive = Drive(Log(), {"run_id": "early", "flow": "/sleeps", "inputs": {"seconds": 0.5}})
    running = asyncio.create_task(drive.on(own_host))
    while not drive.heard:
        await asyncio.sleep(0.01)
    late = await own_host.connect()

    stopper = await own_host.connect()
    stopper.say({"op": "stop", "grace_s": 10})
    stopper.say({"op": "enter", "run": {"run_id": "other", "flow": "/reports"}})
    stopper.say({"op": "http", "scope": {}})
    asked = await stopper.hear()
    late.say(attach({"run_id": "late", "flow": "/reports"}))

    assert asked == {"op": "error", "reason": STOPPING}
    assert [(await each.hear())["op"] for each in (stopper, late)] == ["closed", "closed"]
    assert (await running).value == {"str": "rested"}
    await late.close()
    await stopper.close()
    assert await own_host.process.wait() == 0
    assert not own_host.socket.exists()


@pytest.mark.parametrize(("visits_s", "end"), [(60, "consulted"), (0, "closed")])
async def test_who_came_is_answered_within_the_time_of_visits_and_no_run_lasts_longer_for_it(
    own_host: Host, visits_s: float, end: str
):
    visitor = await own_host.connect()
    visitor.say({"op": "enter", "run": {"run_id": "visit", "flow": "/considers"}})
    visitor.say({"op": "ping"})
    assert (await visitor.hear())["op"] == "pong"

    await own_host.ask({"op": "stop", "grace_s": 0, "visits_s": visits_s})

    assert (await visitor.hear())["op"] == end
    assert await own_host.process.wait() == 0
    await visitor.close()


async def test_a_parked_run_goes_on_in_the_next_host_alone_though_a_visit_may_last_longer(own_host: Host):
    drive = Drive(Log(), {"run_id": "parked", "flow": "/sleeps_and_wakes", "inputs": {}})
    await drive.on(own_host, until=lambda heard: heard["op"] == "parked")
    visitor = await own_host.connect()
    visitor.say({"op": "enter", "run": {"run_id": "visit", "flow": "/considers"}})
    visitor.say({"op": "ping"})
    assert (await visitor.hear())["op"] == "pong"

    await own_host.ask({"op": "stop", "grace_s": 0, "visits_s": 60})

    assert (await visitor.hear())["op"] == "closed"
    assert await own_host.process.wait() == 0
    await visitor.close()


async def test_a_run_at_work_is_the_next_hosts_though_a_visit_may_last_longer(own_host: Host):
    drive = Drive(Log(), {"run_id": "long", "flow": "/sleeps", "inputs": {"seconds": 60}})
    running = asyncio.create_task(drive.on(own_host))
    while not drive.heard:
        await asyncio.sleep(0.01)

    await own_host.ask({"op": "stop", "grace_s": 0, "visits_s": 60})

    await running
    assert drive.last["op"] == "closed"
    assert await own_host.process.wait() == 0


async def test_a_host_ends_when_its_lifeline_is_cut():
    with short_folder() as folder:
        ours, theirs = os.pipe()
        process = await start(folder / "s", "agents:app", lifeline=ours)
        os.close(ours)
        await (host := Host(process, folder / "s")).ask({"op": "ping"})

        os.close(theirs)

        assert await process.wait() == 0
        assert not host.socket.exists()


async def test_a_stale_socket_is_replaced():
    with short_folder() as folder:
        async with running_host(folder) as first:
            await first.ask({"op": "ping"})
            await first.kill()
        assert (folder / "host.sock").exists()

        async with running_host(folder) as second:
            assert (await second.ask({"op": "ping"}))["pid"] == second.pid


@pytest.mark.parametrize(
    ("app", "reason"),
    [("failing:app", "no such luck"), ("agents:nobody", "AttributeError"), ("agents:FORM", "ServeAPI")],
)
async def test_a_service_that_cannot_be_imported_says_why_and_exits_with_3(app: str, reason: str):
    with short_folder() as folder:
        process = await start(folder / "s", app)

        assert await process.wait() == 3
        assert reason in errors_of(folder / "s")


async def test_a_factory_makes_the_application():
    with short_folder() as folder:
        async with running_host(folder, "apart:make", cwd=SERVICES) as host:
            assert (await host.ask({"op": "describe"}))["isolation"] == "process"
