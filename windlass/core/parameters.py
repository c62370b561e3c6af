"""Parameters: what a task leaves open, with a type and perhaps a default."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, cast

from windlass.contracts.events import Payload
from windlass.core.errors import FieldError

NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
RESERVED = frozenset(dir(dict))  # a template reads `parameters.name`
LONGEST = 16 * 1024
MOST = 50


class Kind(StrEnum):
    """What a parameter is."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that is left open; without a default it must be given."""

    name: str
    type: Kind = Kind.TEXT
    label: str = ""
    default: Any = None
    options: tuple[str, ...] = ()

    def convert(self, value: Any) -> Any:
        """The value as this parameter takes it. Raises ValueError with what it must be."""
        match self.type:
            case Kind.INTEGER:
                return _integer(value)
            case Kind.NUMBER:
                return _number(value)
            case Kind.BOOLEAN:
                return _boolean(value)
            case Kind.DATE:
                return _date(value)
            case Kind.CHOICE:
                if value not in self.options:
                    raise ValueError(f"must be one of {', '.join(self.options)}")
                return value
            case _:
                return _text(value)

    def sample(self) -> Any:
        """A value to try templates with."""
        samples: Mapping[Kind, Any] = {
            Kind.INTEGER: 1,
            Kind.NUMBER: 1.0,
            Kind.BOOLEAN: True,
            Kind.DATE: "2026-01-31",
            Kind.CHOICE: self.options[0] if self.options else "",
        }
        return samples.get(self.type, "text") if self.default is None else self.default


def read_parameters(given: Mapping[str, Any]) -> tuple[tuple[Parameter, ...], list[FieldError]]:
    """Parameters from JSON (`{"name": {"type", "label"?, "default"?, "options"?}}`), and what is wrong with them."""
    found: list[Parameter] = []
    errors = [FieldError("parameters", f"must be at most {MOST}")] if len(given) > MOST else []
    for name, described in given.items():
        try:
            found.append(_parameter(name, described))
        except ValueError as error:
            errors.append(FieldError(f"parameters.{name}", str(error)))
    return tuple(found), errors


def written(parameters: Sequence[Parameter]) -> Payload:
    """Parameters as JSON."""
    facts = ((each.name, {key: value for key, value in asdict(each).items() if key != "name"}) for each in parameters)
    return {name: {key: value for key, value in fact.items() if value not in (None, "", ())} for name, fact in facts}


def values_of(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> tuple[Payload, list[FieldError]]:
    """The value of every parameter, and what is wrong with those that were given."""
    known = {each.name for each in parameters}
    errors = [FieldError(f"parameters.{name}", "is no parameter of this task") for name in given if name not in known]
    values: Payload = {}
    for each in parameters:
        value = given.get(each.name)
        if value is None:
            if each.default is None:
                errors.append(FieldError(f"parameters.{each.name}", "must be given: it has no default"))
            values[each.name] = each.default
            continue
        try:
            values[each.name] = each.convert(value)
        except ValueError as error:
            errors.append(FieldError(f"parameters.{each.name}", str(error)))
    return values, errors


def _parameter(name: str, described: Any) -> Parameter:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ValueError("must be named in lower-case letters, digits and _, at most 50, and not like a method")
    if not isinstance(described, Mapping):
        raise ValueError('must be {"type": …}')
    facts: dict[str, Any] = {"type": "text", **described}  # pyright: ignore[reportUnknownArgumentType] - JSON
    unknown = facts.keys() - {"type", "label", "default", "options"}
    if unknown:
        raise ValueError(f"has no {', '.join(sorted(unknown))}")
    if facts["type"] not in set(Kind):
        raise ValueError(f"type must be one of {', '.join(Kind)}")
    options = _options(facts.get("options"))
    if (facts["type"] == Kind.CHOICE) != bool(options):
        raise ValueError("of type choice, and no other, has options")
    made = Parameter(name, Kind(facts["type"]), str(facts.get("label") or ""), options=options)
    default = facts.get("default")
    if default is None:
        return made
    return Parameter(made.name, made.type, made.label, made.convert(default), made.options)


def _options(given: Any) -> tuple[str, ...]:
    texts = cast("list[Any]", given) if isinstance(given, list) else None if given else []
    if texts is None or not all(isinstance(each, str) for each in texts):
        raise ValueError("options must be a list of texts")
    return tuple(texts)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d{1,18}", str(value).strip()):
        raise ValueError("must be a whole number")
    return int(value)


def _number(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a number") from None
    if isinstance(value, bool) or abs(found) == float("inf") or found != found:  # noqa: PLR0124 - not a number
        raise ValueError("must be a number")
    return found


def _boolean(value: Any) -> bool:
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise ValueError("must be true or false")
    return found


def _date(value: Any) -> str:
    try:
        return date.fromisoformat(str(value).strip()).isoformat()
    except ValueError:
        raise ValueError("must be a date such as 2026-01-31") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueError(f"must be a text of at most {LONGEST:,} characters")
    return value
