"""Checking what was filled in against the stored elements, so that every client is held to the same rules."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from windlass.forms.parsing import parse, pattern_of

__all__ = ["conditions", "parse", "pattern_of", "validate"]

Element = Mapping[str, Any]
Errors = dict[str, list[str]]


def validate(elements: Sequence[Element], raw: Mapping[str, Any]) -> tuple[dict[str, Any], Errors]:
    """Every named element's value and the messages by field; what the form does not name is ignored.

    A field whose condition is not met is not asked: what was sent for it is dropped. An entry of a group has its
    messages under `group.0.field`.
    """
    values: dict[str, Any] = {}
    errors: dict[str, Errors] = {}
    named = {str(each["name"]): each for each in elements if each.get("name")}
    for name, element in named.items():
        if element.get("type") == "group":
            values[name], errors[name] = _entries(element, raw.get(name))
            continue
        try:
            values[name] = parse(element, raw.get(name))
        except ValueError as refused:
            errors[name] = {name: [str(refused)]}
    for name in [each for each in named if not _is_asked(each, named, values)]:
        errors.pop(name, None)
        values[name] = parse({**named[name], "required": False, "value": None}, None)
    found = {field: texts for name in named for field, texts in errors.get(name, {}).items()}
    return {name: values[name] for name in named if not errors.get(name)}, found


def conditions(element: Element) -> Mapping[str, list[Any]]:
    """What must be chosen elsewhere for this field to be asked: by field, the values of which one must be met."""
    wanted: Mapping[str, Any] = element.get("visible_if") or {}
    return {name: cast("list[Any]", each) if isinstance(each, list) else [each] for name, each in wanted.items()}


def _is_asked(name: str, named: Mapping[str, Element], values: Mapping[str, Any]) -> bool:
    """Whether every condition of a field is met by a field that is asked itself; the model has refused circles."""
    return all(
        other in named and _is_asked(other, named, values) and _meets(values.get(other), wanted)
        for other, wanted in conditions(named[name]).items()
    )


def _meets(value: Any, wanted: Sequence[Any]) -> bool:
    chosen = cast("list[Any]", value) if isinstance(value, list) else [value]
    return any(each == one and isinstance(each, bool) == isinstance(one, bool) for each in chosen for one in wanted)


def _entries(group: Element, raw: Any) -> tuple[list[dict[str, Any]], Errors]:
    """The entries of a group, and the messages for it as a whole or for the fields of an entry."""
    name, least, most = str(group["name"]), group.get("min_items") or 0, group.get("max_items")
    sent = cast("list[Any]", raw) if isinstance(raw, list) else [] if raw in (None, "") else None
    if sent is None or not all(isinstance(each, Mapping) for each in sent):
        return [], {name: ["must be a list of entries"]}
    if most is not None and len(sent) > most:
        return [], {name: [f"must have at most {most} entries"]}
    if len(sent) < least:
        return [], {name: ["is required" if not sent else f"must have at least {least} entries"]}
    checked = [validate(group.get("elements") or [], each) for each in sent]
    errors = {
        f"{name}.{place}.{field}": texts for place, (_, wrong) in enumerate(checked) for field, texts in wrong.items()
    }
    return [values for values, _ in checked], errors
