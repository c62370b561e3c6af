"""Scripts in desktops: in their order, at most once, through the death of whoever follows them."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

import pytest

from tests.desktops.machine import Desk
from tests.workflows.engines import until
from windlass.contracts.desktops import DesktopStatus, Template, script_text
from windlass.contracts.events import EventKind
from windlass.contracts.runs import RunStatus
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop
from windlass.core.errors import NotFound
from windlass.core.runs import Run, RunFilter, StartRun


@dataclass(frozen=True, slots=True)
class Worker:
    """A desktop of somebody, and what they give it to do."""

    desk: Desk
    caller: Caller
    desktop: Desktop

    async def give(self, script: str, **wish: object) -> Run:
        """Queue a script."""
        inputs = {"desktop": str(self.desktop.id), "script": script}
        return await self.desk.gateway.runs.start(self.caller, StartRun("desktop", inputs, **wish))  # pyright: ignore[reportArgumentType] - by name

    async def done(self, script: str, **wish: object) -> Run:
        """Queue a script and wait for its end."""
        return await self.ended((await self.give(script, **wish)).id)

    async def ended(self, run_id: UUID) -> Run:
        """The run after its end."""

        async def is_over() -> bool:
            return not (await self.desk.gateway.runs.get(self.caller, run_id)).is_live

        await until(is_over, 60)
        return await self.desk.gateway.runs.get(self.caller, run_id)

    async def becomes(self, run: Run, status: RunStatus) -> None:
        """Wait for a status of a run."""

        async def is_so() -> bool:
            return (await self.desk.gateway.runs.get(self.caller, run.id)).status is status

        await until(is_so, 60)

    async def printed(self, run: Run, kind: EventKind = EventKind.STDOUT) -> list[str]:
        """The lines of a run."""
        found = await self.desk.gateway.events.read(self.caller.tenant_id, run.id, kinds=[kind])
        return [event.payload["text"] for event in found]

    async def appears(self, path: str) -> None:
        """Wait for a file in the home."""

        async def is_there() -> bool:
            return (await self.desk.shell(self.desktop.id, f"test -e ~/{path}")).code == 0

        await until(is_there, 60)


@pytest.fixture(scope="module")
async def ada(desk: Desk) -> AsyncGenerator[Worker]:
    caller = desk.somebody()
    desktop = await desk.made(caller)
    yield Worker(desk, caller, desktop)
    await desk.gateway.desktops.remove(caller, desktop.id)


async def test_what_a_script_prints_and_how_it_ends_is_kept(ada: Worker):
    well = await ada.done("echo one; echo two >&2; printf three; pwd > ~/where")
    badly = await ada.done("echo before; exit 3")

    assert (well.status, well.result) == (RunStatus.FINISHED, {"dict": {"exit_code": 0}})
    assert (await ada.printed(well), await ada.printed(well, EventKind.STDERR)) == (["one", "three"], ["two"])
    assert (await ada.desk.shell(ada.desktop.id, "cat ~/where")).out == b"/home/worker\n"
    assert badly.error == {
        "type": "ScriptFailed",
        "message": "The script ended with exit code 3.",
        "exit_code": 3,
    }
    assert await ada.printed(badly) == ["before"]
    assert (await ada.desk.shell(ada.desktop.id, "ls ~/.windlass/tasks")).out == b""


async def test_a_script_of_half_a_megabyte_arrives_whole_and_byte_by_byte(ada: Worker):
    script = b"x='" + b"long " * 100_000 + b"'; echo ${#x}; printf '\xff\xfe\r\n' | od -An -tx1\n"
    run = await ada.done(script_text(script))

    assert await ada.printed(run) == ["500000", " ff fe 0d 0a"]


async def test_tasks_queue_in_their_order_and_the_desktop_is_busy_meanwhile(ada: Worker):
    first = await ada.give("touch ~/first; while [ ! -e ~/go ]; do sleep 0.05; done")
    await ada.appears("first")
    later = [await ada.give(f"echo {n} >> ~/order") for n in range(3)]
    busy = await ada.desk.gateway.desktops.get(ada.caller, ada.desktop.id)
    queued = [(await ada.desk.gateway.runs.get(ada.caller, run.id)).status for run in later]

    await ada.desk.shell(ada.desktop.id, "touch ~/go")
    ended = [await ada.ended(run.id) for run in (first, *later)]

    assert (busy.status, set(queued)) == (DesktopStatus.BUSY, {RunStatus.QUEUED})
    assert {run.status for run in ended} == {RunStatus.FINISHED}
    assert (await ada.desk.shell(ada.desktop.id, "cat ~/order")).out == b"0\n1\n2\n"
    await ada.desk.becomes(ada.caller, ada.desktop.id, DesktopStatus.IDLE)
    found = await ada.desk.gateway.runs.newest(ada.caller, RunFilter(desktop=ada.desktop.id), limit=4)
    assert [run.id for run in found] == [run.id for run in (*reversed(later), first)]


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "])
async def test_a_cancelled_script_ends_with_all_it_started(ada: Worker, deaf: str):
    run = await ada.give(f"{deaf}sleep 300 & echo $! > ~/child; touch ~/begun{len(deaf)}; wait; sleep 300")
    await ada.appears(f"begun{len(deaf)}")

    await ada.desk.gateway.runs.cancel(ada.caller, run.id)

    assert (await ada.ended(run.id)).status is RunStatus.CANCELLED
    assert (await ada.desk.shell(ada.desktop.id, "kill -0 $(cat ~/child)")).code != 0
    await ada.desk.becomes(ada.caller, ada.desktop.id, DesktopStatus.IDLE)


async def test_a_task_that_waits_is_cancelled_without_being_begun(ada: Worker):
    first = await ada.give("touch ~/holds; while [ ! -e ~/release ]; do sleep 0.05; done")
    await ada.appears("holds")
    second = await ada.give("touch ~/never")

    await ada.desk.gateway.runs.cancel(ada.caller, second.id)
    ended = await ada.ended(second.id)
    await ada.desk.shell(ada.desktop.id, "touch ~/release")

    assert ended.status is RunStatus.CANCELLED
    assert (await ada.ended(first.id)).status is RunStatus.FINISHED
    assert (await ada.desk.shell(ada.desktop.id, "test -e ~/never")).code != 0


async def test_a_script_over_its_time_limit_is_stopped(ada: Worker):
    run = await ada.done("sleep 300", timeout_s=1)

    assert run.error == {"type": "TimedOut", "message": "The run took longer than its limit of 1 s."}


async def test_a_desktop_that_dies_under_a_script_fails_it_and_says_so(ada: Worker):
    run = await ada.give("touch ~/dying; sleep 300")
    await ada.appears("dying")

    await ada.desk.shell(ada.desktop.id, "kill -9 $(pidof Xtigervnc Xvnc)")
    ended = await ada.ended(run.id)
    lost = await ada.desk.gateway.desktops.get(ada.caller, ada.desktop.id)

    assert (lost.status, lost.reason) == (DesktopStatus.LOST, "its container ended")
    assert ended.error is not None
    assert ended.error["type"] == "DesktopLost"
    await ada.desk.gateway.desktops.start(ada.caller, ada.desktop.id)
    assert (await ada.done("echo again")).status is RunStatus.FINISHED
    went = await ada.desk.statuses(ada.caller, ada.desktop.id)
    assert went[went.index("lost") - 1 :][:4] == ["busy", "lost", "starting", "idle"]


async def test_a_task_starts_a_desktop_that_is_off(ada: Worker):
    await ada.desk.gateway.desktops.stop(ada.caller, ada.desktop.id)
    await ada.desk.becomes(ada.caller, ada.desktop.id, DesktopStatus.OFFLINE)

    run = await ada.done("echo back")

    assert (run.status, await ada.printed(run)) == (RunStatus.FINISHED, ["back"])


async def test_the_desktop_of_somebody_else_takes_no_task(ada: Worker):
    with pytest.raises(NotFound):
        await Worker(ada.desk, ada.desk.somebody(), ada.desktop).give("id")


async def test_a_task_begins_when_whoever_had_the_screen_has_gone_away(ada: Worker):
    await ada.desk.gateway.viewers.take(ada.caller, ada.desktop.id)
    run = await ada.give("echo mine")
    async with ada.desk.engine.database.tenant(ada.caller.tenant_id) as connection:
        await connection.execute("update desktop set held_until = clock_timestamp() where id = $1", ada.desktop.id)

    assert (await ada.ended(run.id)).status is RunStatus.FINISHED

    async def is_said() -> bool:
        events = await ada.desk.events(ada.caller, ada.desktop.id)
        return any("went away from the screen" in str(event.payload.get("reason")) for event in events)

    await until(is_said, 60)  # the keeper says it on its next round; the task need not wait for that


async def test_a_task_of_a_deleted_desktop_fails_and_says_so(desk: Desk):
    caller = desk.somebody()
    owner = Worker(desk, caller, await desk.made(caller))
    first = await owner.give("touch ~/busy; sleep 300")
    await owner.appears("busy")
    second = await owner.give("id")

    await desk.gateway.desktops.remove(caller, owner.desktop.id)
    ended = await asyncio.gather(owner.ended(first.id), owner.ended(second.id))

    assert [run.error["type"] if run.error else "" for run in ended] == ["DesktopLost", "DesktopGone"]


async def test_a_desktop_whose_room_is_filled_says_so_and_goes_on(ada: Worker):
    script = "head -c 300000000 /dev/zero > /tmp/much; truncate -s 3G ~/much; rm -f /tmp/much ~/much; exit 7"
    run = await ada.done(script)
    said = " ".join(await ada.printed(run, EventKind.STDERR))

    assert run.error is not None
    assert run.error["message"].endswith("exit code 7.")
    assert "No space left on device" in said
    assert "File too large" in said or "File size limit exceeded" in said
    assert (await ada.done("echo on")).status is RunStatus.FINISHED


async def test_a_desktop_that_forks_without_end_is_ended_when_its_task_is_cancelled(ada: Worker):
    run = await ada.give("touch ~/forking; bomb() { while :; do bomb & done; }; bomb")
    await ada.appears("forking")

    async def is_full() -> bool:
        return (await ada.desk.shell(ada.desktop.id, "true & wait")).code != 0

    await until(is_full, 60)

    await ada.desk.gateway.runs.cancel(ada.caller, run.id)

    assert (await ada.ended(run.id)).status is RunStatus.CANCELLED
    await ada.desk.becomes(ada.caller, ada.desktop.id, DesktopStatus.LOST)
    assert (await ada.done("echo again")).status is RunStatus.FINISHED


async def test_a_desktop_whose_home_is_full_is_ended_says_so_and_may_be_tidied_up(desk: Desk):
    caller, neighbour = desk.somebody(), desk.somebody()
    await desk.gateway.desktop_templates.put(caller, "small", Template(home_bytes=32 << 20))
    greedy = Worker(desk, caller, await desk.made(caller, template="small"))
    other = await desk.made(neighbour)

    run = await greedy.give("head -c 50000000 /dev/zero > ~/much; sleep 300")
    ended = await greedy.ended(run.id)
    lost = await desk.becomes(caller, greedy.desktop.id, DesktopStatus.LOST)
    beside = await desk.gateway.desktops.get(neighbour, other.id)
    await desk.gateway.desktops.start(caller, greedy.desktop.id)
    await desk.becomes(caller, greedy.desktop.id, DesktopStatus.IDLE)
    tidied = await greedy.done("sleep 6; rm ~/much")  # it is weighed again meanwhile, and let be

    assert ended.error is not None
    assert ended.error["type"] == "DesktopLost"
    assert re.search(r"its home is full: it has [34]\d MB of the 32 MB", ended.error["message"])
    assert lost.reason.startswith("its home is full")
    assert (beside.status, tidied.status) == (DesktopStatus.IDLE, RunStatus.FINISHED)
    for person, desktop in ((caller, greedy.desktop), (neighbour, other)):
        await desk.gateway.desktops.remove(person, desktop.id)
