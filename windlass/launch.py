"""Launch: what a flow's handler returns to start a run."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from fastapi import Request

from windlass.values import plain

EntryPoint = Callable[..., Any]


class Launch:
    """The decision to run an entry point with these inputs; whoever asked for the run carries it out.

    `entry_point` is a function or crew class that can be imported by its name, or that name: `module:function`,
    `package.module.function`. `reference` is the handler whose flow describes the run, when it is another one;
    `summary` and `description` override those of the flow.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (Kodosumi's signature, kept for ports)
        self,
        request: Request,
        entry_point: EntryPoint | str,
        inputs: Any = None,
        reference: EntryPoint | None = None,
        summary: str | None = None,
        description: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.request = request
        self.entry_point = name_of(entry_point)
        self.inputs = inputs
        self.reference = reference
        self.summary, self.description = summary, description
        self.extra = dict(extra or {})

    def decision(self) -> dict[str, Any]:
        """Everything but the request, as JSON: what can be launched again after a crash."""
        return {
            "entry_point": self.entry_point,
            "inputs": plain(self.inputs),
            "summary": self.summary,
            "description": self.description,
            "extra": plain(self.extra),
        }


def name_of(entry_point: EntryPoint | str) -> str:
    """The importable name `module:function` of an entry point, or a `ValueError` that names the fix."""
    if isinstance(entry_point, str):
        return entry_point
    name = getattr(entry_point, "__qualname__", "")
    is_named = inspect.isroutine(entry_point) or (inspect.isclass(entry_point) and is_crew(entry_point))
    if not is_named or "<" in name:
        raise ValueError(
            f"{name or entry_point!r} cannot be imported by its name after a crash: "
            "move the agent to the top level of a module, with `def` or `async def`, and launch that"
        )
    return f"{entry_point.__module__}:{name}"


def shown(entry_point: str) -> str:
    """The name as people read it: `module.function`."""
    return entry_point.replace(":", ".")


def resolve(entry_point: str) -> EntryPoint:
    """Import an entry point by its name."""
    module, separator, path = entry_point.partition(":")
    if not separator:
        module, _, path = entry_point.rpartition(".")
    if not module or not path:
        raise ValueError(f"{entry_point!r} is no entry point: write it as module:function")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found) and not is_crew(found):
        raise ValueError(f"{entry_point!r} cannot be called")
    return found


def is_crew(entry_point: object) -> bool:
    """Whether it is run as CrewAI's crews are: a class made by `CrewBase`, or an object that can be kicked off."""
    return bool(getattr(entry_point, "is_crew_class", False)) or hasattr(entry_point, "kickoff")


def chosen(function: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the offered arguments that the function asks for by name."""
    parameters = inspect.signature(function).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return dict(offered)
    return {name: value for name, value in offered.items() if name in parameters}
