"""Following a script: what may happen between two questions to the desktop. Real desktops are in tests/desktops."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from activities.containers import ScriptState
from activities.executors import Ended, ExecutionLost, Report
from activities.scripts import KEPT_BYTES, LINE_BYTES, Lines, ScriptExecution
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.contracts.runs import DriveEnd
from windlass.core.executions import Attached


@dataclass(slots=True)
class Moments:
    """A desktop's scripts whose every moment a test decides."""

    states: list[ScriptState]  # the answers to come, the last one for ever
    asked: list[str] = field(default_factory=list[str])
    while_it_begins: ScriptExecution | None = None  # told to stop just then

    async def begin(self, desktop_id: str, script_id: str, script: bytes) -> ScriptState:
        if self.while_it_begins is not None:
            await self.while_it_begins.stop()
        self.asked.append("begin")
        return ScriptState("running")

    async def state(self, desktop_id: str, script_id: str) -> ScriptState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    async def follow(self, desktop_id: str, script_id: str) -> AsyncIterator[tuple[int, bytes]]:
        self.asked.append("follow")
        yield 1, b"a line\n"

    async def stop(self, desktop_id: str, script_id: str) -> None:
        self.asked.append("stop")

    async def forget(self, desktop_id: str, script_id: str) -> None:
        self.asked.append("forget")


async def nobody_ended_it(_tenant_id: TenantId, _desktop_id: UUID) -> str:
    return ""


def following(scripts: Moments) -> ScriptExecution:
    record = {"inputs": {"desktop": str(new_id()), "script": "id"}}
    return ScriptExecution(scripts, nobody_ended_it, Attached(TenantId(new_id()), RunId(new_id()), 1, 1, record))


async def all_of(execution: ScriptExecution) -> list[Report]:
    return [report async for report in execution.reports()]


async def test_a_script_stopped_while_it_begins_is_stopped_once_it_has_begun():
    scripts = Moments([ScriptState("none"), ScriptState("lost")])
    scripts.while_it_begins = following(scripts)

    reports = await all_of(scripts.while_it_begins)

    assert scripts.asked == ["stop", "begin", "stop", "follow", "stop"]
    assert reports[-1] == Ended(DriveEnd.CANCELLED)


async def test_a_script_stopped_before_it_began_never_begins():
    scripts = Moments([ScriptState("none")])
    execution = following(scripts)
    await execution.stop()

    reports = await all_of(execution)

    assert {"begin", "follow"}.isdisjoint(scripts.asked)
    assert reports[-1] == Ended(DriveEnd.CANCELLED)


async def test_a_script_that_goes_on_after_its_follower_ended_is_not_lost():
    execution = following(Moments([ScriptState("running")]))

    with pytest.raises(ExecutionLost):
        await all_of(execution)


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_lines_are_cut_at_the_same_places_however_they_arrive(size: int):
    text = b"short\n\n" + b"x" * (2 * LINE_BYTES + 1) + "\nä\nno end".encode()
    whole, pieces = Lines("out:task"), Lines("out:task")

    expected = [*whole.take(text, EventKind.STDOUT), *whole.rest(EventKind.STDOUT)]
    found: list[NewEvent] = []
    for at in range(0, len(text), size):
        found += pieces.take(text[at : at + size], EventKind.STDOUT)
    found += pieces.rest(EventKind.STDOUT)

    assert found == expected
    assert [len(event.payload["text"]) for event in found] == [5, 0, LINE_BYTES, LINE_BYTES, 1, 1, 6]
    assert [event.pseq for event in found] == list(range(1, 8))


def test_a_stream_without_end_is_kept_up_to_a_size_and_says_so():
    lines = Lines("out:task")
    line = b"y" * (LINE_BYTES - 1) + b"\n"

    found = [event for _ in range(KEPT_BYTES // LINE_BYTES + 100) for event in lines.take(line, EventKind.STDOUT)]

    assert len(found) == KEPT_BYTES // LINE_BYTES + 1
    assert found[-1].payload["text"] == "(more than 4 MiB: what follows is not kept)"
