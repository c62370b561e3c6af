"""A cancelled run stops: coroutines at once, threads at their next tracer call, and what will not is replaced."""

from tests.sdk.hosts import Drive, Host, is_step, prints
from tests.sdk.log import Log, Until, attach, line


async def _cancelled(host: Host, flow: str, after: Until) -> Drive:
    """Start a run, cancel it on a connection of its own once it has got somewhere, and follow it to its end."""
    drive = Drive(Log(), {"run_id": flow, "flow": flow})
    await drive.on(host, until=after)
    assert (await host.ask({"op": "cancel", "run_id": flow}))["op"] == "cancelling"
    return await drive.on(host)


async def test_a_coroutine_is_cancelled_and_may_clean_up(host: Host):
    drive = await _cancelled(host, "/waits", after=prints("waiting"))

    assert drive.last == {"op": "end", "outcome": "cancelled"}
    assert drive.log.texts("debug") == ["cleaned up"]


async def test_a_plain_function_is_stopped_at_its_next_tracer_call(host: Host):
    drive = await _cancelled(host, "/stops_when_asked", after=prints("looping"))

    assert drive.last["outcome"] == "cancelled"
    assert set(drive.log.texts("debug")) <= {"still here"}


async def test_a_cancel_in_the_same_breath_as_the_start_ends_the_run(host: Host):
    ends: list[object] = []
    for number in range(10):
        driver, run_id = await host.connect(), f"short {number}"
        driver.say_raw(line(attach({"run_id": run_id, "flow": "/waits"})) + line({"op": "cancel", "run_id": run_id}))
        ends.append((await driver.hear_until("end"))["outcome"])
        await driver.close()

    assert ends == ["cancelled"] * 10


async def test_an_agent_that_swallows_its_cancellation_is_cancelled_all_the_same(host: Host):
    drive = await _cancelled(host, "/shrugs", after=prints("shrugging"))

    assert drive.last == {"op": "end", "outcome": "cancelled"}


async def test_cancelling_a_run_that_is_not_here_is_answered_all_the_same(host: Host):
    assert await host.ask({"op": "cancel", "run_id": "nobody"}) == {"op": "cancelling"}


async def test_a_cancelled_run_that_will_not_stop_ends_cancelled_and_its_process_is_replaced(own_host: Host):
    drive = await _cancelled(own_host, "/wont_stop", after=prints("stuck"))

    assert drive.last["outcome"] == "cancelled"
    assert drive.log.of("log")[0]["text"].startswith("The agent did not stop within 10 s")
    assert await own_host.process.wait() == 4


async def test_a_step_that_was_cancelled_with_its_run_is_shown_as_failed(host: Host):
    drive = await _cancelled(host, "/answers_late", after=is_step("wait", "started"))

    assert drive.last["outcome"] == "cancelled"
    assert drive.log.states("wait") == ["started", "failed"]
