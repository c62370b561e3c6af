"""Inputs with templates in them: checked when they are written down, filled in when a run is made of them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, cast
from uuid import UUID

from jinja2 import meta, nodes

from windlass.contracts.events import Payload
from windlass.core.errors import FieldError, Invalid
from windlass.core.parameters import Parameter
from windlass.core.sandbox import BadTemplate, Budget, TooMuch, parsed, render

VARIABLES = frozenset({"now", "scheduled_at", "previous", "parameters"})
MARKS = ("{{", "{%", "{#")
DEEPEST, MOST = 20, 200


@dataclass(frozen=True, slots=True)
class Previous:
    """The last finished run of the same task, as templates see it; false and empty when there is none."""

    READABLE: ClassVar = frozenset({"id", "result", "ended_at"})

    id: str | None = None
    result: Any = None
    ended_at: datetime | None = None

    def __bool__(self) -> bool:
        return self.id is not None


@dataclass(frozen=True, slots=True)
class Variables:
    """What templates may look at."""

    now: datetime
    scheduled_at: datetime
    previous: Previous = field(default_factory=Previous)
    parameters: Payload = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        """The variables by name."""
        return {name: getattr(self, name) for name in VARIABLES}


async def fill_in(inputs: Payload, variables: Variables) -> Payload:
    """The inputs with every template filled in, beside the event loop. Raises Invalid, naming each that cannot be."""
    return await asyncio.to_thread(filled, inputs, variables)


def filled(inputs: Payload, variables: Variables) -> Payload:
    """The inputs with every template filled in. Raises Invalid, naming each that cannot be."""
    known, budget = variables.to_dict(), Budget()
    errors: list[FieldError] = []

    def fill(path: str, text: str) -> Any:
        try:
            return _json(render(text, known, budget))
        except BadTemplate as error:
            errors.append(FieldError(path, str(error)))
            return None

    made: Payload = {name: _changed(value, f"inputs.{name}", fill) for name, value in inputs.items()}
    if errors:
        raise Invalid("The inputs cannot be filled in.", tuple(errors))
    return made


def check(inputs: Payload, parameters: Sequence[Parameter], now: datetime) -> list[FieldError]:
    """What is wrong with the templates in these inputs: unknown variables, what never ends, what is no template."""
    errors: list[FieldError] = []
    names = {each.name for each in parameters}
    samples = {each.name: each.sample() for each in parameters}
    is_certain = all(each.default is not None for each in parameters)
    known, budget = Variables(now, now, parameters=samples).to_dict(), Budget()
    found = list(texts(inputs))
    if len(found) > MOST:
        return [FieldError("inputs", f"hold {len(found)} templates; at most {MOST} are filled in")]
    for path, text in found:
        try:
            unknown = _unknown(parsed(text), names)
            if unknown:
                errors.append(FieldError(path, f"refers to {unknown}, which does not exist; there are {_offer(names)}"))
                continue
            render(text, known, budget)
        except BadTemplate as error:
            if is_certain or isinstance(error, TooMuch) or "cannot be filled in" not in str(error):
                errors.append(FieldError(path, str(error)))
    return errors


def texts(inputs: Payload) -> Iterator[tuple[str, str]]:
    """Every template in the inputs with its path. Raises Invalid when they are nested too deeply."""
    found: list[tuple[str, str]] = []

    def keep(path: str, text: str) -> str:
        found.append((path, text))
        return text

    for name, value in inputs.items():
        _changed(value, f"inputs.{name}", keep)
    yield from found


def is_template(value: object) -> bool:
    """Whether a value is a text with a template in it."""
    return isinstance(value, str) and any(mark in value for mark in MARKS)


def _changed(value: Any, path: str, change: Callable[[str, str], Any], depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise Invalid("The inputs are nested too deeply.", (FieldError(path, f"is deeper than {DEEPEST} levels"),))
    if isinstance(value, str):
        return change(path, value) if is_template(value) else value
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_changed(each, f"{path}.{place}", change, depth + 1) for place, each in enumerate(items)]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return {name: _changed(each, f"{path}.{name}", change, depth + 1) for name, each in pairs.items()}
    return value


def _unknown(tree: nodes.Template, parameters: set[str]) -> str:
    """The first thing a template refers to that does not exist."""
    for name in sorted(meta.find_undeclared_variables(tree) - VARIABLES):
        return name
    members = {"parameters": parameters | {"items", "keys", "values", "get"}, "previous": set(Previous.READABLE)}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        named, owner = _member(node), node.node
        if named is not None and isinstance(owner, nodes.Name) and named not in members.get(owner.name, {named}):
            return f"{owner.name}.{named}"
    return ""


def _member(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.arg.value
    return None


def _offer(parameters: set[str]) -> str:
    own = [f"parameters.{name}" for name in sorted(parameters)]
    return ", ".join(["now", "scheduled_at", "previous", *own])


def _json(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple | set | range):
        return [_json(each) for each in cast("list[Any]", value)]
    return str(value)
