"""The JSON Schema of a form: what `validate` accepts, said so that any client can check it first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from windlass.forms.moments import MOMENTS
from windlass.forms.parsing import COLOUR, EMAIL, URL
from windlass.forms.validation import conditions

Element = Mapping[str, Any]
Schema = dict[str, Any]


def json_schema(elements: Sequence[Element]) -> Schema:
    """Draft 2020-12 schema of the inputs; fields the form does not name are allowed and ignored."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_object(elements)}


def _object(elements: Sequence[Element]) -> Schema:
    fields = [each for each in elements if each.get("name")]
    always = [each for each in fields if not conditions(each)]
    schema: Schema = {
        "type": "object",
        "properties": {
            each["name"]: _property(each) if not conditions(each) else _described(each, {}) for each in fields
        },
        "required": [each["name"] for each in always if _is_required(each)],
    }
    named = {each["name"]: each for each in fields}
    asked_at_times = [_when_asked(each, named) for each in fields if conditions(each)]
    return schema | ({"allOf": asked_at_times} if asked_at_times else {})


def _is_required(element: Element) -> bool:
    return bool(element.get("required") or element.get("min_items"))


def _when_asked(element: Element, named: Mapping[str, Element]) -> Schema:
    """A field that is checked only while its conditions are met."""
    name, wanted = element["name"], _all_conditions(element, named)
    then: Schema = {"properties": {name: _property(element)}} | ({"required": [name]} if _is_required(element) else {})
    met = {other: _one_of(values) for other, values in wanted.items()}
    sent = [other for other, values in wanted.items() if not any(each in (False, None) for each in values)]
    return {"if": {"properties": met, "required": sent}, "then": then}


def _all_conditions(element: Element, named: Mapping[str, Element]) -> dict[str, list[Any]]:
    """Its own conditions, and those of the fields they look at."""
    own = dict(conditions(element))
    inherited = [_all_conditions(named[other], named) for other in own if other in named]
    return {name: values for each in inherited for name, values in each.items()} | own


def _one_of(values: list[Any]) -> Schema:
    """The value itself, or a list that holds it."""
    return {"anyOf": [{"enum": values}, {"type": "array", "contains": {"enum": values}}]}


def _property(element: Element) -> Schema:
    return _described(element, _SCHEMAS.get(element["type"], _anything)(element))


def _described(element: Element, schema: Schema) -> Schema:
    if element.get("label"):
        schema["title"] = element["label"]
    if element.get("value") is not None:
        schema["default"] = element["value"]
    return schema


def _kind(element: Element, name: str) -> str | list[str]:
    return name if element.get("required") else [name, "null"]


def _anything(element: Element) -> Schema:
    return {}


def _text(element: Element) -> Schema:
    """A field that is not required may be empty, whatever its limits are."""
    schema: Schema = {"type": _kind(element, "string")}
    shortest = element.get("min_length")
    if element.get("required"):
        schema["minLength"] = max(shortest or 1, 1)
    elif shortest:
        schema["anyOf"] = [{"minLength": shortest}, {"enum": ["", None]}]
    if element.get("max_length") is not None:
        schema["maxLength"] = element["max_length"]
    return schema | _pattern(element, element.get("pattern"))


def _password(element: Element) -> Schema:
    """Sent and never given back: readers get a mask."""
    return _text(element) | {"format": "password", "writeOnly": True}


def _pattern(element: Element, pattern: str | None) -> Schema:
    if not pattern:
        return {}
    return {"pattern": f"^(?:{pattern})$" if element.get("required") else f"^(?:{pattern})?$"}


def _of_kind(pattern: str, format_: str) -> Callable[[Element], Schema]:
    def schema(element: Element) -> Schema:
        known = _text(element)
        own = {"allOf": [_pattern(element, pattern)]} if "pattern" in known else _pattern(element, pattern)
        return known | own | {"x-format": format_}

    return schema


def _moment(element: Element) -> Schema:
    kind = MOMENTS[element["type"]]
    limits = {
        f"x-{end}": element[f"{end}_{kind.limits}"] for end in ("min", "max") if element.get(f"{end}_{kind.limits}")
    }
    return {"type": _kind(element, "string"), **_pattern(element, kind.pattern), "x-format": element["type"], **limits}


def _number(element: Element) -> Schema:
    schema: Schema = {"type": _kind(element, "number")}
    for key, name in (("min_value", "minimum"), ("max_value", "maximum")):
        if element.get(key) is not None:
            schema[name] = element[key]
    if element.get("step") and not element.get("min_value"):
        schema["multipleOf"] = element["step"]
    return schema


def _range(element: Element) -> Schema:
    given = {name: value for name, value in element.items() if value is not None}
    return _number({"min_value": 0, "max_value": 100} | given)


def _checkbox(element: Element) -> Schema:
    return {"type": "boolean"}


def _choice(element: Element) -> Schema:
    options: list[Element] = element.get("option") or []
    names = [each["name"] for each in options]
    if element.get("multiple"):
        least = {"minItems": 1} if element.get("required") else {}
        return {"type": "array", "items": {"enum": names}, "uniqueItems": True, **least}
    return {"enum": names if element.get("required") else [*names, None]}


def _files(element: Element) -> Schema:
    several = element.get("multiple") or element.get("directory")
    names = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
    names |= ({} if several else {"maxItems": 1}) | ({"minItems": 1} if element.get("required") else {})
    address = {"type": "string", "pattern": f"^(?:{URL})$"}
    return {"anyOf": [names, address, *([] if element.get("required") else [{"type": "null"}])]}


def _group(element: Element) -> Schema:
    most = {"maxItems": element["max_items"]} if element.get("max_items") is not None else {}
    least = {"minItems": element["min_items"]} if element.get("min_items") else {}
    return {"type": "array", "items": _object(element.get("elements") or []), **least, **most}


_SCHEMAS: Mapping[str, Callable[[Element], Schema]] = {
    **dict.fromkeys(("text", "textarea", "tel", "search"), _text),
    "password": _password,
    **dict.fromkeys(MOMENTS, _moment),
    "email": _of_kind(EMAIL, "email"),
    "url": _of_kind(URL, "uri"),
    "color": _of_kind(COLOUR, "color"),
    "number": _number,
    "range": _range,
    "boolean": _checkbox,
    "select": _choice,
    "radio": _choice,
    "file": _files,
    "group": _group,
}
