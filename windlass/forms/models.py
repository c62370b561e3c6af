"""A form: its elements in order."""

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from windlass.forms.elements import (
    Cancel,
    Checkbox,
    Element,
    Errors,
    InputArea,
    InputNumber,
    InputOption,
    InputText,
    Markdown,
    Select,
    Submit,
)

MAX_ELEMENTS = 200
MAX_BYTES = 1024 * 1024

log = logging.getLogger(__name__)


class Model:
    """The form of a flow. At most 200 elements and 1 MiB of JSON; no two fields share a name."""

    def __init__(self, *children: Element) -> None:
        self.children = list(children)
        _check(self.get_model())

    def get_model(self) -> list[dict[str, Any]]:
        """Every element as JSON."""
        return [each.to_dict() for each in self.children]

    def get_model_json(self) -> str:
        """The whole form as a JSON document."""
        return json.dumps({"elements": self.get_model()})

    @classmethod
    def model_validate(cls, elements: Sequence[dict[str, Any]], errors: dict[str, list[str]] | None = None) -> "Model":
        """Build a form from its stored elements; a type this version does not know is left out."""
        known = [each for each in elements if each.get("type") in _BUILDERS]
        for each in elements:
            if each.get("type") not in _BUILDERS:
                log.warning("unknown form element %r is left out", each.get("type"))
        return cls(*(_build(each, errors or {}) for each in known))


def _check(elements: list[dict[str, Any]]) -> None:
    if len(elements) > MAX_ELEMENTS:
        raise ValueError(f"a form has at most {MAX_ELEMENTS} elements, this one has {len(elements)}")
    if len(json.dumps(elements)) > MAX_BYTES:
        raise ValueError("a form takes at most 1 MiB of JSON")
    names = [each["name"] for each in elements if each.get("name")]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two fields of the form have the same name: {', '.join(twice)}")


def _build(element: dict[str, Any], errors: dict[str, list[str]]) -> Element:
    settings = {name: value for name, value in element.items() if name != "type"}
    if element["type"] == "select":
        options: list[dict[str, Any]] = element.get("option") or []
        settings["option"] = [_build(each, {}) for each in options]
    messages = errors.get(settings.get("name", ""))
    if messages:
        settings["error"] = "; ".join(messages)
    return _BUILDERS[element["type"]](**settings)


_BUILDERS: dict[str, Callable[..., Element]] = {
    each.type: each
    for each in (
        Cancel,
        Checkbox,
        Errors,
        InputArea,
        InputNumber,
        InputOption,
        InputText,
        Markdown,
        Select,
        Submit,
    )
}
