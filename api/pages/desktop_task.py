"""The newest task of a desktop as its page shows it: what was done, with how the screen looked after it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.engine import Engine
from windlass.contracts.events import Event, EventKind
from windlass.core.callers import Caller
from windlass.core.runs import Run, RunFilter

RECENT = 120  # events of the run: some forty things done
SHOWN = 20
SHAPES = {"done": "finished", "failed": "failed", "unknown": "lost"}
KINDS = (EventKind.TOOL_CALL, EventKind.TOOL_RESULT)


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a model did, or is doing; `picture`: the screen after it, where there is one."""

    text: str
    shape: str
    outcome: str
    picture: str = ""


@dataclass(frozen=True, slots=True)
class NewestTask:
    """A task and the last things that were done for it, the newest first."""

    run: Run
    deeds: tuple[Deed, ...]


async def newest_task(engine: Engine, caller: Caller, desktop_id: UUID) -> NewestTask | None:
    """The newest task that the caller may see; None where there is none."""
    runs = await engine.runs.newest(caller, RunFilter(desktop=desktop_id), limit=1)
    if not runs:
        return None
    head = await engine.events.head(caller.tenant_id, runs[0].id)
    after = max(0, head.last_seq - RECENT)
    events = await engine.events.read(caller.tenant_id, runs[0].id, after, kinds=KINDS)
    return NewestTask(runs[0], tuple(deeds(desktop_id, events))[-SHOWN:][::-1])


def deeds(desktop_id: UUID, events: Iterable[Event]) -> Iterable[Deed]:
    """What was done, in its order; what has no result yet is at work."""
    calls: dict[str, Event] = {}
    results: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind is EventKind.TOOL_CALL:
            calls[event.payload["id"]] = event
        else:
            results[event.payload["id"]] = event.payload
    for ident, call in calls.items():
        result = results.get(ident, {})
        outcome = str(result.get("outcome", "at work"))
        shot = result.get("screenshot")
        picture = f"/v1/desktops/{desktop_id}/screenshots/{shot}" if shot else ""
        yield Deed(text_of(call.payload), SHAPES.get(outcome, "running"), outcome, picture)


def text_of(call: dict[str, Any]) -> str:
    """What is done, in a line."""
    words: dict[str, Any] = call.get("input") or {}
    where = f" at {', '.join(map(str, words['coordinate']))}" if isinstance(words.get("coordinate"), list) else ""
    if words.get("action"):
        text = f" “{words['text']}”" if words.get("text") else ""
        return f"{str(words['action']).replace('_', ' ')}{text}{where}"[:120]
    what = str(words.get("path") or words.get("command") or "").strip().partition("\n")[0]
    return f"{str(call.get('name')).removesuffix('_based_edit_tool')}: {what}"[:120]
