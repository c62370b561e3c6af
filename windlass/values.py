"""Typed values: how inputs, actions, results and the final answer travel, `{"<class name>": <JSON>}`."""

import base64
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import ModuleType
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

REPR_CHARACTERS = 1_000
MAX_DEPTH = 64
INT_MAX = 2**63 - 1

_COLLECTIONS: tuple[type, ...] = (list, tuple, set, frozenset)

Json = Any  # what json.dumps accepts


def typed(value: object) -> dict[str, Json]:
    """Wrap a value under the name of its class; what cannot be converted becomes its repr."""
    return _typed(value, 0)


def plain(value: object) -> Json:
    """Turn any value into JSON; never fails, never recurses for ever."""
    return _plain(value, 0)


def _typed(value: object, depth: int) -> dict[str, Json]:
    if depth <= MAX_DEPTH and isinstance(value, _COLLECTIONS):
        items = cast("Iterable[object]", value)
        ordered = _sorted(items) if isinstance(value, set | frozenset) else items
        return {"__list__": [_typed(item, depth + 1) for item in ordered]}
    if isinstance(value, Mapping):
        return {"dict": _plain(cast("object", value), depth)}
    return {type(value).__name__: _plain(value, depth)}


def _plain(value: object, depth: int) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if depth > MAX_DEPTH:
        return _repr(value)
    for kind, convert in _CONVERTERS:
        if isinstance(value, kind):
            return convert(value, depth)
    return _fields(value, depth)


def _fields(value: object, depth: int) -> Json:
    if isinstance(value, type | ModuleType) or callable(value) or isinstance(value, BaseException):
        return _repr(value)
    names = _field_names(value)
    if not names:
        return _repr(value)
    return {name: _plain(getattr(value, name, None), depth + 1) for name in names}


def _field_names(value: object) -> list[str]:
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    slots = [name for kind in type(value).__mro__ for name in _slots_of(kind)]
    return [name for name in [*slots, *getattr(value, "__dict__", {})] if not name.startswith("_")]


def _slots_of(kind: type) -> Iterable[str]:
    slots: str | Iterable[str] = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


def _repr(value: object) -> str:
    try:
        return text(repr(value)[:REPR_CHARACTERS])
    except Exception:  # noqa: BLE001 (a broken __repr__ in foreign code must not fail the run)
        return f"<{type(value).__name__}>"


def text(value: str) -> str:
    """Make text storable: PostgreSQL takes neither NUL nor half a surrogate pair."""
    if "\x00" in value:
        value = value.replace("\x00", "\ufffd")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return value


def _sorted(values: Iterable[object]) -> list[object]:
    items: list[Any] = list(values)
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def _mapping(value: Mapping[object, object], depth: int) -> Json:
    return {text(key if isinstance(key, str) else str(key)): _plain(item, depth + 1) for key, item in value.items()}


def _items(value: Iterable[object], depth: int) -> Json:
    return [_plain(item, depth + 1) for item in value]


def _integer(value: int, depth: int) -> Json:
    return int(value) if abs(value) <= INT_MAX else str(value)


def _number(value: float, depth: int) -> Json:
    return float(value) if math.isfinite(value) else repr(float(value))


def _model(value: BaseModel, depth: int) -> Json:
    return {name: _plain(getattr(value, name), depth + 1) for name in type(value).model_fields}


def _enum(value: Enum, depth: int) -> Json:
    return _plain(value.value, depth + 1)


_CONVERTERS: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], Json]], ...] = (
    (Enum, _enum),
    (str, lambda value, depth: text(str(value))),
    (int, _integer),
    (float, _number),
    (Mapping, _mapping),
    ((set, frozenset), lambda value, depth: _items(_sorted(value), depth)),
    ((list, tuple), _items),
    (BaseModel, _model),
    ((date, time), lambda value, depth: value.isoformat()),
    ((UUID, PurePath, Decimal, timedelta), lambda value, depth: text(str(value))),
    ((bytes, bytearray, memoryview), lambda value, depth: base64.b64encode(bytes(value)).decode()),
)
