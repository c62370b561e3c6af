"""A form: its elements in order."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from windlass.forms import choices, elements
from windlass.forms.choices import Checkbox, InputOption
from windlass.forms.drawing import global_errors
from windlass.forms.elements import Element
from windlass.forms.validation import conditions

MAX_ELEMENTS = 200
MAX_BYTES = 1024 * 1024

log = logging.getLogger(__name__)


class Model:
    """The form of a flow. At most 200 elements and 1 MiB of JSON; no two fields share a name."""

    def __init__(self, *children: Element) -> None:
        self.children = list(children)
        self.errors: list[str] = []  # about the form as a whole, for the next `render`
        _check(self.get_model())

    def get_model(self) -> list[dict[str, Any]]:
        """Every element as JSON."""
        return [each.to_dict() for each in self.children]

    def get_model_json(self) -> str:
        """The whole form as a JSON document."""
        return json.dumps({"elements": self.get_model()})

    def render(self) -> str:
        """The whole form as HTML, without the `form` tag around it."""
        return "\n".join(
            global_errors(self.errors) if each.type == "errors" else each.render() for each in self.children
        )

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Fill the fields with what was sent; a checkbox that was not sent is off, other fields stay."""
        self.children = [_filled(each, data) for each in self.children]

    @classmethod
    def model_validate(
        cls, elements: Sequence[Mapping[str, Any]], errors: Mapping[str, Sequence[str]] | None = None
    ) -> "Model":
        """Build a form from its stored elements; a type this version does not know is left out."""
        built = cls(*_build_all(elements, errors or {}))
        built.errors = list((errors or {}).get("_global_", ()))
        return built


def _filled(element: Element, data: Mapping[str, Any]) -> Element:
    name: str | None = getattr(element, "name", None)
    if isinstance(element, Checkbox):
        return replace(element, value=data.get(element.name) in ("on", "true", True))
    if name not in data or not hasattr(element, "value") or isinstance(element, elements.Action):
        return element
    return replace(element, value=data[name])  # type: ignore[type-var]  # every element is a dataclass


def _check(listed: Sequence[Mapping[str, Any]]) -> None:
    groups = [each for each in listed if each["type"] == "group"]
    count = len(listed) + sum(len(group["elements"]) for group in groups)
    if count > MAX_ELEMENTS:
        raise ValueError(f"a form has at most {MAX_ELEMENTS} elements, this one has {count}")
    if len(json.dumps(listed)) > MAX_BYTES:
        raise ValueError("a form takes at most 1 MiB of JSON")
    _check_names(listed)
    for group in groups:
        if any(each["type"] == "group" for each in group["elements"]):
            raise ValueError(f"the group {group['name']!r} holds another group: groups do not nest")
        _check_names(group["elements"])


def _check_names(listed: Sequence[Mapping[str, Any]]) -> None:
    fields = [each for each in listed if each.get("name") and each["type"] != "action"]
    names = [str(each["name"]) for each in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two fields of the form have the same name: {', '.join(twice)}")
    waits_for = {str(each["name"]): set(conditions(each)) for each in fields}
    for name, others in waits_for.items():
        if unknown := others - waits_for.keys():
            raise ValueError(f"the field {name!r} is visible by {', '.join(sorted(unknown))}, which the form lacks")
    while ready := {name for name, others in waits_for.items() if not others & waits_for.keys()}:
        waits_for = {name: others for name, others in waits_for.items() if name not in ready}
    if waits_for:
        raise ValueError(f"these fields wait for each other to be visible: {', '.join(waits_for)}")


def _build_all(listed: Sequence[Mapping[str, Any]], errors: Mapping[str, Sequence[str]]) -> list[Element]:
    for each in listed:
        if each.get("type") not in _BUILDERS:
            log.warning("unknown form element %r is left out", each.get("type"))
    return [_build(each, errors) for each in listed if each.get("type") in _BUILDERS]


def _build(element: Mapping[str, Any], errors: Mapping[str, Sequence[str]]) -> Element:
    settings = {name: value for name, value in element.items() if name != "type"}
    if element["type"] in ("select", "radio"):
        options: list[dict[str, Any]] = element.get("option") or []
        settings["option"] = [_build(each, {}) for each in options]
    if element["type"] == "group":
        settings["children"] = _build_all(settings.pop("elements") or [], {})
    messages = errors.get(settings.get("name", ""))
    if messages and element["type"] not in ("group", "hidden", "action"):
        settings["error"] = "; ".join(messages)
    return _BUILDERS[element["type"]](**settings)


_KINDS: Sequence[Callable[..., Element]] = (
    *(elements.Markdown, elements.HTML, elements.Break, elements.HR, elements.DisplayInfo, elements.Errors),
    *(elements.Submit, elements.Cancel, elements.Action, elements.InputText, elements.InputNumber),
    *(elements.InputPassword, elements.InputEmail, elements.InputUrl, elements.InputTel, elements.InputSearch),
    *(elements.InputArea, elements.InputDate, elements.InputTime, elements.InputDateTime, elements.InputMonth),
    *(elements.InputWeek, elements.InputColor, elements.InputRange, elements.InputHidden, elements.InputFiles),
    *(elements.Group, choices.Checkbox, choices.InputRadio, choices.Select, InputOption),
)
_BUILDERS: Mapping[str, Callable[..., Element]] = {str(getattr(kind, "type")): kind for kind in _KINDS}  # noqa: B009 - types do not know it
