"""Checking what was filled in against the stored elements, so that every client is held to the same rules."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, cast

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

Elements = Sequence[Mapping[str, Any]]
NUMBER = re.compile(r"[+-]?(\d+|\d*\.\d+|\d+\.)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
LONGEST_NUMBER = 100
ON = ("on", "true", True)
OFF = ("off", "false", False, "")


def validate(elements: Elements, raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Every named element's value and the messages by field; what the form does not name is ignored."""
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for element in elements:
        name = element.get("name")
        if not name:
            continue
        try:
            values[name] = parse(element, raw.get(name))
        except ValueError as refused:
            errors.setdefault(name, []).append(str(refused))
    return values, errors


def parse(element: Mapping[str, Any], value: Any) -> Any:
    """One element's value as a handler gets it; a `ValueError` carries the message."""
    kind = element.get("type")
    if kind == "boolean":
        return _checkbox(value)
    absent = value is None or value in ("", [])
    if absent and element.get("required"):
        raise ValueError("is required")
    if value is None and not element.get("multiple"):
        return None
    return _PARSERS.get(str(kind), _anything)(element, value)


@lru_cache(maxsize=512)
def pattern_of(pattern: str) -> SchemaValidator:
    """Compile a pattern that must match the whole value, in an engine whose time grows linearly with it."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z", regex_engine="rust-regex"))
    except SchemaError as broken:
        reason = str(broken).strip().splitlines()[-1].strip()
        raise ValueError(f"the pattern {pattern!r} cannot be used: {reason}") from None


def _anything(element: Mapping[str, Any], value: Any) -> Any:
    return value


def _text(element: Mapping[str, Any], value: Any) -> str:
    if not isinstance(value, str) or not _is_storable(value):
        raise ValueError("must be text")
    if not value:
        return value
    longest, pattern = element.get("max_length"), element.get("pattern")
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


def _number(element: Mapping[str, Any], value: Any) -> int | float | None:
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


def _select(element: Mapping[str, Any], value: Any) -> str | list[str] | None:
    options: list[Mapping[str, Any]] = element.get("option") or []
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


_PARSERS: dict[str, Callable[[Mapping[str, Any], Any], Any]] = {
    "text": _text,
    "textarea": _text,
    "number": _number,
    "select": _select,
}
