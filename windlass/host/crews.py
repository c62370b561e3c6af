"""Crews of agents as CrewAI makes them, told apart by what they can do: the library itself is no dependency."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from windlass.contracts.events import EventKind, Payload
from windlass.tracer import Tracer
from windlass.values import plain

Report = Callable[[EventKind, Payload], Awaitable[None]]


async def kickoff(entry_point: Any, inputs: Any, tracer: Tracer, report: Report) -> Any:
    """Run a crew to its end; its members, tasks and steps become events."""
    crew = crew_of(entry_point)
    crew.step_callback, crew.task_callback = tracer.action_sync, tracer.result_sync
    for agent in _listed(crew, "agents"):
        await report(EventKind.AGENT, {"agent": _fields(agent, "role", "goal", "backstory") | {"tools": _tools(agent)}})
    for task in _listed(crew, "tasks"):
        who = getattr(getattr(task, "agent", None), "role", None)
        said = _fields(task, "name", "description", "expected_output")
        await report(EventKind.AGENT, {"task": said | {"agent": plain(who), "tools": _tools(task)}})
    if hasattr(crew, "kickoff_async"):
        return await crew.kickoff_async(inputs=inputs)
    return await asyncio.to_thread(crew.kickoff, inputs=inputs)


def crew_of(entry_point: Any) -> Any:
    """The crew itself: made by its class, or by the method `crew` of what the class makes."""
    made: Any = entry_point() if inspect.isclass(entry_point) else entry_point
    return made if hasattr(made, "kickoff") else made.crew()


def _listed(crew: Any, name: str) -> Sequence[Any]:
    return getattr(crew, name, None) or ()


def _fields(thing: Any, *names: str) -> Payload:
    return {name: plain(getattr(thing, name, None)) for name in names}


def _tools(thing: Any) -> list[Payload]:
    return [_fields(tool, "name", "description") for tool in _listed(thing, "tools")]
