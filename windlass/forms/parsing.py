"""What one field's value becomes, by its element, and with which words it is refused."""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, cast

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from windlass.forms.moments import MOMENTS, moment

Element = Mapping[str, Any]
NUMBER = re.compile(r"[+-]?(\d+|\d*\.\d+|\d+\.)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{LABEL}(?:\.{LABEL})+"
URL = r"[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@]+(?:@[^\s/?#@]+)?(?:[/?#]\S*)?"
COLOUR = r"#[0-9A-Fa-f]{6}"
LONGEST_NUMBER = 100
MOST_FILES = 1_000
ON = ("on", "true", True)
OFF = ("off", "false", False, "")


def parse(element: Element, value: Any) -> Any:
    """One element's value as a handler gets it; a `ValueError` carries the message."""
    kind = element.get("type")
    if kind == "boolean":
        return _checkbox(value)
    absent = value is None or value in ("", [])
    if absent and element.get("required"):
        raise ValueError("is required")
    if value is None:
        return _when_absent(element)
    return _PARSERS.get(str(kind), _anything)(element, value)


def _when_absent(element: Element) -> Any:
    """What a field is that was not sent: nothing, never the form's default; only hidden fields carry their own."""
    if element.get("type") == "hidden":
        return element.get("value")
    return [] if element.get("type") == "select" and element.get("multiple") else None


@lru_cache(maxsize=512)
def pattern_of(pattern: str) -> SchemaValidator:
    """Compile a pattern that must match the whole value, in an engine whose time grows linearly with it."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z", regex_engine="rust-regex"))
    except SchemaError as broken:
        reason = str(broken).strip().splitlines()[-1].strip()
        raise ValueError(f"the pattern {pattern!r} cannot be used: {reason}") from None


def _anything(element: Element, value: Any) -> Any:
    return value


def _text(element: Element, value: Any) -> str:
    if not isinstance(value, str) or not _is_storable(value):
        raise ValueError("must be text")
    if not value:
        return value
    shortest, longest, pattern = (element.get(each) for each in ("min_length", "max_length", "pattern"))
    if shortest is not None and len(value) < shortest:
        raise ValueError(f"must have at least {shortest} characters")
    if longest is not None and len(value) > longest:
        raise ValueError(f"must have at most {longest} characters")
    if pattern and not _matches(pattern, value):
        raise ValueError(f"must match {pattern}")
    return value


def _is_storable(value: str) -> bool:
    """Whether the database takes it: no NUL, no half of a surrogate pair."""
    return "\x00" not in value and not any("\ud800" <= each <= "\udfff" for each in value)


def _matches(pattern: str, value: str) -> bool:
    try:
        pattern_of(pattern).validate_python(value)
    except ValidationError:
        return False
    except ValueError:  # stored by a version that allowed it: the handler has the last word
        return True
    return True


def _email(element: Element, value: Any) -> str:
    return _of_kind(EMAIL, "must be an e-mail address", _text(element, value))


def _url(element: Element, value: Any) -> str:
    return _of_kind(URL, "must be a URL", _text(element, value))


def _of_kind(pattern: str, refusal: str, value: str) -> str:
    if value and not _matches(pattern, value):
        raise ValueError(refusal)
    return value


def _colour(element: Element, value: Any) -> str | None:
    if not isinstance(value, str) or (value and not _matches(COLOUR, value)):
        raise ValueError("must be a colour")
    return value.lower() or None


def _range(element: Element, value: Any) -> float | None:
    limits = {"min_value": 0, "max_value": 100} | {name: each for name, each in element.items() if each is not None}
    number = _number(limits, value)
    return None if number is None else float(number)


def _hidden(element: Element, value: Any) -> Any:
    return value if value == element.get("value") else _text({}, value)


def _files(element: Element, value: Any) -> str | list[str] | None:
    """Names, sorted, each once; an address on the web stays as it is."""
    if value == "":
        return None
    if isinstance(value, str) and _matches(URL, value):
        return value
    names = cast("list[Any]", value) if isinstance(value, list) else [value]
    if len(names) > MOST_FILES or not all(isinstance(each, str) and each and _is_storable(each) for each in names):
        raise ValueError("upload is unknown or incomplete")
    if len(set(names)) > 1 and not (element.get("multiple") or element.get("directory")):
        raise ValueError("only one file is allowed")
    return sorted(set(names))


def _number(element: Element, value: Any) -> int | float | None:
    if value == "":
        return None
    number = _parsed_number(value)
    if (lowest := element.get("min_value")) is not None and number < lowest:
        raise ValueError(f"must be at least {lowest}")
    if (highest := element.get("max_value")) is not None and number > highest:
        raise ValueError(f"must be at most {highest}")
    if (step := element.get("step")) and not _is_in_steps(number, step, lowest or 0):
        raise ValueError(f"must be in steps of {step}")
    return number


def _parsed_number(value: Any) -> int | float:
    if isinstance(value, str):
        written = value.strip()
        if len(written) > LONGEST_NUMBER or not NUMBER.fullmatch(written):
            raise ValueError("must be a number")
        value = int(written) if INTEGER.fullmatch(written) else float(written)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise ValueError("must be a number")
    return value


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _is_in_steps(number: float, step: Any, start: float) -> bool:
    try:
        distance = Decimal(str(number)) - Decimal(str(start))
        return distance % Decimal(str(step)) == 0
    except InvalidOperation:  # a step such as "any", or a quotient too long to compare
        return True


def _checkbox(value: Any) -> bool:
    if value is None or any(value is each or (isinstance(value, str) and value == each) for each in OFF):
        return False
    if any(value is each or (isinstance(value, str) and value == each) for each in ON):
        return True
    raise ValueError("must be on or off")


def _select(element: Element, value: Any) -> str | list[str] | None:
    options: list[Element] = element.get("option") or []
    names = [str(each["name"]) for each in options]
    refused = ValueError(f"must be one of: {', '.join(names)}")
    if element.get("multiple"):
        chosen = cast("list[Any]", value) if isinstance(value, list) else [] if value in (None, "") else [value]
        if not all(each in names for each in chosen):
            raise refused
        return [name for name in names if name in chosen]
    if value == "" and "" not in names:
        return None
    if value not in names:
        raise refused
    return value


_PARSERS: dict[str, Callable[[Element, Any], Any]] = {
    **dict.fromkeys(("text", "textarea", "password", "tel", "search"), _text),
    **dict.fromkeys(MOMENTS, moment),
    "email": _email,
    "url": _url,
    "number": _number,
    "range": _range,
    "color": _colour,
    "select": _select,
    "radio": _select,
    "hidden": _hidden,
    "file": _files,
}
