"""A run that only sleeps needs no driver, keeps its place, and calls when it has something to say."""

import asyncio
from datetime import UTC, datetime

import psutil

from tests.sdk.hosts import Drive, Driver, Host, running_host
from tests.sdk.log import Log, Message, attach
from tests.sdk.places import short_folder


def parked(heard: Message) -> bool:
    return heard["op"] == "parked"


async def test_a_long_sleep_parks_the_run_until_its_end(host: Host):
    drive = Drive(Log(), {"run_id": "long", "flow": "/sleeps", "inputs": {"seconds": 3600}})

    await drive.on(host, until=parked)

    rest = datetime.fromisoformat(drive.last["until"]) - datetime.now(UTC)
    assert 3500 < rest.total_seconds() < 3600
    assert drive.log.of("step")[0]["until"] == drive.last["until"]
    await host.ask({"op": "cancel", "run_id": "long"})
    assert (await drive.on(host)).last["outcome"] == "cancelled"


async def test_a_short_sleep_does_not_park(host: Host):
    drive = await host.run("/sleeps", {"seconds": 3})

    assert "parked" not in [heard["op"] for heard in drive.heard]
    assert drive.value == {"str": "rested"}


async def test_a_parked_run_that_wakes_up_calls_for_a_driver(host: Host):
    drive = Drive(Log(), {"run_id": "wakes", "flow": "/sleeps_and_wakes", "tenant_id": "acme"})
    watcher = await host.connect()
    watcher.say({"op": "watch"})
    await drive.on(host, until=parked)

    call = await watcher.hear_until("wake")
    await drive.on(host)

    assert (call["run_id"], call["tenant_id"]) == ("wakes", "acme")
    assert drive.value == {"str": "awake"}
    assert drive.log.of("action") == [{"str": "woke up"}]
    await watcher.close()


async def test_a_watcher_that_comes_late_is_told_as_well(host: Host):
    drive = Drive(Log(), {"run_id": "late", "flow": "/sleeps_and_wakes"})
    first = await host.connect()
    first.say({"op": "watch"})
    await drive.on(host, until=parked)
    await first.hear_until("wake")

    second = await host.connect()
    second.say({"op": "watch"})

    assert (await second.hear_until("wake"))["run_id"] == "late"
    await drive.on(host)
    await first.close()
    await second.close()


async def test_a_watcher_that_comes_late_is_told_of_a_run_with_a_process_of_its_own(host: Host):
    drive = Drive(Log(), {"run_id": "late and alone", "flow": "/sleeps_and_wakes"})
    first = await host.connect()
    first.say({"op": "watch"})
    await drive.on(host, until=parked, isolate=True)
    await first.hear_until("wake")

    second = await host.connect()
    second.say({"op": "watch"})

    assert (await second.hear_until("wake"))["run_id"] == "late and alone"
    assert (await drive.on(host, isolate=True)).value == {"str": "awake"}
    await first.close()
    await second.close()


async def test_after_a_crash_a_sleep_waits_only_for_the_rest():
    log = Log()
    drive = Drive(log, {"run_id": "rest", "flow": "/sleeps", "inputs": {"seconds": 3}})
    with short_folder() as folder:
        async with running_host(folder) as first:
            await drive.on(first, until=lambda heard: heard.get("kind") == "step")
            until = datetime.fromisoformat(log.steps()[0]["until"])
            await first.kill()
        async with running_host(folder) as second:
            await drive.on(second)

    assert log.states("sleep") == ["started", "done"]
    assert [payload["execution"] for payload in log.of("step")] == [1, 1]
    assert log.of("action") == [{"str": "before"}, {"str": "after"}]
    assert (datetime.now(UTC) - until).total_seconds() < 10


async def test_a_thousand_parked_runs_cost_a_tenth_of_a_mebibyte_each(own_host: Host):
    await own_host.run("/sleeps", {"seconds": 0.01})
    process = psutil.Process(own_host.pid)
    before = process.memory_info().rss
    drivers = [await own_host.connect() for _ in range(200)]

    for batch in range(5):
        for number, driver in enumerate(drivers):
            driver.say(attach({"run_id": f"{batch}.{number}", "flow": "/sleeps", "inputs": {"seconds": 3600}}))
        async with asyncio.TaskGroup() as group:
            for driver in drivers:
                group.create_task(_until_parked(driver))
    for driver in drivers:
        await driver.close()

    assert (await own_host.ask({"op": "ping"}))["runs"] == 1000
    assert process.memory_info().rss - before < 100 * 2**20
    assert process.num_threads() < 10


async def _until_parked(driver: Driver) -> None:
    while (heard := await driver.hear())["op"] != "parked":
        assert heard["op"] != "closed", "closed before parked"
        if heard["op"] == "event":
            driver.say({"op": "ack", "producers": {heard["producer"]: heard["pseq"]}})
