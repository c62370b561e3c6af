"""What the role `desktops` does once there is an engine: activities on the machine's own queue, and its keeping."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.adapters.engine import DockerEngine
from activities.adapters.screens import DockerScreens
from activities.cameras import Camera
from activities.containers import Containers, Locks, Screens, Scripts, Why
from activities.deeds import Body, DeedActivities
from activities.desktops import DesktopActivities, password
from activities.homes import Scales
from activities.machines import MachineKeeper, Tell
from activities.rush import Rush
from activities.screens import ScreenActivities
from activities.scripts import DesktopTasks
from windlass.contracts import queues
from windlass.contracts.agents import DESKTOP
from windlass.contracts.desktops import Ended
from windlass.contracts.ids import workflow_id
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.desktop_templates import Bounds
from windlass.core.events import Events
from windlass.core.executions import Executions
from windlass.core.machines import Known, Machine, Machines
from windlass.core.screenshots import Screenshots
from windlass.core.skills import Skills
from workers.driving import run_activities
from workers.parts import Parts
from workers.reaper import DESKTOPS_AT_WORK, reap
from workers.runtime import BUILD, GRACE, connect

AT_ONCE = 20
SIGNAL = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Bench:
    """What the role works with."""

    machine: Machine
    machines: Machines
    containers: Containers
    scripts: Scripts
    locks: Locks


async def serve(parts: Parts, identity: str, bench: Bench) -> None:
    """Work until cancelled; what is at work in the engine then is done again by the next worker."""
    client = await connect(parts.settings, identity)
    await reap(client, parts.jobs, DESKTOPS_AT_WORK)
    keeper = MachineKeeper(bench.machine, bench.machines, bench.containers, bench.locks, teller(client))
    keeping = asyncio.create_task(keeper.run())
    scales = Scales(bench.machine.node, bench.machines, bench.containers, bench.locks)
    weighing = asyncio.create_task(scales.run())
    engine = DockerEngine(parts.settings.docker_socket)
    try:
        async with build(client, parts, bench, DockerScreens(engine), keeper.why):
            await keeping
    finally:
        await engine.close()
        for task in (keeping, weighing):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def build(client: Client, parts: Parts, bench: Bench, eyes: Screens, why: Why) -> Worker:
    """The Temporal worker of one machine's engine."""
    secret = parts.settings.require_secret_key()
    activities = DesktopActivities(bench.machines, bench.containers, bench.locks, secret, Bounds.of(parts.settings))
    screenshots = Screenshots(parts.database, parts.notifier)
    camera, key = Camera(eyes, screenshots, parts.objects), partial(password, secret)
    screens = ScreenActivities(eyes, camera, key)
    deeds = DeedActivities(
        Body(
            executions=Executions(parts.database, parts.notifier),
            events=Events(parts.database, parts.notifier),
            artifacts=Artifacts(Contents(parts.database, parts.objects)),
            screens=eyes,
            scripts=bench.scripts,
            camera=camera,
            password=key,
            machines=bench.machines,
            why=why,
            skills=Skills(parts.database),
        )
    )
    tasks = run_activities(parts, {DESKTOP: DesktopTasks(bench.scripts, why)}, Rush())
    return Worker(
        client,
        task_queue=queues.desktops(bench.machine.node, bench.machine.boot),
        activities=[
            *(activities.bring_up, activities.shut_down, activities.freeze, activities.remove),
            *(tasks.drive, tasks.stop, screens.take, deeds.prepare, deeds.act),
        ],
        build_id=BUILD,
        max_concurrent_activities=AT_ONCE + 2 * bench.machine.places,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        graceful_shutdown_timeout=GRACE,
    )


def teller(client: Client) -> Tell:
    """Tells the workflow of a desktop what became of its container; one that cannot be told is told the next time."""

    async def tell(desktop: Known, signal: str, what: Ended) -> None:
        handle = client.get_workflow_handle(workflow_id(desktop.tenant_id, "desktops", desktop.id))
        with suppress(RPCError):
            await handle.signal(signal, what, rpc_timeout=SIGNAL)

    return tell
