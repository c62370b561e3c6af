"""Keep today's histories of desktops: `python -m tests.replay.export_desktops`, on a machine with an engine."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import UUID

from tests.desktops.machine import Desk, desk_settings, running_desk
from tests.parts import running_postgres, running_temporal, short_folder
from tests.replay.export import keep, tidy
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.ids import workflow_id

Scenario = Callable[[Desk], Awaitable[UUID]]


async def desktop_lived(desk: Desk) -> UUID:
    """Made, paused, resumed, stopped, started, deleted."""
    caller = desk.engine.caller
    desktop, desktops = await desk.made(caller), desk.gateway.desktops
    for ask, status in (
        (desktops.pause, DesktopStatus.PAUSED),
        (desktops.resume, DesktopStatus.IDLE),
        (desktops.stop, DesktopStatus.OFFLINE),
        (desktops.start, DesktopStatus.IDLE),
    ):
        await ask(caller, desktop.id)
        await desk.becomes(caller, desktop.id, status)
    await desktops.remove(caller, desktop.id)
    return desktop.id


async def desktop_lost(desk: Desk) -> UUID:
    """Its screen is killed, it is started again, and deleted."""
    caller = desk.engine.caller
    desktop, desktops = await desk.made(caller), desk.gateway.desktops
    await desk.shell(desktop.id, "kill -9 $(pidof Xtigervnc Xvnc)")
    await desk.becomes(caller, desktop.id, DesktopStatus.LOST)
    await desktops.start(caller, desktop.id)
    await desk.becomes(caller, desktop.id, DesktopStatus.IDLE)
    await desktops.remove(caller, desktop.id)
    return desktop.id


SCENARIOS: tuple[Scenario, ...] = (desktop_lived, desktop_lost)


async def main() -> None:
    """Play every scenario, one after the other."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(short_folder())
        postgres = await stack.enter_async_context(running_postgres(folder))
        temporal = await stack.enter_async_context(running_temporal(folder))
        image = os.environ.get("WINDLASS_DESKTOP_IMAGE", "windlass-desktop-test")
        settings = desk_settings(folder, postgres.url, temporal, image)
        desk = await stack.enter_async_context(running_desk(settings))
        for scenario in SCENARIOS:
            name = workflow_id(desk.engine.caller.tenant_id, "desktops", await scenario(desk))
            handle = desk.engine.client.get_workflow_handle(name)
            await handle.result()
            history = tidy(json.loads((await handle.fetch_history()).to_json()))
            print(keep("DesktopWorkflow", scenario.__name__, history))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
