"""kill -9 of the worker beside the engine at any moment: nothing is orphaned, doubled or started anew."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator

import pytest

from stack.forks import Forks
from stack.temporal import Server
from tests.desktops.machine import Desk, desk_settings, running_desk
from tests.parts import short_folder
from tests.workflows.apart import Apart
from tests.workflows.engines import until
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.errors import Unavailable
from windlass.core.runs import StartRun
from windlass.core.settings import Settings

DELAYS = (0.0, 0.1, 0.2, 0.35, 0.6) if os.environ.get("WINDLASS_FAULTS") == "full" else (0.05, 0.3)
AWAY_S = 3.5  # longer than a script is given to obey


@pytest.fixture(scope="module")
async def settings(database_url: str, temporal: Server, image: str, model_url: str) -> AsyncGenerator[Settings]:
    with short_folder() as folder:
        yield desk_settings(folder, database_url, temporal, image).model_copy(update={"standin_url": model_url})


@pytest.fixture(scope="module")
async def worker(forks: Forks, settings: Settings) -> Apart:
    return Apart(forks, settings, "desktops")


@pytest.fixture(scope="module")
async def killed(settings: Settings, worker: Apart) -> AsyncGenerator[Desk]:
    """A desk whose worker is a process that may be killed."""
    async with running_desk(settings, lambda _: worker.running()) as desk:
        yield desk
        await desk.delete_all()


async def test_a_running_desktop_is_adopted_and_not_started_anew(killed: Desk, worker: Apart):
    caller = killed.somebody()
    desktop = await killed.made(caller)
    before = await killed.inspect(desktop.id)

    await worker.kill()
    await worker.start()
    await killed.gateway.desktops.pause(caller, desktop.id)
    await killed.becomes(caller, desktop.id, DesktopStatus.PAUSED)
    await killed.gateway.desktops.resume(caller, desktop.id)
    await killed.becomes(caller, desktop.id, DesktopStatus.IDLE)

    after = await killed.inspect(desktop.id)
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    await killed.gateway.desktops.remove(caller, desktop.id)


@pytest.mark.parametrize("delay_s", DELAYS)
async def test_a_worker_killed_while_it_makes_desktops_leaves_one_container_each(
    killed: Desk, worker: Apart, delay_s: float
):
    callers = [killed.somebody() for _ in range(3)]
    made = [await killed.create(caller) for caller in callers]

    await asyncio.sleep(delay_s)
    await worker.kill()
    await worker.start()

    for caller, desktop in zip(callers, made, strict=True):
        await killed.becomes(caller, desktop.id, DesktopStatus.IDLE)
        assert await killed.left(desktop.id) == ["container", "network", "volume"]
    await asyncio.gather(*(killed.gateway.desktops.remove(c, d.id) for c, d in zip(callers, made, strict=True)))


@pytest.mark.parametrize("delay_s", DELAYS)
async def test_a_worker_killed_while_it_deletes_desktops_leaves_nothing(killed: Desk, worker: Apart, delay_s: float):
    callers = [killed.somebody() for _ in range(3)]
    made = [await killed.made(caller) for caller in callers]

    await asyncio.gather(*(killed.gateway.desktops.remove(c, d.id) for c, d in zip(callers, made, strict=True)))
    await asyncio.sleep(delay_s)
    await worker.kill()
    await worker.start()

    async def is_clean() -> bool:
        return not any([await killed.left(desktop.id) for desktop in made])

    await until(is_clean, 60)


async def test_what_nobody_owns_is_removed(killed: Desk):
    """A container, network and volume whose row is gone, as after a restored backup."""
    caller = killed.somebody()
    desktop = await killed.made(caller)
    async with killed.engine.database.tenant(caller.tenant_id) as connection:
        await connection.execute("delete from desktop where id = $1", desktop.id)

    async def is_clean() -> bool:
        return not await killed.left(desktop.id)

    await killed.shell(desktop.id, "kill -9 $(pidof Xtigervnc Xvnc)")  # a death makes the keeper look at once
    await until(is_clean, 60)


async def test_what_another_installation_owns_is_left_alone(killed: Desk):
    labels = {"windlass.installation": "another", "windlass.desktop": "0" * 32, "windlass.generation": "1"}
    await killed.docker.ask("POST", "/volumes/create", {"Name": "windlass-test-another", "Labels": labels})

    found = await killed.containers.found(await killed.machines.installation())

    assert "windlass-test-another" not in [each.name for each in found]
    await killed.docker.ask("DELETE", "/volumes/windlass-test-another")


async def test_a_script_outlives_its_worker_and_is_run_once(killed: Desk, worker: Apart):
    caller = killed.somebody()
    desktop = await killed.made(caller)
    script = "echo begun >> ~/begun; for n in $(seq 20); do echo line $n; sleep 0.1; done"
    wish = StartRun("desktop", {"desktop": str(desktop.id), "script": script})
    run = await killed.gateway.runs.start(caller, wish)

    for _ in range(2):
        await asyncio.sleep(0.7)
        await worker.kill()
        await worker.start()

    async def is_over() -> bool:
        return not (await killed.gateway.runs.get(caller, run.id)).is_live

    await until(is_over, 60)
    found = await killed.gateway.events.read(caller.tenant_id, run.id, kinds=[EventKind.STDOUT])
    assert (await killed.gateway.runs.get(caller, run.id)).status is RunStatus.FINISHED
    assert [event.payload["text"] for event in found] == [f"line {n}" for n in range(1, 21)]
    assert (await killed.shell(desktop.id, "cat ~/begun")).out == b"begun\n"
    await killed.gateway.desktops.remove(caller, desktop.id)


async def test_a_script_that_is_cancelled_while_its_worker_is_away_is_stopped_by_the_next_one(
    killed: Desk, worker: Apart
):
    caller = killed.somebody()
    desktop = await killed.made(caller)
    script = "sleep 300 & echo $! > ~/child; touch ~/begun; wait"
    run = await killed.gateway.runs.start(caller, StartRun("desktop", {"desktop": str(desktop.id), "script": script}))
    await until(lambda: killed.has_file(desktop.id, "begun"), 60)

    await worker.kill()
    await killed.gateway.runs.cancel(caller, run.id)
    await asyncio.sleep(AWAY_S)
    await worker.start()

    async def is_over() -> bool:
        return not (await killed.gateway.runs.get(caller, run.id)).is_live

    await until(is_over, 60)
    assert (await killed.gateway.runs.get(caller, run.id)).status is RunStatus.CANCELLED
    assert (await killed.shell(desktop.id, "kill -0 $(cat ~/child)")).code != 0
    await killed.gateway.desktops.remove(caller, desktop.id)


async def test_a_worker_killed_while_it_looks_at_a_screen_leaves_no_half_picture(killed: Desk, worker: Apart):
    caller = killed.somebody()
    desktop = await killed.made(caller)

    for delay_s in (0.0, 0.03, 0.06):
        looking = asyncio.create_task(killed.gateway.cameras.picture(caller, desktop.id))
        await asyncio.sleep(delay_s)
        await worker.kill()
        await worker.start()
        await asyncio.gather(looking, return_exceptions=True)

    async def is_seen() -> bool:
        try:
            await killed.gateway.cameras.picture(caller, desktop.id)
        except Unavailable:
            return False
        return True

    await until(is_seen, 60)
    found = await killed.gateway.cameras.picture(caller, desktop.id)
    assert (await killed.gateway.objects.get(found.key)).startswith(b"RIFF")
    await killed.gateway.desktops.remove(caller, desktop.id)


async def test_a_prompt_goes_on_from_its_last_finished_act_and_does_nothing_twice(killed: Desk, worker: Apart):
    caller = killed.somebody()
    desktop = await killed.made(caller)
    acts = [
        {
            "tools": [
                {"name": "bash", "input": {"command": f"echo {n} >> ~/done; sleep 0.2"}},
                {"name": "computer", "input": {"action": "left_click", "coordinate": [10 * n, 10]}},
            ]
        }
        for n in range(1, 7)
    ]
    prompt = f"<standin>{json.dumps([*acts, {'text': 'All six.'}])}</standin>"
    run = await killed.gateway.runs.start(caller, StartRun("desktop", {"desktop": str(desktop.id), "prompt": prompt}))

    for _ in range(2):
        await asyncio.sleep(0.9)
        await worker.kill()
        await worker.start()

    async def is_over() -> bool:
        return not (await killed.gateway.runs.get(caller, run.id)).is_live

    await until(is_over, 90)
    kinds = (EventKind.TOOL_CALL, EventKind.TOOL_RESULT)
    called, came = [await killed.gateway.events.read(caller.tenant_id, run.id, kinds=[kind]) for kind in kinds]
    assert (await killed.gateway.runs.get(caller, run.id)).result == {"Markdown": {"body": "All six."}}
    assert [each.payload["id"] for each in called] == [each.payload["id"] for each in came]
    assert (await killed.shell(desktop.id, "cat ~/done")).out == b"1\n2\n3\n4\n5\n6\n"
    await killed.gateway.desktops.remove(caller, desktop.id)
