"""Screenshots of real desktops: looked at once in 30 seconds, kept when they differ, shown with their age."""

import asyncio
from collections.abc import AsyncGenerator
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image

from activities.adapters.blueprints import container_name
from activities.containers import EngineAway
from tests.desktops.machine import Desk
from tests.desktops.test_tasks import Worker
from tests.workflows.engines import until
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.events import EventKind
from windlass.core.errors import Conflict, Unavailable
from windlass.core.screenshots import Screenshot

XTERM = "DISPLAY=:1 xterm -geometry 100x30+40+40 -e sleep 300 >/dev/null 2>&1 &"


@pytest.fixture(scope="module")
async def ada(desk: Desk) -> AsyncGenerator[Worker]:
    caller = desk.somebody()
    desktop = await desk.made(caller)
    yield Worker(desk, caller, desktop)
    await desk.gateway.desktops.remove(caller, desktop.id)


async def seen(ada: Worker, *, fresh: bool = False) -> Screenshot:
    return await ada.desk.gateway.cameras.picture(ada.caller, ada.desktop.id, fresh=fresh)


async def differs(ada: Worker, before: Screenshot) -> bool:
    return (await seen(ada, fresh=True)).id != before.id


async def test_twenty_who_ask_at_once_get_the_same_picture_and_it_is_of_the_screen(ada: Worker):
    found = await asyncio.gather(*(seen(ada) for _ in range(20)))
    later = await seen(ada)

    assert {each.id for each in (*found, later)} == {later.id}
    picture = Image.open(BytesIO(await ada.desk.gateway.objects.get(later.key)))
    assert (picture.format, picture.size) == ("WEBP", (1280, 800))
    events = await ada.desk.gateway.events.read(ada.caller.tenant_id, ada.desktop.id, kinds=[EventKind.SCREENSHOT])
    assert [event.payload["screenshot"] for event in events] == [str(later.id)]


async def test_fresh_is_for_whose_task_is_at_work_and_its_pictures_make_a_timeline(ada: Worker):
    with pytest.raises(Conflict, match="a task of your own"):
        await seen(ada, fresh=True)
    run = await ada.give("touch ~/begun; while [ ! -e ~/enough ]; do sleep 0.05; done")
    await ada.appears("begun")

    first = await seen(ada, fresh=True)
    await ada.desk.shell(ada.desktop.id, XTERM)
    await until(lambda: differs(ada, first))
    with pytest.raises(Conflict, match="a task of your own"):
        await ada.desk.gateway.cameras.picture(ada.desk.somebody(), ada.desktop.id, fresh=True)
    await ada.desk.shell(ada.desktop.id, "touch ~/enough; pkill xterm")
    await ada.ended(run.id)

    line = await ada.desk.gateway.screenshots.of_task(ada.caller.tenant_id, ada.desktop.id, run.id)
    assert (line[0].id, {each.run_id for each in line}) == (first.id, {run.id})
    assert len({each.key for each in line}) == len(line) > 1


async def is_paused(desk: Desk, desktop_id: UUID) -> bool:
    """Pause it; the engine cannot at the first try where processes come and go."""
    try:
        await desk.containers.freeze(str(desktop_id))
    except EngineAway:
        return False
    return True


async def test_a_desktop_that_is_off_shows_its_last_picture_and_one_never_seen_none(ada: Worker, desk: Desk):
    last = await seen(ada)
    await desk.gateway.desktops.stop(ada.caller, ada.desktop.id)
    await desk.becomes(ada.caller, ada.desktop.id, DesktopStatus.OFFLINE)

    off = await seen(ada)
    unseen = await desk.made(other := desk.somebody())
    await until(lambda: is_paused(desk, unseen.id))  # by hand: its record says that it is idle
    with pytest.raises(Unavailable, match=r"^The screen could not be looked at: its container is paused\. Ask again"):
        await desk.gateway.cameras.picture(other, unseen.id)
    await desk.docker.ask("POST", f"/containers/{container_name(str(unseen.id))}/unpause")
    await desk.gateway.desktops.stop(other, unseen.id)
    await desk.becomes(other, unseen.id, DesktopStatus.OFFLINE)

    assert (off.id, off.last_at) == (last.id, last.last_at)
    with pytest.raises(Conflict, match="nobody has looked at it yet"):
        await desk.gateway.cameras.picture(other, unseen.id)
    await desk.gateway.desktops.remove(other, unseen.id)
