"""Keep today's histories of desktops: `python -m tests.replay.export_desktops [SCENARIO…]`, where an engine is."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import UUID

from temporalio.client import WorkflowFailureError

from stack.standin.server import listen
from tests.desktops.machine import Desk, desk_settings, running_desk
from tests.parts import running_postgres, running_temporal, short_folder
from tests.replay.export import keep, tidy
from tests.workflows.engines import until
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.ids import workflow_id
from windlass.core.runs import Run, StartRun

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


async def desktop_seen(desk: Desk) -> UUID:
    """Looked at twice, and deleted."""
    caller = desk.engine.caller
    desktop = await desk.made(caller)
    for _ in range(2):
        await desk.gateway.cameras.picture(caller, desktop.id)
    await desk.gateway.desktops.remove(caller, desktop.id)
    return desktop.id


async def prompted(desk: Desk, steps: list[dict[str, Any]]) -> tuple[UUID, Run]:
    """A desktop and a prompt in it whose answers are scripted."""
    caller = desk.engine.caller
    desktop = await desk.made(caller)
    inputs = {"desktop": str(desktop.id), "prompt": f"<standin>{json.dumps(steps)}</standin>"}
    return desktop.id, await desk.gateway.runs.start(caller, StartRun("desktop", inputs))


async def prompt_finished(desk: Desk) -> UUID:
    """A model looks, runs a command, and is done."""
    look = {"name": "computer", "input": {"action": "screenshot"}}
    steps = [{"tools": [look, {"name": "bash", "input": {"command": "id"}}]}, {"text": "Done."}]
    desktop_id, run = await prompted(desk, steps)
    await desk.engine.ended(run.id, 120)
    await desk.gateway.desktops.remove(desk.engine.caller, desktop_id)
    return run.id


async def prompt_cancelled(desk: Desk) -> UUID:
    """A model's command is stopped with its run."""
    command = "touch ~/begun; sleep 300"
    desktop_id, run = await prompted(desk, [{"tool": {"name": "bash", "input": {"command": command}}}])

    async def is_begun() -> bool:
        return (await desk.shell(desktop_id, "test -e ~/begun")).code == 0

    await until(is_begun, 60)
    await desk.gateway.runs.cancel(desk.engine.caller, run.id)
    await desk.engine.ended(run.id, 120)
    await desk.gateway.desktops.remove(desk.engine.caller, desktop_id)
    return run.id


KINDS = {"DesktopWorkflow": "desktops", "PromptWorkflow": "prompts", "RunWorkflow": "runs"}
SCENARIOS: tuple[tuple[Scenario, tuple[str, ...]], ...] = (
    (desktop_lived, ("DesktopWorkflow",)),
    (desktop_lost, ("DesktopWorkflow",)),
    (desktop_seen, ("DesktopWorkflow",)),
    (prompt_finished, ("PromptWorkflow", "RunWorkflow")),
    (prompt_cancelled, ("PromptWorkflow", "RunWorkflow")),
)


async def main() -> None:
    """Play every scenario, one after the other."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(short_folder())
        postgres = await stack.enter_async_context(running_postgres(folder))
        temporal = await stack.enter_async_context(running_temporal(folder))
        image = os.environ.get("WINDLASS_DESKTOP_IMAGE", "windlass-desktop-test")
        server = await listen(0)
        stack.callback(server.close)
        model = {"standin_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
        settings = desk_settings(folder, postgres.url, temporal, image).model_copy(update=model)
        desk = await stack.enter_async_context(running_desk(settings))
        wanted = set(sys.argv[1:])
        for scenario, kinds in SCENARIOS:
            if wanted and scenario.__name__ not in wanted:
                continue
            found = await scenario(desk)
            for kind in kinds:
                name = workflow_id(desk.engine.caller.tenant_id, KINDS[kind], found)
                handle = desk.engine.client.get_workflow_handle(name)
                with suppress(WorkflowFailureError):  # a cancelled one has a history too
                    await handle.result()
                history = tidy(json.loads((await handle.fetch_history()).to_json()))
                print(keep(kind, scenario.__name__, history))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
