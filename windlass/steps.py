"""What a step is: how a call is recognised on replay, and what its result looks like as JSON."""

import hashlib
import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from windlass.annotations import adapter_of, returned_by
from windlass.values import text

RESULT_LIMIT = 16 * 1024 * 1024
ARGUMENTS_SHOWN = 200
INT_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class StepCall:
    """One call of `tracer.step`. `key` stands for the arguments; `once` forbids a second execution."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    once: bool = False

    def fingerprint(self, branch: str) -> str:
        """The same for the same name and JSON arguments; arguments that are not JSON count by branch."""
        if self.key is not None:
            return _digest([self.name, {"key": self.key}])
        try:
            return _digest([self.name, self.args, self.kwargs])
        except (TypeError, ValueError, RecursionError):
            return _digest([self.name, {"branch": branch}])

    def shown_arguments(self) -> str:
        """The arguments, shortened for people."""
        try:
            parts = [reprlib.repr(each) for each in self.args]
            parts += [f"{name}={reprlib.repr(each)}" for name, each in self.kwargs.items()]
        except Exception:  # noqa: BLE001 (a broken __repr__ in foreign code must not fail the run)
            return "…"
        return text(", ".join(parts)[:ARGUMENTS_SHOWN])

    def pack(self, value: Any) -> Any:
        """The result as JSON, or a `TypeError` or `ValueError` that names the step."""
        try:
            packed = _packed(value, returned_by(self.function))
            size = len(json.dumps(packed, allow_nan=False, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        except (TypeError, ValueError, RecursionError, PydanticSerializationError) as wrong:
            raise TypeError(
                f"step {self.name!r} returned a {type(value).__name__} that JSON cannot hold ({wrong}): "
                "return text, numbers, lists and dicts, or annotate the function with what it returns"
            ) from None
        if size > RESULT_LIMIT:
            raise ValueError(
                f"step {self.name!r} returned {size / 2**20:.1f} MiB, at most 16 MiB are kept: "
                "store the data as a file and return its name"
            )
        return packed

    def unpack(self, packed: Any) -> Any:
        """The result as the agent gets it: what JSON gives back, by the function's return annotation."""
        adapter = adapter_of(returned_by(self.function))
        if adapter is None:
            return packed
        try:
            return adapter.validate_json(json.dumps(packed))
        except ValidationError as wrong:
            raise TypeError(f"step {self.name!r} did not return what its annotation says: {wrong}") from None


def _digest(identity: Any) -> str:
    canonical = json.dumps(
        identity, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain_data, ensure_ascii=True
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _plain_data(value: object) -> Any:
    """Data whose JSON says all there is to say; anything else makes the step count by branch."""
    if isinstance(value, BaseModel):
        return [type(value).__qualname__, value.model_dump(mode="json")]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, asdict(value)]
    if isinstance(value, Enum):
        return [type(value).__qualname__, value.name]
    if isinstance(value, date | time | UUID | PurePath | Decimal):
        return [type(value).__name__, str(value)]
    if getattr(value, "is_tracer", False):
        return "tracer"
    raise TypeError(f"{type(value).__name__} is no plain data")


def _packed(value: Any, annotation: Any) -> Any:
    adapter = adapter_of(annotation)
    packed = value if adapter is None else adapter.dump_python(value, mode="json", warnings="none")
    return _storable(json.loads(json.dumps(packed, allow_nan=False)))


def _storable(value: Any) -> Any:
    """The same JSON without what the database cannot keep; integers beyond 64 bits are refused."""
    match value:
        case bool() | None | float():
            return value
        case str():
            return text(value)
        case int():
            if abs(value) >= INT_LIMIT:
                raise ValueError("integers have at most 64 bits")
            return value
        case list():
            return [_storable(item) for item in cast("list[Any]", value)]
        case _:
            return {text(key): _storable(item) for key, item in value.items()}
