"""A desktop from its wish to its end, on a real engine."""

import asyncio
from uuid import UUID

import pytest

from tests.desktops.machine import Desk
from tests.workflows.engines import until
from windlass.contracts.desktops import CHANGED_SIGNAL, DesktopStatus, Wish
from windlass.contracts.ids import workflow_id
from windlass.core.errors import Conflict, NotFound


async def test_a_desktop_is_made_and_its_log_says_so(desk: Desk):
    caller = desk.somebody()

    desktop = await desk.made(caller, name="research")

    assert (desktop.name, desktop.template, desktop.owner) == ("research", "standard", caller.person_id)
    assert await desk.statuses(caller, desktop.id) == ["starting", "idle"]
    assert await desk.left(desktop.id) == ["container", "network", "volume"]
    container = await desk.inspect(desktop.id)
    assert container["Image"] == desktop.image
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_what_is_in_the_home_outlives_stop_and_start(desk: Desk):
    caller = desk.somebody()
    desktop = await desk.made(caller)
    await desk.shell(desktop.id, "echo kept > ~/note; echo gone > /tmp/note")

    await desk.gateway.desktops.stop(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.OFFLINE)
    left = await desk.left(desktop.id)
    await desk.gateway.desktops.start(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.IDLE)

    assert left == ["volume"]
    assert (await desk.shell(desktop.id, "cat ~/note; ls /tmp/note")).out == b"kept\n"
    assert await desk.statuses(caller, desktop.id) == ["starting", "idle", "offline", "starting", "idle"]
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_a_paused_desktop_keeps_its_memory_and_goes_on(desk: Desk):
    caller = desk.somebody()
    desktop = await desk.made(caller)
    await desk.shell(desktop.id, "echo here > /tmp/note")

    await desk.gateway.desktops.pause(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.PAUSED)
    frozen = await desk.inspect(desktop.id)
    await desk.gateway.desktops.resume(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.IDLE)

    assert frozen["State"]["Paused"]
    assert (await desk.shell(desktop.id, "cat /tmp/note")).out == b"here\n"
    with pytest.raises(Conflict, match="only a paused one"):
        await desk.gateway.desktops.resume(caller, desktop.id)
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_a_paused_desktop_is_shut_down_too_when_its_time_is_over(desk: Desk):
    caller = desk.somebody()
    desktop = await desk.made(caller)
    await desk.gateway.desktops.pause(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.PAUSED)
    async with desk.engine.database.tenant(caller.tenant_id) as connection:
        await connection.execute("update desktop set expires_at = clock_timestamp() where id = $1", desktop.id)

    workflow = desk.engine.client.get_workflow_handle(workflow_id(caller.tenant_id, "desktops", desktop.id))
    await workflow.signal(CHANGED_SIGNAL)  # its timer was set for the twelve hours it had
    over = await desk.becomes(caller, desktop.id, DesktopStatus.OFFLINE)

    assert (over.wish, over.reason) == (Wish.OFF, "its time was over")
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_a_deleted_desktop_leaves_nothing_and_frees_its_place(desk: Desk):
    caller = desk.somebody()
    desktop = await desk.made(caller)

    await desk.gateway.desktops.remove(caller, desktop.id)

    with pytest.raises(NotFound):
        await desk.gateway.desktops.get(caller, desktop.id)
    await until(lambda: _is_clean(desk, desktop.id))

    async def is_over() -> bool:
        last = (await desk.events(caller, desktop.id))[-1]
        return last.payload == {"status": "finished", "reason": "deleted"}

    await until(is_over)


async def test_a_desktop_whose_screen_is_killed_is_lost_until_it_is_started_again(desk: Desk):
    caller = desk.somebody()
    desktop = await desk.made(caller)

    await desk.shell(desktop.id, "kill -9 $(pidof Xtigervnc Xvnc)")
    lost = await desk.becomes(caller, desktop.id, DesktopStatus.LOST)
    await desk.gateway.desktops.start(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.IDLE)

    assert lost.reason == "its container ended"
    assert await desk.statuses(caller, desktop.id) == ["starting", "idle", "lost", "starting", "idle"]
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_wishes_that_come_faster_than_the_engine_end_in_the_last_one(desk: Desk):
    caller = desk.somebody()
    desktop = await desk.create(caller)

    await desk.gateway.desktops.stop(caller, desktop.id)
    await desk.gateway.desktops.start(caller, desktop.id)
    await desk.gateway.desktops.stop(caller, desktop.id)

    await desk.becomes(caller, desktop.id, DesktopStatus.OFFLINE)
    await until(lambda: _has_no_container(desk, desktop.id))
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_of_20_wishes_at_once_a_person_gets_3(desk: Desk):
    caller = desk.somebody()

    found = await asyncio.gather(*(desk.create(caller) for _ in range(20)), return_exceptions=True)

    refused = [each for each in found if isinstance(each, Conflict)]
    made = [each for each in found if not isinstance(each, BaseException)]
    assert (len(made), len(refused)) == (3, 17)
    assert "3 is the limit" in str(refused[0])
    for desktop in made:
        await desk.gateway.desktops.remove(caller, desktop.id)


async def _is_clean(desk: Desk, desktop_id: UUID) -> bool:
    return not await desk.left(desktop_id)


async def _has_no_container(desk: Desk, desktop_id: UUID) -> bool:
    return await desk.left(desktop_id) in ([], ["volume"])
