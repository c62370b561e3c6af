"""What functions say about their values, and how JSON becomes such a value again."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import lru_cache, partial
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, PydanticUserError, TypeAdapter


def returned_by(function: Callable[..., Any]) -> Any:
    """The return annotation; `Any` when there is none."""
    return _hints(function).get("return", Any)


def restored(function: Callable[..., Any], parameter: str, value: Any) -> Any:
    """A JSON value as the function wants it: a model or dataclass when the parameter is annotated with one."""
    wanted = _hints(function).get(parameter, Any)
    adapter = adapter_of(wanted) if _is_model(wanted) else None
    return adapter.validate_python(value) if adapter else value


def adapter_of(annotation: Any) -> TypeAdapter[Any] | None:
    """Pydantic's view of an annotation; `None` when it has nothing to say about it."""
    if annotation is Any:
        return None
    try:
        return _cached_adapter(annotation)
    except TypeError:  # not hashable
        return _new_adapter(annotation)


def _is_model(annotation: Any) -> bool:
    return is_dataclass(annotation) or (inspect.isclass(annotation) and issubclass(annotation, BaseModel))


def _new_adapter(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(annotation)
    except PydanticUserError:  # a class pydantic knows nothing about
        return None


_cached_adapter = lru_cache(maxsize=256)(_new_adapter)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(function, partial):
        function = cast("partial[Any]", function).func
    if not inspect.isroutine(function):
        function = getattr(function, "__call__", function)  # noqa: B004 (the method itself carries the annotations)
    try:
        return get_type_hints(function)
    except Exception:  # noqa: BLE001 (an annotation of foreign code that cannot be evaluated says nothing)
        return {}
