"""The JSON Schema of a form: what `validate` accepts, said so that any client can check it first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Element = Mapping[str, Any]


def json_schema(elements: Sequence[Element]) -> dict[str, Any]:
    """Draft 2020-12 schema of the inputs; fields the form does not name are allowed and ignored."""
    fields = [each for each in elements if each.get("name")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {each["name"]: _property(each) for each in fields},
        "required": [each["name"] for each in fields if each.get("required")],
    }


def _property(element: Element) -> dict[str, Any]:
    schema = _SCHEMAS.get(element["type"], _anything)(element)
    if element.get("label"):
        schema["title"] = element["label"]
    if element.get("value") is not None:
        schema["default"] = element["value"]
    return schema


def _kind(element: Element, name: str) -> str | list[str]:
    return name if element.get("required") else [name, "null"]


def _anything(element: Element) -> dict[str, Any]:
    return {}


def _text(element: Element) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _kind(element, "string")}
    if element.get("required"):
        schema["minLength"] = 1
    if element.get("max_length") is not None:
        schema["maxLength"] = element["max_length"]
    if element.get("pattern"):
        schema["pattern"] = f"^(?:{element['pattern']})$" if element.get("required") else f"^(?:{element['pattern']})?$"
    return schema


def _number(element: Element) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _kind(element, "number")}
    for key, name in (("min_value", "minimum"), ("max_value", "maximum")):
        if element.get(key) is not None:
            schema[name] = element[key]
    if element.get("step") and not element.get("min_value"):
        schema["multipleOf"] = element["step"]
    return schema


def _checkbox(element: Element) -> dict[str, Any]:
    return {"type": "boolean"}


def _select(element: Element) -> dict[str, Any]:
    options: list[Element] = element.get("option") or []
    names = [each["name"] for each in options]
    if element.get("multiple"):
        least = {"minItems": 1} if element.get("required") else {}
        return {"type": "array", "items": {"enum": names}, "uniqueItems": True, **least}
    return {"enum": names if element.get("required") else [*names, None]}


_SCHEMAS: dict[str, Callable[[Element], dict[str, Any]]] = {
    "text": _text,
    "textarea": _text,
    "number": _number,
    "boolean": _checkbox,
    "select": _select,
}
